# SPDX-License-Identifier: GPL-3.0-or-later
"""Take and give back the lease of a target; outside of runs, so nothing is recorded."""

from __future__ import annotations

import typing as t

from ansible_collections.rackbench.lab.plugins.module_utils import _lease
from ansible_collections.rackbench.lab.plugins.plugin_utils._action import LabAction


class ActionModule(LabAction):
    """`rackbench.lab.lease`. It is an action so that its failures have codes."""

    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {
        **_lease.DIRECTORY_OPTION,
        "state": {"type": "str", "required": True, "choices": ["taken", "held", "released"]},
        "lease_id": {"type": "str"},
        "run_id": {"type": "str"},
        "owner": {"type": "str"},
        "purpose": {"type": "str", "default": ""},
        "ttl_s": {"type": "float", "default": _lease.TTL_S},
        "steal": {"type": "bool", "default": False},
        "reason": {"type": "str"},
    }

    def work(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        return self.remote("lease", **args)

    def _require_ledger(self) -> None:
        """Ask for none: this works without a run."""
