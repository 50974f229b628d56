# SPDX-License-Identifier: GPL-3.0-or-later
"""Begin or end one step of a run."""

from __future__ import annotations

import typing as t

from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING, RUN_DIR, LabAction

if MISSING is None:
    from rackbench.errors import RackbenchError
    from rackbench.ledger import gate
    from rackbench.ledger.steps import CANCELLED, COMPLETED, FAILED, RUNNING


class ActionModule(LabAction):
    """`rackbench.lab.step`."""

    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {
        **RUN_DIR,
        "step": {"type": "str", "required": True},
        "state": {"type": "str", "required": True, "choices": ["running", "completed", "failed"]},
        "failure": {"type": "dict", "default": {}},
        "message": {"type": "str", "default": "It said nothing that may be recorded."},
    }

    def work(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        step = args["step"]
        if args["state"] == RUNNING:
            return self._begin(step)
        if args["state"] == COMPLETED:
            self.record("step.ended", step=step, state=COMPLETED)
        elif args["failure"].get("code") == "run_cancelled":
            self.record("step.ended", step=step, state=CANCELLED, reason=args["failure"]["message"])
        else:
            failure = args["failure"] or self._failure_of_another_task(args["message"])
            self.record("step.ended", step=step, state=FAILED, failure=failure)
        return {}

    def _begin(self, step: str) -> dict[str, t.Any]:
        obstacle = gate.obstacle(self.state(), step, self.stop_request())
        if obstacle is None:
            self.record("step.began", step=step)
            return {"proceed": True, "executions": self._executions(step)}
        self.record(
            "step.ended", step=step, state=obstacle.state, reason=obstacle.reason, failure=obstacle.failure
        )
        return {"proceed": False, "msg": obstacle.reason}

    def _executions(self, step_id: str) -> list[dict[str, t.Any]]:
        """Return the executions that the step is about: execute has those that are not over yet."""
        state = self.state()
        step = state.steps[step_id].step
        adapter = step.adapter or ""
        if step.phase == "execute":
            return state.pending_executions(adapter)
        return state.planned_executions.get(adapter, [])

    def _failure_of_another_task(self, message: str) -> dict[str, t.Any]:
        """Return the failure when the task that failed is none of ours; the journal names it just before this."""
        return RackbenchError(
            "task_failed", f"A task of the step failed: {message}", where=self.host
        ).as_dict()
