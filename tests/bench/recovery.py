# SPDX-License-Identifier: GPL-3.0-or-later
"""What `rackbench status`, `recover`, `sign` and `verify` cost on a run directory with many events."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rackbench.ledger import identity, journal, rundir

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

STEPS = ("host.discover", "made-up.execute", "host.finalize")
# Reading the lines and nothing else, in a process of its own as the others are.
READER = "import json,sys\nfor line in open(sys.argv[1],'rb'): json.loads(line)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--events", type=int, default=1_000_000, help="how many records the journal has")
    parser.add_argument("--rounds", type=int, default=3, help="how often each variant is measured")


def measure(args: argparse.Namespace) -> None:
    """Print seconds, peak memory and the ratio to reading the lines with json.loads alone."""
    print(f"{'events':>9} {'program':<28} {'s':>8} {'ratio':>6} {'peak MiB':>9}")
    with tempfile.TemporaryDirectory() as scratch:
        key = f"{scratch}/key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        for events in (args.events // 10, args.events):
            run_dir = _run_with(Path(scratch) / str(events), events)
            command = [sys.executable, str(Path(sys.executable).parent / "rackbench")]
            named = ["--run-dir", str(run_dir), "--json"]
            variants = {
                "json.loads": [sys.executable, "-c", READER, str(run_dir / rundir.EVENTS)],
                "rackbench recover, first": [*command, "recover", *named],
                "rackbench recover, again": [*command, "recover", *named],
                "rackbench status": [*command, "status", *named],
                "rackbench sign": [*command, "sign", *named, "--key", key],
                "rackbench verify": [*command, "verify", str(run_dir), "--json"],
            }
            base = 0.0
            for name, arguments in variants.items():
                rounds = 1 if name.endswith("first") else args.rounds
                found = [_cost(arguments) for _ in range(rounds)]
                seconds = statistics.median(cost[0] for cost in found)
                base = base or seconds
                peak = max(cost[1] for cost in found)
                print(f"{events:>9} {name:<28} {seconds:8.2f} {seconds / base:6.2f} {peak:9.1f}")


def _cost(arguments: list[str]) -> tuple[float, float]:
    """Return seconds and the peak memory (MiB) of a command."""
    began = time.perf_counter()
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
    _pid, _status, usage = os.wait4(process.pid, 0)
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def _run_with(root: Path, events: int) -> Path:
    """Return the directory of a closed run whose journal has so many records, as long runs have them: beats, tasks."""
    run_dir = rundir.create(root, "box", datetime.now(UTC))
    with (run_dir / rundir.EVENTS).open("wb") as stream:
        for number, (kind, fields) in enumerate(_records(run_dir, events), start=1):
            at = f"2026-11-21T08:{number // 60000 % 60:02d}:{number // 1000 % 60:02d}.{number % 1000:03d}Z"
            stream.write(
                journal.encode({"seq": number, "at": at, "mono": number / 1000, "kind": kind, **fields})
            )
    return run_dir


def _records(run_dir: Path, events: int) -> Iterator[tuple[str, dict[str, Any]]]:
    steps = []
    for name in STEPS:
        owner, _dot, phase = name.rpartition(".")
        adapter = None if owner == "host" else owner
        steps.append({"step_id": name, "adapter": adapter, "phase": phase, "role": "r", "depends": []})
    yield (
        "run.opened",
        {
            "schema": journal.SCHEMA,
            "run_id": rundir.run_id_of(run_dir),
            "host": "box",
            "run_dir": str(run_dir),
            "check": False,
            "phases": ["discover", "execute", "finalize"],
            "benchmarks": ["made-up"],
            "steps": steps,
            "executions": {"made-up": [{"execution_id": "made-up.a.1", "family": "a", "repeat": 1}]},
            "controller": identity.controller(pid=os.getpid()),
            "versions": {},
            "project": {},
            "options": {},
            "inventory": {},
        },
    )
    beat = {"done": 1.0, "total": 9.0, "unit": "turns", "label": "turn", "elapsed_s": 1.0, "interval_s": 1.0}
    for name in STEPS:
        yield "step.began", {"step": name}
        for number in range((events - 9) // 9):
            uuid = f"{name}-{number}"
            yield "task.began", {"task": "Do a thing", "action": "a.b.c", "uuid": uuid, "step": name}
            yield (
                "execution.beat" if name == "made-up.execute" else "step.beat",
                {"execution": "made-up.a.1", "step": name, **beat},
            )
            ended = {"status": "ok", "duration_s": 0.1, "item": None, "failure": None, "remote": 1}
            yield "task.ended", {"task": "Do a thing", "uuid": uuid, "step": name, **ended}
        if name == "made-up.execute":
            yield "execution.ended", {"execution": "made-up.a.1", "outcome": "passed", "rc": 0}
        yield "step.ended", {"step": name, "state": "completed"}
    yield "run.closed", {"outcome": "completed", "failed_steps": [], "exit_status": 0}
