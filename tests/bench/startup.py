# SPDX-License-Identifier: GPL-3.0-or-later
"""How quickly the command starts, and what one event costs in the recorder."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rackbench.ledger import identity, rundir
from rackbench.ledger.recorder import Recorder

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--rounds", type=int, default=21, help="how often each variant is measured")


def measure(args: argparse.Namespace) -> None:
    """Print the start-up times of the command, as ratios to an empty Python program."""
    with tempfile.TemporaryDirectory() as scratch:
        recorder = _open_run(Path(scratch))
        recorder.close()
        command = [sys.executable, str(Path(sys.executable).parent / "rackbench")]
        variants = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "rackbench --help": [*command, "--help"],
            "rackbench status": [*command, "status", "--run-dir", str(recorder.run_dir)],
        }
        # As an installed package is: compiled once. The first round compiles and is not counted.
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(Path(scratch) / "compiled")}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        times: dict[str, list[float]] = {name: [] for name in variants}
        for counted in [False, *[True] * args.rounds]:
            for name, arguments in variants.items():
                began = time.perf_counter()
                subprocess.run(arguments, env=environment, stdout=subprocess.DEVNULL, check=False)
                if counted:
                    times[name].append(time.perf_counter() - began)
    base = statistics.median(times["python -c pass"])
    print(f"{'program':<18} {'ms':>8} {'ratio':>6}")
    for name, samples in times.items():
        median = statistics.median(samples)
        print(f"{name:<18} {median * 1000:8.1f} {median / base:6.2f}")


def measure_journal(args: argparse.Namespace) -> None:
    """Print the time of one task's two events in the recorder, and the process's peak memory after each thousand."""
    with tempfile.TemporaryDirectory() as scratch:
        recorder = _open_run(Path(scratch))
        recorder.record("step.began", step="host.discover")
        print(f"{'events':>8} {'us an event':>12} {'peak MiB':>9} {'status bytes':>13}")
        for part in range(args.rounds):
            began = time.perf_counter()
            for number in range(500):
                uuid = f"{part}-{number}"
                recorder.record("task.began", task="Do a thing", action="ansible.builtin.command", uuid=uuid)
                recorder.record(
                    "task.ended", task="Do a thing", uuid=uuid, status="ok", duration_s=0.1, remote=1
                )
            cost = (time.perf_counter() - began) / 1000 * 1e6
            recorder.tick(time.monotonic(), 0.0)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            size = (recorder.run_dir / rundir.STATUS).stat().st_size
            print(f"{(part + 1) * 1000:>8} {cost:12.1f} {peak:9.1f} {size:13}")
        recorder.close()


def _open_run(root: Path) -> Recorder:
    run_dir = rundir.create(root, "box", datetime.now(UTC))
    recorder = Recorder(run_dir)
    step = {
        "step_id": "host.discover",
        "adapter": None,
        "phase": "discover",
        "role": "discover",
        "depends": [],
    }
    recorder.record(
        "run.opened",
        run_id=rundir.run_id_of(run_dir),
        host="box",
        run_dir=str(run_dir),
        check=False,
        phases=["discover"],
        benchmarks=[],
        steps=[step],
        executions={},
        controller=identity.controller(pid=os.getpid()),
    )
    return recorder
