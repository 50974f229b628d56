# SPDX-License-Identifier: Apache-2.0
"""Enrich the run's results once and export them in the configured formats."""

from __future__ import annotations

import typing as t

from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING, RUN_DIR, LabAction

if MISSING is None:
    from rackbench.adapters.export import export
    from rackbench.errors import RackbenchError


class ActionModule(LabAction):
    """`rackbench.lab.finalize`."""

    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {**RUN_DIR}

    def work(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        state = self.state()
        try:
            paths = export(self.run_dir, state, state.options["export_formats"])
        except OSError as error:
            raise RackbenchError(
                "ledger_write_failed", f"The exports cannot be written: {error}.", where=str(self.run_dir)
            ) from error
        for path in paths:
            self.register(path, kind="export", publishable=True)
        return {"exports": [str(path) for path in paths]}
