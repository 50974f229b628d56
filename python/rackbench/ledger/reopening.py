# SPDX-License-Identifier: Apache-2.0
"""What opening a run again means that came to its end: only publishing runs, without its host. Pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rackbench.errors import RackbenchError
from rackbench.ledger import steps

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rackbench.ledger.state import RunState

_OPEN = frozenset({steps.PENDING, steps.RUNNING})


@dataclass(frozen=True)
class Reopening:
    """`plan` has all steps; `to_run` are the publishing ones, which run now."""

    plan: list[steps.Step]
    to_run: list[steps.Step]

    def record(self, state: RunState) -> dict[str, Any]:
        """Return what the `run.resumed` record says of the plan."""
        names = [step.step_id for step in self.to_run]
        then = state.resumed[-1] if state.resumed else state.opened
        return {
            # What a later resume compares with is what measured, and not what published.
            "identity": dict(then.get("identity") or {"adapters": {}, "inventory": None}),
            "phases": [phase for phase in steps.PHASES if phase in {*state.phases, "publish"}],
            "steps": [step.as_dict() for step in self.plan],
            "again": [name for name in names if name in state.steps],
            "executions": state.planned_executions,
            "reused": [step.step_id for step in self.plan if step.step_id not in names],
            "reattached": [],
            "superseded": [],
            "differences": [],
        }


def reopening(state: RunState, planned: Sequence[steps.Step], run_dir: Path) -> Reopening:
    """Return what publishing a run means; `planned` are all steps that its benchmarks could have today.

    What runs is of `planned`, and never of the journal: a stranger's would name roles of its own. Raises
    `RackbenchError`: resume_refused for a dry run and for one that did not come to its end, publish_payload_empty when
    no benchmark of it was collected, and unknown_benchmark when one that was is not planned.
    """
    if state.check:
        raise _refused(f"{run_dir} is a dry run: nothing of it was measured.", state)
    left = [
        name for name, entry in state.steps.items() if entry.state in _OPEN and entry.step.phase != "publish"
    ]
    if left or not state.steps:
        raise RackbenchError(
            "resume_refused",
            f"{run_dir} has not come to its end ({', '.join(left) or 'it has no steps'}). Resumed, it publishes too.",
            where=state.host,
            next_command=shlex.join(["rackbench", "resume", "--run-dir", str(run_dir)]),
        )
    collected = {
        entry.step.adapter
        for entry in state.steps.values()
        if entry.step.phase == "collect" and entry.state == steps.COMPLETED
    }
    if not collected:
        raise RackbenchError(
            "publish_payload_empty", f"{run_dir} has no collected results.", where=state.host
        )
    to_run = [step for step in planned if step.phase == "publish" and step.adapter in collected]
    if gone := collected - {step.adapter for step in to_run}:
        raise RackbenchError(
            "unknown_benchmark",
            f"{run_dir} has results of {', '.join(sorted(map(str, gone)))}, which is none of its benchmarks.",
            where=state.host,
        )
    known = {step.step_id: step for step in planned}
    known.update((name, entry.step) for name, entry in state.steps.items())
    known.update((step.step_id, step) for step in to_run)
    plan = [step for name, step in known.items() if name in state.steps or step in to_run]
    return Reopening(plan, to_run)


def _refused(message: str, state: RunState) -> RackbenchError:
    return RackbenchError("resume_refused", message, where=state.host)
