# SPDX-License-Identifier: GPL-3.0-or-later
"""See who holds the lease of a target; outside of runs, so nothing is recorded."""

from __future__ import annotations

import typing as t

from ansible_collections.rackbench.lab.plugins.module_utils import _lease
from ansible_collections.rackbench.lab.plugins.plugin_utils._action import LabAction


class ActionModule(LabAction):
    """`rackbench.lab.lease_info`. It is an action so that its failures have codes."""

    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = _lease.DIRECTORY_OPTION

    def work(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        return self.remote("lease_info", **args)

    def _require_ledger(self) -> None:
        """Ask for none: this works without a run."""
