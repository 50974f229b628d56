# SPDX-License-Identifier: Apache-2.0
"""Make a submission bundle of one benchmark of a run: one JSON document that stands by itself and names no host."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from rackbench.adapters.export import enrich
from rackbench.adapters.results import Metric, series_of, statistics_of
from rackbench.errors import RackbenchError
from rackbench.ledger import host_state
from rackbench.ledger.verdict import SUSPECT, VALID
from rackbench.models.submission import SubmissionBundle
from rackbench.publish.refusal import refusals

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rackbench.ledger.state import RunState

_GIVEN_OUT = ("machine", "kernel", "cpus", "memory_bytes")


def submission_bundle(run_dir: Path, state: RunState, adapter: str) -> dict[str, Any]:
    """Return the submission bundle of what `adapter` measured in a run.

    Raises `RackbenchError("submission_refused")` with every reason: a dry run, simulated, void, failed, partial or
    empty results.
    """
    exported = enrich(run_dir, state)
    executions = [
        row
        for row in exported["executions"]
        if row["adapter"] == adapter
        and not row["warmup"]
        and not state.executions[row["execution"]].superseded
    ]
    reasons = [*refusals(state, {row["execution"]: row for row in executions}), *_unfit(executions)]
    if reasons:
        raise RackbenchError(
            "submission_refused",
            f"The results of {adapter} in {run_dir} are not submitted: {' '.join(reasons)}",
            where=str(run_dir),
        )
    known = host_state.of_run(run_dir, state).facts.known
    bundle = executions[0]["bundle"]
    return {
        "schema": SubmissionBundle.schema_name(),
        "id": hashlib.sha256(f"{state.run_id} {adapter}".encode()).hexdigest()[:16],
        "adapter": adapter,
        "benchmark": dict(executions[0]["benchmark"]),
        "measured_at": executions[0]["started_at"],
        "duration_s": sum(row["duration_s"] or 0 for row in executions),
        "platform": {
            "cpu": known.get("cpu.model") or "unknown",
            "os": " ".join(
                str(state.platform[name]) for name in ("os_id", "os_version") if state.platform.get(name)
            )
            or str(state.platform.get("os")),
            **{name: state.platform.get(name) for name in _GIVEN_OUT},
        },
        "verdict": _verdict(state, executions),
        "headline": [line for row in executions for line in _headline(row)],
        "executions": [_execution(row) for row in executions],
        "simulated": False,
        "provenance": {
            "versions": exported["versions"],
            "bundle": {name: bundle[name] for name in ("version", "sha256")} if bundle else None,
            "state_digest": exported["state_digest"],
        },
    }


def _unfit(executions: list[dict[str, Any]]) -> list[str]:
    """Return why executions are no whole, good result, in sentences."""
    if not executions:
        return ["There is no execution of it that counts."]
    reasons = []
    for row in executions:
        if row["problem"]:
            reasons.append(f"{row['execution']} has no result: {row['problem']}")
        elif row["status"] != "passed":
            reasons.append(f"{row['execution']} ended as {row['status']}.")
        elif row["verdict"] not in {VALID, SUSPECT}:
            reasons.append(f"The verdict on {row['execution']} is {row['verdict'] or 'missing'}.")
        elif not row["metrics"]:
            reasons.append(f"{row['execution']} measured nothing.")
    return reasons


def _verdict(state: RunState, executions: list[dict[str, Any]]) -> dict[str, Any]:
    reasons = [
        reason
        for row in executions
        for reason in (state.executions[row["execution"]].verdict or {}).get("reasons", [])
    ]
    suspect = any(row["verdict"] == SUSPECT for row in executions)
    return {"verdict": SUSPECT if suspect else VALID, "reasons": list(dict.fromkeys(reasons))}


def _headline(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the numbers of an execution's headline; one that could not be found has no value and is left out."""
    return [
        {name: line[name] for name in ("label", "value", "unit")}
        for line in row["headline"]
        if isinstance(line.get("value"), (int, float))
    ]


def _execution(row: Mapping[str, Any]) -> dict[str, Any]:
    metrics = [
        Metric(
            entry["name"],
            entry["unit"],
            entry["direction"],
            tuple(entry["samples"]),
            entry.get("labels") or {},
        )
        for entry in row["metrics"]
    ]
    return {
        **{name: row[name] for name in ("family", "repeat", "status", "verdict", "started_at", "duration_s")},
        "headline": _headline(row),
        "skipped": [part["name"] for part in row["skipped"]],
        "metrics": [
            {
                "name": metric.name,
                "unit": metric.unit,
                "direction": metric.direction,
                "labels": dict(metric.labels),
                **statistics_of(metric.samples),
                **({"series": count} if count > 1 else {}),
            }
            for metric, count in series_of(metrics)
        ],
    }
