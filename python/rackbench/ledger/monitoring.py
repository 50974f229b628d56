# SPDX-License-Identifier: Apache-2.0
"""What a run is doing now: running, stalled, interrupted or idle, judged by heartbeats that its parts recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rackbench.clock import parse_utc
from rackbench.ledger import steps

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from rackbench.ledger.state import ExecutionState, RunState, StepState

Live = dict[str, dict[str, Any]]

# States of a run whose controller is at work on it.
AT_WORK = frozenset({"running", "cancelling"})

# A heartbeat is stale after this many of its own intervals, but never sooner than the floor.
STALE_INTERVALS = 3
STALE_FLOOR_S = 15.0
# Beats of an execution that has not told its interval yet.
FIRST_BEAT_S = 30.0
# Outside an execution the journal itself is the heartbeat; these are its longest usual gaps.
PHASE_INTERVAL_S = {
    "discover": 60.0,
    "preflight": 120.0,
    "stage": 600.0,
    "execute": 120.0,
    "collect": 600.0,
    "publish": 300.0,
    "finalize": 120.0,
}


def seconds_since(text: str | None, now: datetime) -> float | None:
    """Return seconds from the UTC time `text` to `now`, at least 0; None when the text is no time."""
    if not isinstance(text, str):
        return None
    try:
        return max(0.0, round((now - parse_utc(text)).total_seconds(), 3))
    except ValueError:
        return None


def run_state(state: RunState, alive: bool | None) -> str:  # noqa: FBT001 - three values, named at each call
    """Return completed, failed, cancelled, running, cancelling, interrupted, or unknown: the journal tells of no run.

    `alive` says whether the controller lives; None (not known) counts as alive.
    """
    if state.closed is not None:
        return str(state.closed.get("outcome") or "failed")
    if not state.opened and not state.steps:
        return "unknown"
    if alive is False:
        return "interrupted"
    return "cancelling" if state.stop else "running"


def latest_beat(execution: ExecutionState, live: Live) -> dict[str, Any] | None:
    """Return the newer of the journal's beat and the live one.

    A live document whose target time is that of the journal's beat is the same beat, however new its file is: rewriting
    a file proves only that the controller lives.
    """
    return _newer(live.get(execution.execution), execution.beat)


def same_beat(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two beats are one and the same, by the clock of who made them."""
    return bool(other) and _made_at(one) == _made_at(other)


def _made_at(beat: Mapping[str, Any]) -> Any:
    return beat.get("at_target") or beat.get("elapsed_s")


def _newer(fresh: dict[str, Any] | None, recorded: dict[str, Any] | None) -> dict[str, Any] | None:
    if fresh is None or (recorded is not None and same_beat(fresh, recorded)):
        return recorded
    return fresh


def heartbeat(
    entry: StepState, execution: ExecutionState | None, live: Live, now: datetime
) -> dict[str, Any]:
    """Return the heartbeat of a running step: when, how old (s), its interval (s), and whether it is fresh or stale."""
    if execution is None:
        beat = _step_beat(entry, live)
        at = max(filter(None, (beat.get("at"), entry.last_at, entry.began_at)), default=None)
        interval = _interval(beat, PHASE_INTERVAL_S.get(entry.step.phase, FIRST_BEAT_S))
    else:
        beat = latest_beat(execution, live) or {}
        at = beat.get("at") or execution.began_at
        interval = _interval(beat, FIRST_BEAT_S)
    age = seconds_since(at, now)
    stale_after = max(STALE_FLOOR_S, STALE_INTERVALS * interval)
    return {
        "step": entry.step.step_id,
        "execution": execution.execution if execution else None,
        "at": at,
        "age_s": age,
        "interval_s": interval,
        "stale_after_s": stale_after,
        "state": "stale" if age is None or age > stale_after else "fresh",
    }


def _step_beat(entry: StepState, live: Live) -> dict[str, Any]:
    """Return the newest beat of the task that the step is at; a beat from before it is none any more."""
    beat = _newer(live.get(entry.step.step_id), entry.beat) or {}
    return beat if entry.last_at is None or str(beat.get("at") or "") >= entry.last_at else {}


def _interval(beat: Mapping[str, Any], otherwise: float) -> float:
    told = beat.get("interval_s")
    return float(told) if isinstance(told, (int, float)) and told > 0 else otherwise


def heartbeats(state: RunState, live: Live, now: datetime) -> list[dict[str, Any]]:
    """Return one heartbeat for each running step, and for an execute step that of the execution it waits for."""
    found: list[dict[str, Any]] = []
    for entry in state.steps.values():
        if entry.state != steps.RUNNING:
            continue
        running = [one for one in state.active_executions if one.adapter == entry.step.adapter]
        if entry.step.phase == "execute" and running:
            found.extend(heartbeat(entry, one, live, now) for one in running)
        else:
            found.append(heartbeat(entry, None, live, now))
    return found


def monitoring_block(
    state: RunState,
    now: datetime,
    live: Live | None = None,
    alive: bool | None = None,  # noqa: FBT001 - three values
) -> dict[str, Any]:
    """Return the `monitoring` block of the status document; it is a pure function of its arguments."""
    name = run_state(state, alive)
    beats = heartbeats(state, live or {}, now) if name in AT_WORK else []
    stalled = [
        {
            "step": beat["step"],
            "adapter": state.steps[beat["step"]].step.adapter,
            "phase": state.steps[beat["step"]].step.phase,
            "age_s": beat["age_s"],
            "stale_after_s": beat["stale_after_s"],
        }
        for beat in beats
        if beat["state"] == "stale"
    ]
    active = state.active_step if name in AT_WORK else None
    activity = "stalled" if stalled else ("running" if name in AT_WORK else "idle")
    return {
        "state": activity,
        "attention": "stalled" if stalled else ("interrupted" if name == "interrupted" else None),
        "summary": _summary(name, state, active, stalled),
        "active_adapter": active.step.adapter if active else None,
        "active_phase": active.step.phase if active else None,
        "active_step": active.step.step_id if active else None,
        "heartbeats": beats,
        "stalled_phases": stalled,
    }


def _summary(
    name: str, state: RunState, active: StepState | None, stalled: Sequence[Mapping[str, Any]]
) -> str:
    if stalled:
        first = stalled[0]
        age = "an unknown time" if first["age_s"] is None else f"{first['age_s']:.0f} s"
        return f"{first['step']} has given no sign of life for {age}."
    if name == "running":
        return f"{active.step.step_id} is running." if active else "The run is between two steps."
    if name == "cancelling":
        what = f"{active.step.step_id} is coming to its end" if active else "it comes to its end"
        return f"The run was asked to stop, and {what}."
    if name == "interrupted":
        last = f" The last step begun was {state.last_began}." if state.last_began else ""
        return f"The controller process is gone and the run is not closed.{last}"
    if name == "unknown":
        return "The journal tells of no run."
    return f"The run is {name}."
