# SPDX-License-Identifier: GPL-3.0-or-later
"""How agentbench scales: turns per second with an agent on each physical core, against one agent alone."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rackbench.topology.pools import pool
from rackbench.topology.read import from_tree

if TYPE_CHECKING:
    import argparse

BENCH = Path(__file__).resolve().parents[2] / "benchmarks/agentbench"
LIMIT_S = 600


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--rounds", type=int, default=3, help="how often each number of agents is measured")
    parser.add_argument("--profile", default="v1-core", help="the workload")
    parser.add_argument("--agents", type=int, help="how many agents; by default one on each physical core")


def measure(args: argparse.Namespace) -> None:
    """Print the rates, one agent and all agents in turns, with their ratio and whether the machine was idle."""
    cpus = pool(from_tree(Path("/")), "all", "physical")
    cpus = cpus[: args.agents or len(cpus)]
    results: dict[int, list[Any]] = {1: [], len(cpus): []}
    with tempfile.TemporaryDirectory() as scratch:
        program = _built(Path(scratch))
        for _round in range(args.rounds):
            for agents, found in results.items():
                found.append(_run(program, args.profile, cpus[:agents], Path(scratch)))
    print("agents   turns/s  ratio per agent on CPU   turns per CPU second  ratio")
    first: tuple[float, float] | None = None
    for agents, found in results.items():
        rate = statistics.median(map(_rate, found))
        share = statistics.mean(result["facts"]["share_on_cpu"]["mean"] for result in found)
        # What other work on the machine takes away is not in this one.
        dense = rate / agents / share
        first = first or (rate, dense)
        ratio = rate / first[0]
        whole = f"{agents:6} {rate:9.1f} {ratio:6.2f} {ratio / agents:9.2f} {share:6.2f}"
        print(f"{whole} {dense:22.1f} {dense / first[1]:6.2f}")
    print("The aim is 0.9 per agent on an idle machine, where agents are on a CPU all the time.")


def _rate(result: Any) -> float:
    samples: list[float]
    (samples,) = (each["samples"] for each in result["metrics"] if each["name"] == "turns_per_s")
    return statistics.median(samples)


def _built(scratch: Path) -> Path:
    environment = {**os.environ, "BUNDLE_OUT": str(scratch)}
    subprocess.run(["sh", "build.sh"], cwd=BENCH, env=environment, check=True)
    return scratch / "bin/run"


def _run(program: Path, profile: str, cpus: tuple[int, ...], scratch: Path) -> Any:
    """Run one job with an agent on each CPU, and return its result."""
    mode = "single" if len(cpus) == 1 else "multi"
    job = {
        "schema": "rackbench.job/1.1",
        "run_id": "bench",
        "execution_id": "bench",
        "adapter": "agentsth",
        "family": f"official-{mode}",
        "repeat": 1,
        "parameters": {"profile": profile, "label": "official", "mode": mode},
        "cpus": list(cpus),
        "groups": [[cpu] for cpu in cpus],
        "time_limit_s": LIMIT_S,
    }
    config = scratch / "job.json"
    config.write_text(json.dumps(job))
    with tempfile.TemporaryDirectory(dir=scratch) as out:
        subprocess.run([program, "--config", config, "--out", out], check=True, timeout=LIMIT_S)
        return json.loads(Path(out, "result.json").read_text())
