# SPDX-License-Identifier: GPL-3.0-or-later
"""How long it takes to list thousands of runs, beside reading and parsing the status.json of each."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rackbench.ledger import rundir
from rackbench.ledger.index import CACHE, listing
from rackbench.ledger.recorder import Recorder
from rackbench.project import RUNS

if TYPE_CHECKING:
    import argparse

# What a run of one benchmark records beside its opening and its end.
TASKS = 60
START = datetime(2026, 1, 1, tzinfo=UTC)
VARIANTS = ("read and parse every status.json", "list them", "list them without a cache")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--runs", type=int, default=5000, help="how many run directories there are")
    parser.add_argument("--rounds", type=int, default=7, help="how often each variant is measured")


def measure(args: argparse.Namespace) -> None:
    """Print milliseconds and ratios; every listing happens in a process of its own, that knows nothing yet."""
    with tempfile.TemporaryDirectory() as scratch:
        project = Path(scratch)
        _make(project, args.runs)
        command = [sys.executable, str(Path(sys.executable).parent / "rackbench"), "runs"]
        times: dict[str, list[float]] = {
            name: [] for name in (*VARIANTS, "rackbench runs", "and with --json")
        }
        environment = {
            **os.environ,
            "RACKBENCH_PROJECT": scratch,
            "PYTHONPYCACHEPREFIX": f"{scratch}/compiled",
        }
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for counted in [False, *[True] * args.rounds]:
            for name, samples in times.items():
                arguments = [sys.executable, __file__, name, scratch] if name in VARIANTS else command
                arguments = [*arguments, "--json"] if name == "and with --json" else arguments
                began = time.perf_counter()
                done = subprocess.run(arguments, capture_output=True, text=True, check=True, env=environment)
                seconds = float(done.stdout) if name in VARIANTS else time.perf_counter() - began
                if counted:
                    samples.append(seconds * 1000)
    base = statistics.median(times[VARIANTS[0]])
    print(f"{args.runs} runs {'ms':>37} {'most':>8} {'ratio':>6}")
    for name, samples in times.items():
        median = statistics.median(samples)
        print(f"{name:<34} {median:12.1f} {max(samples):8.1f} {median / base:6.2f}")


def _make(project: Path, count: int) -> None:
    """Make a project with runs, of which each hundredth is open and its controller gone."""
    (project / "ansible.cfg").write_text("")
    (project / "run.yml").write_text("")
    for number in range(count):
        hour = START + timedelta(hours=number)
        run_dir = rundir.create(project / RUNS, f"box{number % 10}", hour)
        if number in {0, 1}:
            _record(run_dir, closed=number == 0)
            continue
        (pattern,) = _first_two(project)[number % 100 == 1 :][:1]
        for name in (rundir.EVENTS, rundir.STATUS):
            (run_dir / name).write_bytes((pattern / name).read_bytes())


def _first_two(project: Path) -> list[Path]:
    return [
        project / RUNS / "2026-01-01" / host for host in ("box0/20260101T000000Z", "box1/20260101T010000Z")
    ]


def _record(run_dir: Path, *, closed: bool) -> None:
    recorder = Recorder(run_dir)
    steps: list[dict[str, Any]] = [
        {"step_id": f"demo.{phase}", "adapter": "demo", "phase": phase, "role": "demo", "depends": []}
        for phase in ("stage", "execute", "collect", "publish")
    ]
    execution = {"execution_id": "demo.smoke.1", "family": "smoke", "repeat": 1, "time_limit_s": 60}
    gone = {"pid": 1, "start_ticks": 0, "boot_id": "gone", "hostname": "gone", "user": "somebody"}
    recorder.record(
        "run.opened",
        schema="rackbench.journal/1.0",
        run_id=rundir.run_id_of(run_dir),
        host=run_dir.parent.name,
        run_dir=str(run_dir),
        check=False,
        phases=["stage", "execute", "collect", "publish"],
        benchmarks=["demo"],
        steps=steps,
        executions={"demo": [execution]},
        controller=gone,
        options={"families": ["smoke"], "repeats": 1},
        inventory={"sources": ["inventories/local"]},
    )
    for step in steps[: None if closed else 1]:
        recorder.record("step.began", step=step["step_id"])
        for number in range(TASKS // len(steps)):
            uuid = f"{step['step_id']}-{number}"
            recorder.record("task.began", task="Do a thing", action="ansible.builtin.command", uuid=uuid)
            recorder.record("task.ended", task="Do a thing", uuid=uuid, status="ok", duration_s=0.1, remote=1)
        recorder.record("step.ended", step=step["step_id"], state="completed")
    if closed:
        recorder.record(
            "result",
            adapter="demo",
            execution="demo.smoke.1",
            family="smoke",
            repeat=1,
            status="passed",
            metrics=[],
            headline=[{"label": "median", "value": 61.5, "unit": "ns"}],
            path="benchmarks/demo/result.json",
        )
        recorder.close_run()
    recorder.tick(time.monotonic(), 0.0)
    recorder.close()


def _parse(project: Path) -> None:
    for path in project.glob(f"{RUNS}/*/*/*/{rundir.STATUS}"):
        json.loads(path.read_bytes())


def _list(project: Path) -> None:
    assert listing(project, RUNS).rows


if __name__ == "__main__":
    name, folder = sys.argv[1], Path(sys.argv[2])
    if name == VARIANTS[2]:
        (folder / CACHE).unlink(missing_ok=True)
    began = time.perf_counter()
    (_parse if name == VARIANTS[0] else _list)(folder)
    print(time.perf_counter() - began)
