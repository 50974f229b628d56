# SPDX-License-Identifier: GPL-3.0-or-later
"""Reach the host, read what it is, and take its lease."""

from __future__ import annotations

import typing as t

from ansible_collections.rackbench.lab.plugins.plugin_utils import _host_state, _lease, _readiness, _topology
from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING, RUN_DIR, LabAction

if MISSING is None:
    from rackbench.errors import RackbenchError


class ActionModule(LabAction):
    """`rackbench.lab.discover`."""

    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {**RUN_DIR}

    def work(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        try:
            found = self.remote("target_discover")
        except RackbenchError as error:
            _readiness.not_reached(self, error)
            raise
        self.record("platform", **found["platform"])
        _host_state.keep(self, found["host_state"])
        _topology.keep(self, _topology.told(found["topology"]))
        if not self.check_mode:
            options = self.state().options
            _lease.take(
                self,
                steal=bool(options.get("steal")),
                reason=options.get("steal_reason"),
                wait=bool(options.get("wait")),
            )
        return {"platform": found["platform"]}
