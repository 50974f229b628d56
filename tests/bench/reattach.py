# SPDX-License-Identifier: GPL-3.0-or-later
"""How soon after the death of its controller a running benchmark is waited for again, beside a bare Ansible call."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.integration import made_up  # noqa: E402 - the root of the checkout must be on the path first
from tests.integration.harness import make_project  # noqa: E402

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from tests.integration.harness import LabProject

LIMIT_S = 300


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--rounds", type=int, default=5, help="how often the controller is killed")


def measure(args: argparse.Namespace) -> None:
    """Print seconds from SIGKILL to the task that waits again, and those of `ansible -m ping`, as a ratio."""
    times: dict[str, list[float]] = {"ansible -m ping": [], "killed to waiting again": []}
    with tempfile.TemporaryDirectory() as scratch:
        project = make_project(Path(scratch))
        until = project.home / "until"
        made_up.add(project, families=[made_up.family(until=str(until))])
        for _round in range(args.rounds):
            began = time.monotonic()
            project.command("ansible", "local", "-m", "ansible.builtin.ping")
            times["ansible -m ping"].append(time.monotonic() - began)
            times["killed to waiting again"].append(_reattached(project, until))
    base = statistics.median(times["ansible -m ping"])
    print(f"{'what':<24} {'s':>6} {'ratio':>6}")
    for name, samples in times.items():
        median = statistics.median(samples)
        print(f"{name:<24} {median:6.2f} {median / base:6.2f}")


def _reattached(project: LabProject, until: Path) -> float:
    """Kill the controller of a run whose benchmark runs, resume it at once, and return how long that took."""
    until.unlink(missing_ok=True)
    known = {one.path for one in project.runs()}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    run = project.start("ansible-playbook", "run.yml", "-l", "local", "-e", "lab_benchmarks=made-up", **quiet)
    run_dir = _wait(lambda: next((one.path for one in project.runs() if one.path not in known), None))
    _wait(lambda: list((run_dir / "state/live").glob("made-up*.json")))
    os.killpg(run.pid, signal.SIGKILL)
    killed = time.monotonic()
    resumed = project.start("rackbench", "resume", "--run-dir", run_dir, "--yes", **quiet)
    _wait(lambda: _waits_again(run_dir))
    seconds = time.monotonic() - killed
    until.touch()
    resumed.wait(LIMIT_S)
    run.wait(LIMIT_S)
    return seconds


def _waits_again(run_dir: Path) -> bool:
    """Say whether the task that runs the benchmark began after the run was resumed."""
    records = [json.loads(line) for line in (run_dir / "events.jsonl").read_text().splitlines()]
    resumed = max((one["seq"] for one in records if one["kind"] == "run.resumed"), default=None)
    return resumed is not None and any(
        one["kind"] == "task.began" and one["seq"] > resumed and one["action"] == "rackbench.lab.job"
        for one in records
    )


def _wait(condition: Callable[[], Any]) -> Any:
    """Return what the condition gives as soon as it gives something."""
    deadline = time.monotonic() + LIMIT_S
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.02)
    return found
