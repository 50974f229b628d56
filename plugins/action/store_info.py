# SPDX-License-Identifier: GPL-3.0-or-later
"""List what Rackbench keeps on a target; outside of runs, so nothing is recorded."""

from __future__ import annotations

import typing as t

from ansible_collections.rackbench.lab.plugins.module_utils._target import ROOT_OPTION
from ansible_collections.rackbench.lab.plugins.plugin_utils._action import LabAction


class ActionModule(LabAction):
    """`rackbench.lab.store_info`. It is an action so that its failures have codes."""

    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = ROOT_OPTION

    def work(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        return self.remote("store_info", **args)

    def _require_ledger(self) -> None:
        """Ask for none: this works without a run."""
