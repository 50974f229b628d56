# SPDX-License-Identifier: Apache-2.0
"""A checkout with a made-up benchmark that always takes the same times, a scaffold of a baseline, and a bare remote."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from tests.integration import made_up

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.harness import LabProject

BASELINE = "baselines/wheel.json"
TEMPLATE = "wheel"
PRESET = {
    "schema": "rackbench.template/1.0",
    "summary": "The turns of the wheel.",
    "benchmarks": ["made-up"],
    "families": ["only"],
}
SCENARIO = "made-up:only turn_time"
# The parameter `slower` names a file with the factor by which all is slower; without that file nothing is.
PROGRAM = """#!/usr/bin/env python3
import argparse, json, pathlib, sys

parser = argparse.ArgumentParser()
parser.add_argument("--config")
parser.add_argument("--out")
args = parser.parse_args()
job = json.loads(pathlib.Path(args.config).read_text())
slower = pathlib.Path(job["parameters"].get("slower", "/nowhere"))
factor = float(slower.read_text()) if slower.exists() else 1.0
if factor == 0:
    sys.exit("the wheel stands still")
result = {"schema": "rackbench.result/1.0", "benchmark": {"name": "made-up", "version": "1.0.0"}, "status": "passed",
          "started_at": "2026-11-21T08:00:00Z", "duration_s": 0.5,
          "metrics": [{"name": "turn_time", "unit": "us", "direction": "lower", "labels": {},
                       "samples": [factor * (100 + turn * 7 % 10) for turn in range(40)]}],
          "checks": [{"name": "sum", "ok": True, "detail": "as expected"}], "skipped": [], "facts": {}}
(pathlib.Path(args.out) / "result.json").write_text(json.dumps(result))
"""
# tools/setup would install packages; the tests have theirs.
SETUP = "#!/bin/sh\n# A stand-in: the environment of the tests has everything.\n"
SCAFFOLD = """{
  "_comment": "How long the wheel takes; people edit what begins with _.",
  "_schema_version": "1.0.0",
  "_status": "scaffold-placeholder",
  "tolerance": {"p50_max_ratio": 1.20, "p95_max_ratio": 1.30, "p99_max_ratio": 1.50, "ips_min_ratio": 0.80},
  "scenarios": {
    "made-up:only turn_time": {
      "_comment_wheel": "The wheel of the test.",
      "p50_us": "TODO", "p95_us": "TODO", "p99_us": "TODO", "ips": "TODO", "samples_us": []
    }
  }
}
"""
GIT = ("git", "-c", "user.name=Test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false")


def git(project: LabProject, *arguments: str | Path) -> str:
    """Run git in the checkout and return what it prints."""
    done = project.command(*GIT, *arguments)
    assert done.rc == 0, done.said
    return done.stdout


def numbers_moved(before: str, after: str) -> None:
    """Assert that between two texts of the baseline numbers moved, and where they come from, and nothing else."""
    old, new = json.loads(before), json.loads(after)
    places = set(differences(old, new))
    numbers = {f"scenarios.{SCENARIO}.{name}" for name in ("p50_us", "p95_us", "p99_us", "ips", "samples_us")}
    assert places - {"_generated_at", "_generated_by"} == numbers
    # In the same order, and in the same lines.
    assert [name for name in new if not name.startswith("_generated")] == list(old)
    assert list(new["scenarios"][SCENARIO]) == list(old["scenarios"][SCENARIO])
    kept = [line for line in before.splitlines() if "TODO" not in line]
    assert [line for line in after.splitlines() if line in kept] == kept


def differences(before: Any, after: Any, *path: str) -> Iterator[str]:
    """Yield the places, as dotted names, at which two documents differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in {**before, **after}:
            yield from differences(before.get(name), after.get(name), *path, name)
    elif before != after:
        yield ".".join(path)


def make_repository(project: LabProject, **parameters: Any) -> Path:
    """Put benchmark and baseline into a checkout, make it a clone with the branch main, and return its bare remote."""
    made_up.add(
        project, [made_up.family(**parameters)], program=PROGRAM, results={"headline": []}, artifacts=[]
    )
    (project.root / "tools/setup").write_text(SETUP)
    (project.root / f"templates/{TEMPLATE}.yml").write_text(yaml.safe_dump(PRESET))
    path = project.root / BASELINE
    path.parent.mkdir(exist_ok=True)
    path.write_text(SCAFFOLD)
    git(project, "init", "--quiet", "--initial-branch", "main")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "A lab")
    bare = project.root.parent / "remote.git"
    git(project, "clone", "--quiet", "--bare", ".", bare)
    git(project, "remote", "add", "origin", bare)
    return bare
