# SPDX-License-Identifier: Apache-2.0
"""The documents of a run directory as pure functions of the folded journal."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rackbench.clock import parse_utc, utc_text
from rackbench.ledger import alerts, monitoring, publish_states, rundir, steps
from rackbench.ledger import state as states
from rackbench.ledger.time_left import time_left
from rackbench.words import one_line, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rackbench.ledger.state import ExecutionState, RunState, StepState, TaskCounts
    from rackbench.ledger.time_left import TimeLeft

# What status.json repeats of a `readiness` record.
_READINESS_FIELDS = (
    "status",
    "status_basis",
    "message",
    "failure_code",
    "missing",
    "install_command",
    "bootstrap",
    "next_command",
    "predicted_status",
    "predicted_status_basis",
    "validated_readiness_status",
    "readiness_basis",
)


def status_document(
    state: RunState,
    now: datetime,
    live: monitoring.Live | None = None,
    *,
    alive: bool | None = None,
    exists: Callable[[str], bool] = lambda _path: False,
    health: alerts.Health | None = None,
    run_dir: str | None = None,
) -> dict[str, Any]:
    """Return status.json: where the run stands at `now`.

    `live` holds the newest beat of each running execution, `alive` whether the controller lives (None: not known),
    `exists` whether a path relative to the run directory is there, `health` how whole the journal was, `run_dir` where
    the run was found.
    """
    health = health or alerts.Health()
    situation = alerts.Situation(state, now, live or {}, alive, health, run_dir)
    told = monitoring.run_state(state, alive)
    # Nobody knows what came after the last record of a run whose controller is gone.
    until = _last_sign(state, now) if told == "interrupted" else now
    return {
        "schema": "rackbench.status/1.0",
        "run_id": state.run_id,
        "host": state.host,
        "run_dir": state.run_dir,
        "at": utc_text(now),
        "state": told,
        "exit_status": alerts.exit_status(situation),
        "check": state.check,
        "benchmarks": state.benchmarks,
        "phases": state.phases,
        "parent": state.opened.get("parent"),
        "rerun_of": state.opened.get("rerun_of"),
        "label": state.label,
        "template": state.options.get("template"),
        "tags": state.tags,
        "worker": state.opened.get("worker"),
        "opened_at": state.opened_at,
        "closed_at": state.closed["at"] if state.closed else None,
        "elapsed_s": _elapsed(state, until),
        "last_event": dict(state.last) if state.last else None,
        "last_step_begun": state.last_began,
        "position": _position(state, alive=alive),
        "progress": _progress(state, live or {}, now),
        "steps": [_step_row(entry) for entry in state.steps.values()],
        "executions": [_execution_row(entry) for entry in state.executions.values()],
        "readiness": {
            adapter: {name: entry.get(name) for name in _READINESS_FIELDS}
            for adapter, entry in state.readiness.items()
        },
        "packaging": {adapter: _packaging_row(entry) for adapter, entry in state.packaging.items()},
        "results": headline_rows(state),
        "repeats": repeats_rows(state),
        "publish": {
            adapter: {name: entry.get(name) for name in ("state", "target", "reason")}
            for adapter, entry in state.publish.items()
        },
        "exports": list(state.exports),
        "artifacts": {
            "count": len(state.artifacts),
            "bytes": sum(int(entry.get("bytes") or 0) for entry in state.artifacts.values()),
        },
        "transfers": {
            direction: {
                "count": totals.count,
                "reused": totals.reused,
                "bytes": totals.bytes,
                "seconds": round(totals.seconds, 3),
            }
            for direction, totals in state.transfers.items()
        },
        "commands": {
            place: {"count": totals.count, "failed": totals.failed, "seconds": round(totals.seconds, 3)}
            for place, totals in state.commands.items()
        },
        "tasks": task_counts(state.tasks),
        "overhead": overhead(state, until, live or {}),
        "monitoring": monitoring.monitoring_block(state, now, live, alive),
        "alerts": alerts.alerts_block(situation, exists),
        "ledger": _ledger_row(state, health),
    }


def headline_rows(state: RunState) -> list[dict[str, Any]]:
    """Return one row for each headline number: adapter, execution, family, repeat, status, label, value, unit.

    Warm-ups do not count and have none.
    """
    rows: list[dict[str, Any]] = []
    for execution, result in state.results.items():
        if result.get("warmup"):
            continue
        of = {
            "adapter": result.get("adapter"),
            "execution": execution,
            "family": result.get("family"),
            "repeat": result.get("repeat"),
            "status": result.get("status"),
        }
        rows.extend(
            {**of, "label": line.get("label"), "value": line.get("value"), "unit": line.get("unit")}
            for line in result.get("headline") or ()
        )
    return rows


def repeats_rows(state: RunState) -> list[dict[str, Any]]:
    """Return one row for each family whose repeats have ended: how many there were, and why no more."""
    names = ("adapter", "family", "count", "metric", "half_width_percent", "stopped_by")
    return [{name: entry.get(name) for name in names} for entry in state.repeats.values()]


def overhead(state: RunState, now: datetime, live: monitoring.Live) -> dict[str, Any]:
    """Return where the time went (s): for each phase wall, benchmark and the rest, and how many tasks it took."""
    phases: dict[str, dict[str, Any]] = {}
    for entry in state.steps.values():
        if entry.state == steps.PENDING:
            continue
        row = phases.setdefault(
            entry.step.phase,
            {
                "phase": entry.step.phase,
                "wall_s": 0.0,
                "benchmark_s": 0.0,
                "rest_s": 0.0,
                "tasks": 0,
                "remote": 0,
            },
        )
        row["wall_s"] += _step_seconds(entry, now) or 0.0
        row["tasks"] += entry.tasks.total
        row["remote"] += entry.tasks.remote
    benchmark = sum(_execution_seconds(entry, now, live) for entry in state.executions.values())
    if "execute" in phases:
        phases["execute"]["benchmark_s"] = benchmark
    for row in phases.values():
        row["rest_s"] = round(max(0.0, row["wall_s"] - row["benchmark_s"]), 3)
        row["wall_s"], row["benchmark_s"] = round(row["wall_s"], 3), round(row["benchmark_s"], 3)
    wall = _elapsed(state, now) or 0.0
    inside = sum(row["wall_s"] for row in phases.values())
    return {
        "wall_s": wall,
        "benchmark_s": round(benchmark, 3),
        "rest_s": round(max(0.0, wall - benchmark), 3),
        "between_steps_s": round(max(0.0, wall - inside), 3),
        "tasks": state.tasks.total,
        "remote": state.tasks.remote,
        "phases": [phases[name] for name in steps.PHASES if name in phases],
    }


def task_counts(counts: TaskCounts) -> dict[str, Any]:
    """Return task counters as they stand in documents."""
    return {
        **{name: getattr(counts, name) for name in states.TASK_STATUSES},
        "remote": counts.remote,
        "seconds": round(counts.seconds, 3),
    }


def run_manifest(state: RunState) -> dict[str, Any]:
    """Return run_manifest.json: what was asked for, by whom, on what, with which versions, and how it ended."""
    opened = state.opened
    return {
        "schema": "rackbench.run-manifest/1.0",
        "run_id": state.run_id,
        "host": state.host,
        "run_dir": state.run_dir,
        "check": state.check,
        "opened_at": state.opened_at,
        "closed_at": state.closed["at"] if state.closed else None,
        "outcome": state.closed.get("outcome") if state.closed else None,
        "exit_status": _last_exit_status(state),
        "benchmarks": state.benchmarks,
        "phases": state.phases,
        "options": state.options,
        "parent": opened.get("parent"),
        "rerun_of": opened.get("rerun_of"),
        "label": state.label,
        "identity": opened.get("identity"),
        "lease_id": opened.get("lease_id"),
        "worker": opened.get("worker"),
        "controller": state.controller,
        "versions": opened.get("versions") or {},
        "project": opened.get("project") or {},
        "inventory": opened.get("inventory") or {},
        "steps": [entry.step.as_dict() for entry in state.steps.values()],
        "executions": state.planned_executions,
        "unavailable_families": {
            adapter: list(told["unavailable"]) for adapter, told in state.families.items()
        },
        "platform": dict(state.platform),
        "packaging": {adapter: dict(entry) for adapter, entry in state.packaging.items()},
        "documents": {
            "journal": rundir.EVENTS,
            "status": rundir.STATUS,
            "artifacts": rundir.ARTIFACT_MANIFEST,
            "commands": rundir.COMMAND_LEDGER,
            "transfers": rundir.TRANSFER_LEDGER,
            "publish": rundir.PUBLISH_LEDGER,
            "inventory": rundir.INVENTORY_SNAPSHOT,
            "recovery": rundir.RECOVERY_SUMMARY,
            "steps": rundir.STEPS,
        },
    }


def artifact_manifest(state: RunState) -> dict[str, Any]:
    """Return artifact_manifest.json: every file that a step made, with kind, size and digest."""
    return {
        "schema": "rackbench.artifact-manifest/1.0",
        "run_id": state.run_id,
        "host": state.host,
        "count": len(state.artifacts),
        "bytes": sum(int(entry.get("bytes") or 0) for entry in state.artifacts.values()),
        "artifacts": [
            {
                "path": path,
                "kind": entry.get("artifact_kind"),
                "bytes": entry.get("bytes"),
                "sha256": entry.get("sha256"),
                "step": entry.get("step"),
                "execution": entry.get("execution"),
                "publishable": bool(entry.get("publishable")),
                "at": entry.get("at"),
            }
            for path, entry in state.artifacts.items()
        ],
    }


def publish_ledger(state: RunState) -> dict[str, Any]:
    """Return publish_ledger.json: how far each adapter's results came on their way out."""
    return {
        "schema": "rackbench.publish-ledger/1.1",
        "run_id": state.run_id,
        "host": state.host,
        "adapters": [
            {
                "adapter": adapter,
                "at": entry.get("at"),
                **{name: entry.get(name) for name in publish_states.FIELDS},
                **alerts.publish_commands(state, entry),
            }
            for adapter, entry in state.publish.items()
        ],
    }


def host_inventory_snapshot(state: RunState) -> dict[str, Any]:
    """Return host_inventory_snapshot.json: where the host came from and what it turned out to be."""
    return {
        "schema": "rackbench.host-inventory-snapshot/1.0",
        "run_id": state.run_id,
        "host": state.host,
        "opened_at": state.opened_at,
        "inventory": state.opened.get("inventory") or {},
        "platform": dict(state.platform),
    }


def step_document(state: RunState, step_id: str) -> dict[str, Any]:
    """Return state/steps/<step_id>.json. Raises `KeyError` for a step that the run does not have."""
    entry = state.steps[step_id]
    executes = entry.step.phase == "execute"
    return {
        "schema": "rackbench.step/1.0",
        "run_id": state.run_id,
        "host": state.host,
        **entry.step.as_dict(),
        "state": entry.state,
        "began_at": entry.began_at,
        "ended_at": entry.ended_at,
        "duration_s": entry.duration_s,
        "reason": entry.reason,
        "failure": dict(entry.failure) if entry.failure else None,
        "tasks": task_counts(entry.tasks),
        "artifacts": list(entry.artifacts),
        "executions": [
            _execution_row(one)
            for one in state.executions.values()
            if executes and one.adapter == entry.step.adapter
        ],
    }


def command_line(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the line of command_ledger.jsonl for a `command` record of the journal."""
    return _ledger_line(
        "rackbench.command/1.0",
        record,
        ("argv", "rc", "signal", "where", "duration_s", "step", "execution", "log"),
    )


def transfer_line(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the line of transfer_ledger.jsonl for a `transfer` record of the journal."""
    return _ledger_line(
        "rackbench.transfer/1.0",
        record,
        ("direction", "source", "destination", "bytes", "sha256", "duration_s", "reused", "step"),
    )


def recovery_summary(
    state: RunState,
    now: datetime,
    live: monitoring.Live | None = None,
    *,
    alive: bool | None = None,
    exists: Callable[[str], bool] = lambda _path: False,
    health: alerts.Health | None = None,
    run_dir: str | None = None,
) -> str:
    """Return recovery_summary.md: for a person who finds this directory and asks what to do next."""
    situation = alerts.Situation(state, now, live or {}, alive, health or alerts.Health(), run_dir)
    primary = alerts.alerts_block(situation, exists)["primary"]
    name = monitoring.run_state(state, alive)
    lines = [
        f"# {state.run_id or 'Unknown run'}",
        "",
        f"- State: {name}",
        f"- Last step begun: {state.last_began or 'none'}",
    ]
    for entry in state.steps.values():
        reason = entry.reason or (entry.failure or {}).get("message")
        lines.append(f"- {entry.step.step_id}: {entry.state}" + (f" ({one_line(reason)})" if reason else ""))
    lines.append("")
    if primary is None:
        return printable("\n".join([*lines, "Nothing needs to be done.", ""]))
    lines += [
        "## Next",
        "",
        f"- Alert: {one_line(primary['message'])} [{primary['code']}]",
    ]
    lines += [f"- Do: {one_line(action)}" for action in primary["next_actions"]]
    for title, key in (
        ("Install there", "next_install_commands"),
        ("Run", "next_commands"),
        ("Look", "next_diagnostic_commands"),
        ("Read", "next_paths"),
    ):
        lines += [f"- {title}: `{one_line(value)}`" for value in primary[key]]
    return printable("\n".join([*lines, ""]))


def _ledger_line(schema: str, record: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {
        "schema": schema,
        "seq": record.get("seq"),
        "at": record.get("at"),
        **{name: record.get(name) for name in names},
    }


def _last_exit_status(state: RunState) -> int | None:
    """Return the exit status by the journal alone: what its last record leaves of the run."""
    at = _last_sign(state, datetime.min.replace(tzinfo=UTC))
    return alerts.exit_status(alerts.Situation(state, at))


def _last_sign(state: RunState, now: datetime) -> datetime:
    try:
        return parse_utc(str((state.last or {})["at"]))
    except (KeyError, ValueError):
        return now


def _elapsed(state: RunState, now: datetime) -> float | None:
    """Return the seconds from opening to closing, by the monotonic clock when both were seen by it."""
    if state.closed is None:
        return monitoring.seconds_since(state.opened_at, now)
    if (
        state.opened_mono is not None
        and state.closed_mono is not None
        and state.closed_mono >= state.opened_mono
    ):
        return round(state.closed_mono - state.opened_mono, 3)
    try:
        return monitoring.seconds_since(state.opened_at, parse_utc(str(state.closed["at"])))
    except ValueError:
        return None


def _step_seconds(entry: StepState, now: datetime) -> float | None:
    if entry.state == steps.RUNNING:
        return monitoring.seconds_since(entry.began_at, now)
    return entry.duration_s


def _execution_seconds(entry: ExecutionState, now: datetime, live: monitoring.Live) -> float:
    if entry.state == states.RUNNING:
        beat = monitoring.latest_beat(entry, live) or {}
        told = beat.get("elapsed_s")
        return (
            float(told)
            if isinstance(told, (int, float))
            else monitoring.seconds_since(entry.began_at, now) or 0.0
        )
    return float(entry.duration_s or 0.0)


def _position(state: RunState, *, alive: bool | None) -> dict[str, Any] | None:
    active = state.active_step
    if active is None or monitoring.run_state(state, alive) not in monitoring.AT_WORK | {"interrupted"}:
        return None
    order = list(state.steps)
    task = next(reversed(state.open_tasks.values()), None)
    return {
        "step": active.step.step_id,
        "adapter": active.step.adapter,
        "phase": active.step.phase,
        "number": order.index(active.step.step_id) + 1,
        "of": len(order),
        "began_at": active.began_at,
        "task": task.task or task.action if task else None,
        "task_began_at": task.at if task else None,
    }


def _progress(state: RunState, live: monitoring.Live, now: datetime) -> dict[str, Any] | None:
    active = state.active_executions
    if not active or state.closed is not None:
        return None
    entry = active[-1]
    beat = monitoring.latest_beat(entry, live) or {}
    done, total = beat.get("done"), beat.get("total")
    percent = None
    if isinstance(done, (int, float)) and isinstance(total, (int, float)) and total > 0:
        percent = round(min(100.0, 100.0 * done / total), 1)
    left = _time_left(state, entry, beat, now)
    return {
        "execution": entry.execution,
        "adapter": entry.adapter,
        "family": entry.family,
        "repeat": entry.repeat,
        "done": done,
        "total": total,
        "unit": beat.get("unit"),
        "label": beat.get("label"),
        "percent": percent,
        "elapsed_s": round(_execution_seconds(entry, now, live), 3),
        "left_s": left.seconds if left else None,
        "left_by": left.by if left else None,
        "time_limit_s": entry.time_limit_s,
        "at": beat.get("at") or entry.began_at,
    }


def _time_left(
    state: RunState, entry: ExecutionState, beat: Mapping[str, Any], now: datetime
) -> TimeLeft | None:
    """Return how long an execution still takes, by its last heartbeat and what its family took before."""
    told = beat.get("elapsed_s")
    since = monitoring.seconds_since(beat.get("at") if told is not None else entry.began_at, now)
    return time_left(
        _number(beat.get("done")),
        _number(beat.get("total")),
        _number(told) or 0.0,
        since or 0.0,
        [
            one.duration_s
            for one in state.executions.values()
            if (one.adapter, one.family) == (entry.adapter, entry.family)
            and one.outcome == "passed"
            and one.duration_s is not None
        ],
    )


def _number(value: Any) -> float | None:
    """Return a finite number of a heartbeat, in which a benchmark may have written anything."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if is_number and math.isfinite(value) else None


def _step_row(entry: StepState) -> dict[str, Any]:
    return {
        "step_id": entry.step.step_id,
        "adapter": entry.step.adapter,
        "phase": entry.step.phase,
        "state": entry.state,
        "began_at": entry.began_at,
        "duration_s": entry.duration_s,
        "reason": entry.reason,
        "code": (entry.failure or {}).get("code"),
        "message": (entry.failure or {}).get("message"),
    }


def _execution_row(entry: ExecutionState) -> dict[str, Any]:
    return {
        "execution": entry.execution,
        "adapter": entry.adapter,
        "family": entry.family,
        "repeat": entry.repeat,
        "warmup": entry.warmup,
        "superseded": entry.superseded,
        "state": "not_needed" if entry.not_needed else entry.state,
        "outcome": entry.outcome,
        "verdict": (entry.verdict or {}).get("verdict"),
        "rc": entry.rc,
        "signal": entry.signal,
        "duration_s": entry.duration_s,
        "job_dir": entry.job_dir,
    }


def _packaging_row(decision: Mapping[str, Any]) -> dict[str, Any]:
    """Return which bundle was used: `path` and `sidecar` are its files, `builder` what it was made of, if it was."""
    used = states.used_bundle(decision) or {}
    is_made = (used.get("cost") or {}).get("build") is not None
    there = not is_made or decision.get("made")
    path = used.get("path") if there else None
    return {
        "basis": decision.get("basis"),
        "source": used.get("source"),
        "builder": decision["chosen"].get("path") if is_made else None,
        "path": path,
        "sidecar": f"{path}.json" if path else None,
        **{name: used.get(name) for name in ("sha256", "size")},
    }


def _ledger_row(state: RunState, health: alerts.Health) -> dict[str, Any]:
    problems = []
    if health.missing:
        problems.append(f"{rundir.EVENTS} is missing.")
    if health.torn:
        problems.append(f"The last line of {rundir.EVENTS} is torn; the record in it is lost.")
    if health.bad_lines:
        problems.append(f"{len(health.bad_lines)} lines of {rundir.EVENTS} are no records.")
    if state.missing_records:
        problems.append(f"{state.missing_records} records are missing from the numbering.")
    if state.illegal_transitions:
        problems.append(f"{state.illegal_transitions} illegal changes of a step's state were not followed.")
    if state.unusable_records:
        problems.append(f"{state.unusable_records} records could not be used.")
    if state.rebuilt is not None:
        problems.append(f"{rundir.EVENTS} was rebuilt from the documents; it has not all records.")
    if state.incomplete is not None:
        problems.append("Ansible counted other tasks than the ledger saw.")
    return {
        "complete": not problems,
        "torn": health.torn,
        "bad_lines": list(health.bad_lines[:20]),
        "missing_records": state.missing_records,
        "illegal_transitions": state.illegal_transitions,
        "unusable_records": state.unusable_records,
        "incomplete": dict(state.incomplete) if state.incomplete else None,
        "problems": problems,
    }
