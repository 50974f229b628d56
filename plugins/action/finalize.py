# SPDX-License-Identifier: GPL-3.0-or-later
"""Give back what the run has on its host, export its results in the configured formats, and write its report."""

from __future__ import annotations

import typing as t

from ansible_collections.rackbench.lab.plugins.plugin_utils import _lease, _running
from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING, RUN_DIR, LabAction

if MISSING is None:
    from rackbench.adapters.export import export
    from rackbench.errors import RackbenchError
    from rackbench.report.page import KIND as REPORT_KIND
    from rackbench.report.writing import write_at_its_end

if t.TYPE_CHECKING:
    from rackbench.ledger.state import RunState


def _is_redacted(state: RunState) -> bool:
    """Return whether the run was asked to leave something out of what it publishes; exports and page have it."""
    planned = (one for executions in state.planned_executions.values() for one in executions)
    # Earlier bundles took a boolean.
    return any((one.get("parameters") or {}).get("redact") not in {None, False, "none"} for one in planned)


class ActionModule(LabAction):
    """`rackbench.lab.finalize`."""

    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {**RUN_DIR}

    def work(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        state = self.state()
        left = self._give_back(state)
        try:
            paths = export(self.run_dir, state, state.options["export_formats"])
            for path in paths:
                self.register(path, kind="export", publishable=not _is_redacted(state))
        except OSError as error:
            raise RackbenchError(
                "ledger_write_failed", f"The exports cannot be written: {error}.", where=str(self.run_dir)
            ) from error
        page = self._page(state, left)
        if left is not None:
            raise left
        return {"exports": [str(path) for path in paths], **page}

    def _page(self, state: RunState, left: RackbenchError | None) -> dict[str, t.Any]:
        """Write the report; return its path, or a warning: what is measured is good also if nobody can draw it."""
        try:
            report = write_at_its_end(self.run_dir, self._records, left)
            self.register(report, kind=REPORT_KIND, publishable=not _is_redacted(state))
        except Exception as error:  # noqa: BLE001 - whatever a result holds, the run is worth more than its page
            problem = f"{type(error).__name__}: {error}"
            again = self.command("report")
            message = f"The report of this run could not be written, and all else was: {problem}. To see it: {again}"
            return {"report": None, "warnings": [message]}
        return {"report": str(report)}

    def _give_back(self, state: RunState) -> RackbenchError | None:
        """Give the host back; return the failure if it cannot be, which is no reason to export nothing."""
        if (state.lease or {}).get("state") not in _lease.HELD:
            return None
        try:
            running = _running.still_running(self)
            if not running:
                _lease.give_back(self)
                return None
            message = (
                f"{', '.join(running)} still runs on {self.host}, so the lease of it stays with this run."
            )
            command, detail = self.command("resume"), None
        except RackbenchError as error:
            message = (
                f"The lease of {self.host} could not be given back: {error.message} It expires by itself."
            )
            command, detail = self.command("recover"), error.detail
        self.record("lease", state="taken", holder=None, expires_in_s=None, reason=message)
        return RackbenchError("left_behind", message, where=self.host, next_command=command, detail=detail)
