# SPDX-License-Identifier: GPL-3.0-or-later
"""Close a run's journal, and fail the host when the run did not come out well."""

from __future__ import annotations

import typing as t

from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING, RUN_DIR, LabAction

if MISSING is None:
    from rackbench.errors import RackbenchError
    from rackbench.ledger import gate
    from rackbench.ledger.outcome import outcome_of
    from rackbench.ledger.steps import CANCELLED


class ActionModule(LabAction):
    """`rackbench.lab.close`."""

    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {**RUN_DIR}

    def work(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        state = self.state()
        outcome = outcome_of(state)
        self.record("run.closed", **outcome.as_dict())
        if outcome.failed_steps:
            raise RackbenchError(
                "steps_failed",
                f"{len(outcome.failed_steps)} of the steps on {self.host} did not come out well: "
                f"{', '.join(outcome.failed_steps)}.",
                where=self.host,
                next_command=self.command("status"),
            )
        if outcome.outcome == CANCELLED:
            raise RackbenchError(
                "run_cancelled",
                gate.stop_reason(state.stop or {}),
                where=self.host,
                next_command=self.command("resume"),
            )
        return {"outcome": outcome.outcome}
