# SPDX-License-Identifier: Apache-2.0
"""Whether a step may run now, and if not, why: the one place that decides it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rackbench.errors import FAILURES, RackbenchError
from rackbench.ledger import rundir, steps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rackbench.ledger.state import RunState

_CHANGE_THE_TARGET = frozenset({"execute", "collect", "publish"})


@dataclass(frozen=True)
class Obstacle:
    """Why a step is left out, and its state then; `failure` is set when something is wrong with this very step."""

    reason: str
    failure: dict[str, Any] | None = None
    state: str = steps.SKIPPED


def obstacle(state: RunState, step_id: str, stop: Mapping[str, Any] | None) -> Obstacle | None:
    """Return what keeps a step from running, or None. `stop` is a request to stop the run, if there is one.

    Raises `RackbenchError("illegal_transition")` when the run has no such step.
    """
    if step_id not in state.steps:
        raise RackbenchError("illegal_transition", f"The run has no step {step_id}.", where=step_id)
    step = state.steps[step_id].step
    # A run that is stopped still gives back what it holds.
    if stop is not None and step.phase != "finalize":
        return Obstacle(stop_reason(stop), state=steps.CANCELLED)
    if state.check and step.phase in _CHANGE_THE_TARGET:
        return Obstacle("a dry run starts nothing on the target")
    if reason := steps.blocked_reason(
        step, state.step_states(), execution_began=state.execution_began(step.adapter)
    ):
        return Obstacle(reason)
    if step.phase == "stage" and step.adapter is not None:
        return _not_ready(state, step.adapter) or _nothing_to_run(state, step.adapter)
    return None


def stop_reason(stop: Mapping[str, Any]) -> str:
    """Return in words who stopped the run and why."""
    reason = f": {stop['reason']}" if stop.get("reason") else ""
    return f"{stop.get('by') or 'somebody'} stopped the run{reason}"


def _nothing_to_run(state: RunState, adapter: str) -> Obstacle | None:
    """Return why an adapter is left out that the host can run no family of; staging it would be for nothing."""
    told = (state.families.get(adapter) or {}).get("unavailable") or []
    if not told or state.planned_executions.get(adapter) or "execute" not in state.phases:
        return None
    reasons = " ".join(f"{each['family']}: {each['reason']}" for each in told)
    failure = RackbenchError(
        "families_impossible",
        f"{state.host} can run no family of {adapter} that was asked for. {reasons}".strip(),
        where=state.host,
        next_path=f"{state.run_dir}/{rundir.PREFLIGHT_SUMMARY}",
    )
    return Obstacle(failure.message, failure.as_dict())


def _not_ready(state: RunState, adapter: str) -> Obstacle | None:
    readiness = state.readiness.get(adapter) or {}
    code = readiness.get("failure_code")
    if code not in FAILURES:
        return None
    message = str(readiness.get("message") or f"{adapter} is not ready: {readiness.get('status')}.")
    command = readiness.get("next_command")
    failure = RackbenchError(
        code,
        message,
        where=state.host,
        next_command=command if isinstance(command, str) else None,
        next_path=f"{state.run_dir}/{rundir.PREFLIGHT_SUMMARY}",
    )
    return Obstacle(message, failure.as_dict())
