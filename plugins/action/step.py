# SPDX-License-Identifier: Apache-2.0
"""Begin or end one step of a run."""

from __future__ import annotations

import typing as t

from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING, RUN_DIR, LabAction

if MISSING is None:
    from rackbench.errors import RackbenchError
    from rackbench.ledger import gate
    from rackbench.ledger.steps import COMPLETED, FAILED, RUNNING, SKIPPED


class ActionModule(LabAction):
    """`rackbench.lab.step`."""

    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {
        **RUN_DIR,
        "step": {"type": "str", "required": True},
        "state": {"type": "str", "required": True, "choices": ["running", "completed", "failed"]},
        "cause": {"type": "dict"},
        "task": {"type": "str"},
    }

    def work(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        step = args["step"]
        if args["state"] == RUNNING:
            return self._begin(step)
        if args["state"] == COMPLETED:
            self.record("step.ended", step=step, state=COMPLETED)
        else:
            self.record(
                "step.ended",
                step=step,
                state=FAILED,
                failure=self._failure(args["cause"] or {}, args["task"]),
            )
        return {}

    def _begin(self, step: str) -> dict[str, t.Any]:
        obstacle = gate.obstacle(self.state(), step)
        if obstacle is None:
            self.record("step.began", step=step)
            return {"proceed": True}
        self.record("step.ended", step=step, state=SKIPPED, reason=obstacle.reason, failure=obstacle.failure)
        return {"proceed": False, "msg": obstacle.reason}

    def _failure(self, cause: dict[str, t.Any], task: str | None) -> dict[str, t.Any]:
        """Return the failure of the task that failed: its own code when it is one of our actions."""
        results = [cause, *(item for item in cause.get("results") or [] if isinstance(item, dict))]
        for result in results:
            if failure := (result.get("rackbench") or {}).get("failure"):
                return t.cast("dict[str, t.Any]", failure)
        text = next(
            (str(result["msg"]) for result in reversed(results) if result.get("msg")), "no reason was given"
        )
        return RackbenchError("task_failed", f"The task {task!r} failed: {text}", where=self.host).as_dict()
