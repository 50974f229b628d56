# SPDX-License-Identifier: Apache-2.0
"""A whole run as records, for the tests of everything that reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from rackbench import clock
from rackbench.ledger import documents, projections, rundir

if TYPE_CHECKING:
    from pathlib import Path

    from rackbench.ledger.state import RunState

START = datetime(2026, 11, 21, 8, 0, 0, tzinfo=UTC)
NOW = START + timedelta(seconds=60)
RUN_DIR = "automation-runs/2026-11-21/thor/20261121T080000Z"
DIGEST = "ab" * 32
STEPS = [
    ("host.discover", None, "discover", []),
    ("host.preflight", None, "preflight", []),
    ("latency.stage", "latency", "stage", ["host.discover", "host.preflight"]),
    ("latency.execute", "latency", "execute", ["latency.stage"]),
    ("latency.collect", "latency", "collect", ["latency.execute"]),
    ("latency.publish", "latency", "publish", ["latency.collect", "latency.execute"]),
    ("host.finalize", None, "finalize", []),
]
FAILURE = {
    "code": "execution_failed",
    "message": "The benchmark ended with 1.",
    "next_step": "Read its stderr in the run directory.",
    "next_path": "benchmarks/latency/stderr",
}


def opened(**changes: Any) -> dict[str, Any]:
    """Return the fields of a run.opened record."""
    return {
        "schema": "rackbench.journal/1.0",
        "run_id": "20261121T080000Z-thor",
        "host": "thor",
        "run_dir": RUN_DIR,
        "check": False,
        "phases": ["discover", "preflight", "stage", "execute", "collect", "publish", "finalize"],
        "benchmarks": ["latency"],
        "steps": [
            {"step_id": name, "adapter": adapter, "phase": phase, "role": f"role_{phase}", "depends": depends}
            for name, adapter, phase, depends in STEPS
        ],
        "executions": {
            "latency": [
                {"execution_id": "latency.smoke.1", "family": "smoke", "repeat": 1, "time_limit_s": 60}
            ]
        },
        "controller": {"pid": 1, "start_ticks": 1, "boot_id": "another", "hostname": "c1", "user": "op"},
        "versions": {"rackbench": "0.1.0", "ansible_core": "2.19.0", "python": "3.11.2"},
        "project": {"commit": None, "dirty": None},
        "options": {"export_formats": ["json"]},
        "parent": None,
        "worker": {"group_id": 0, "group_count": 1},
        "inventory": {"sources": ["inventories/lab"]},
        **changes,
    }


class Script:
    """Makes records one after the other, a second apart."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    def add(self, kind: str, **fields: Any) -> Script:
        """Append a record."""
        number = len(self.records) + 1
        at = clock.utc_text(START + timedelta(seconds=number))
        self.records.append({"seq": number, "at": at, "mono": 100.0 + number, "kind": kind, **fields})
        return self

    def step(self, name: str, state: str = "completed", **fields: Any) -> Script:
        """Append a step that begins, runs one task and ends."""
        self.add("step.began", step=name)
        uuid = f"t{len(self.records)}"
        self.add("task.began", task="Do it", action="rackbench.lab.x", uuid=uuid, step=name)
        self.add(
            "task.ended", task="Do it", uuid=uuid, step=name, status="ok", duration_s=0.5, item=None, failure=None,
            remote=1,
        )  # fmt: skip
        return self.add("step.ended", step=name, state=state, **fields)


def whole_run() -> list[dict[str, Any]]:
    """Return the records of a run that went well, with every kind of record in it."""
    script = Script().add("run.opened", **opened()).add("play.began", play="Rackbench run")
    script.step("host.discover")
    script.add("platform", machine="x86_64", os="linux", hostname="thor")
    script.step("host.preflight")
    script.add(
        "packaging", adapter="latency", decision={"basis": "dist", "chosen": {"path": "a", "sha256": DIGEST}}
    )
    script.add(
        "readiness", adapter="latency", status="ready", missing=[], install_command=None, message="Ready."
    )
    script.add("step.began", step="latency.stage")
    script.add("step.beat", step="latency.stage", label="building", elapsed_s=3.0, interval_s=5.0)
    script.add(
        "transfer", direction="upload", source="dist/a", destination="thor:b", bytes=1000, sha256=DIGEST,
        duration_s=0.1, reused=False, step="latency.stage",
    )  # fmt: skip
    script.add("step.ended", step="latency.stage", state="completed")
    script.add("step.began", step="latency.execute")
    execution = "latency.smoke.1"
    script.add(
        "execution.began", execution=execution, adapter="latency", family="smoke", repeat=1, job_dir="/j"
    )
    script.add(
        "execution.beat", execution=execution, at_target="2026-11-21T08:00:20.000Z", done=3, total=12, unit="pairs",
        label="0-1", elapsed_s=2.0, interval_s=1,
    )  # fmt: skip
    script.add("execution.ended", execution=execution, outcome="passed", rc=0, signal=None, duration_s=3.0)
    script.add(
        "command", argv=["bin/run"], rc=0, signal=None, where="target", duration_s=3.0, execution=execution
    )
    script.add("step.ended", step="latency.execute", state="completed")
    script.add("step.began", step="latency.collect")
    script.add(
        "artifact", path="benchmarks/latency/result.json", bytes=10, sha256=DIGEST, artifact_kind="result",
        step="latency.collect", execution=execution, publishable=True,
    )  # fmt: skip
    script.add(
        "result", adapter="latency", execution=execution, family="smoke", repeat=1, status="passed", metrics=[],
        headline=[{"label": "median", "value": 61.5, "unit": "ns"}], path="benchmarks/latency/result.json",
    )  # fmt: skip
    script.add("step.ended", step="latency.collect", state="completed")
    script.add("step.began", step="latency.publish")
    script.add("publish", adapter="latency", state="not_configured", target=None, reason="No target.")
    script.add("step.ended", step="latency.publish", state="completed")
    script.add("step.began", step="host.finalize")
    script.add(
        "artifact", path="exports/results.json", bytes=10, sha256=DIGEST, artifact_kind="export",
        step="host.finalize", execution=None, publishable=True,
    )  # fmt: skip
    script.add("step.ended", step="host.finalize", state="completed")
    script.add("run.closed", outcome="completed", failed_steps=[], exit_status=0)
    return script.records


def failed_run() -> list[dict[str, Any]]:
    """Return the records of a run whose benchmark failed."""
    script = Script().add("run.opened", **opened())
    for name in ("host.discover", "host.preflight", "latency.stage"):
        script.step(name)
    script.step("latency.execute", "failed", failure=FAILURE)
    for name in ("latency.collect", "latency.publish"):
        script.add("step.ended", step=name, state="skipped", reason="latency.execute is failed")
    script.step("host.finalize")
    script.add("run.closed", outcome="failed", failed_steps=["latency.execute"], exit_status=1)
    return script.records


def make_run_dir(root: Path) -> Path:
    """Make an empty run directory as `rundir.create` does."""
    return rundir.create(root / "automation-runs", "thor", START)


def every_document(state: RunState, now: datetime = NOW) -> dict[str, Any]:
    """Return every document of a state by its name."""
    return {
        "status": projections.status_document(state, now),
        "interrupted": projections.status_document(state, now, alive=False, exists=lambda _path: True),
        "recovery": projections.recovery_summary(state, now),
        **{name: document_of(state) for name, document_of in documents.STATIC.items()},
        **{name: projections.step_document(state, name) for name in state.steps},
    }
