# SPDX-License-Identifier: Apache-2.0
"""A made-up benchmark and its adapter: one directory each, put into a copy of the checkout by tests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from tests.integration.harness import LabProject

# What the benchmark does is chosen by the parameter `act`. It adds its execution's name to the file `count`, and waits
# for the file `until`, if they are among its parameters.
PROGRAM = """#!/usr/bin/env python3
import argparse, json, os, pathlib, sys, time

parser = argparse.ArgumentParser()
parser.add_argument("--config")
parser.add_argument("--out")
args = parser.parse_args()
job = json.loads(pathlib.Path(args.config).read_text())
out = pathlib.Path(args.out)
act = job["parameters"].get("act", "good")
print("made-up says", act, flush=True)
if "count" in job["parameters"]:
    with open(job["parameters"]["count"], "a") as stream:
        stream.write(job["execution_id"] + "\\n")
while "until" in job["parameters"] and not pathlib.Path(job["parameters"]["until"]).exists():
    time.sleep(0.05)


def progress(done, total):
    with open(out / "progress.ndjson", "a") as stream:
        stream.write(json.dumps({"at": "2026-11-21T08:00:00.000Z", "done": done, "total": total, "unit": "turns",
                                 "label": f"turn {done}"}) + "\\n")


seconds = job["parameters"].get("seconds", 0)
for turn in range(10 * seconds):
    progress(turn, 10 * seconds)
    time.sleep(0.1)
if act == "crash":
    sys.exit("made-up crashed on purpose")
result = {"schema": "rackbench.result/1.0", "benchmark": {"name": "made-up", "version": "1.0.0"}, "status": "passed",
          "started_at": "2026-11-21T08:00:00Z", "duration_s": 0.5,
          "metrics": [{"name": "turn_rate", "unit": "turns/s", "direction": "higher", "samples": [40.0, 44.0, 42.0],
                       "labels": {"family": job["family"]}}],
          "checks": [{"name": "sum", "ok": True, "detail": "as expected"}], "skipped": [], "facts": {}}
text = json.dumps(result)
if act == "truncated":
    text = text[:-20]
if act == "nan":
    text = text.replace("44.0", "NaN")
if act == "wrong_types":
    text = text.replace("[40.0, 44.0, 42.0]", '"fast"')
if act == "partial":
    text = text.replace('"passed"', '"partial"')
(out / "turns.csv").write_text("turn,rate\\n1,40\\n2,44\\n3,42\\n")
if act != "missing":
    (out / "result.json").write_text(text)
sys.exit(1 if act == "partial" else 0)
"""

BUNDLE_TOML = """
[bundle]
name = "made-up"
version = "1.0.0"
entry_point = "bin/run"
platform = "any"
capabilities = []

[files]
include = ["bin/run"]
"""

ADAPTER: dict[str, Any] = {
    "schema": "rackbench.adapter/1.0",
    "name": "made-up",
    "summary": "Turns of a made-up wheel.",
    "description": "A benchmark that tests make up.",
    "publish_target": "made-up-results",
    "bundle": {"name": "made-up", "source": "benchmarks/made-up", "platform": "any"},
    "requirements": {
        "commands": [{"command": "python3", "packages": {"default": "python3"}, "required": True}]
    },
    "capabilities": [],
    "families": [
        {
            "name": "short",
            "summary": "A few turns.",
            "selector": "all",
            "parameters": {},
            "time_limit_s": 300,
        },
        {
            "name": "long",
            "summary": "Many turns.",
            "selector": "all",
            "parameters": {"seconds": 1},
            "time_limit_s": 300,
        },
    ],
    "default_families": ["short", "long"],
    "results": {
        "headline": [
            {"label": "turn rate", "query": "metrics[?name=='turn_rate'].samples | [0][1]", "unit": "turns/s"}
        ]
    },
    "artifacts": [{"glob": "*.csv", "kind": "table", "publishable": True}],
}

TASKS = {
    "stage": [
        {
            "name": "Stage the bundle",
            "ansible.builtin.include_role": {"name": "rackbench.lab.bundle"},
            "vars": {"bundle_adapter": "made-up"},
        }
    ],
    "execute": [
        {
            "name": "Run the benchmark",
            "rackbench.lab.job": {
                "run_dir": "{{ rackbench_plan.run_dir }}",
                "adapter": "made-up",
                "execution": "{{ lab_execution }}",
            },
            "loop": "{{ lifecycle_gate.executions }}",
            "loop_control": {"loop_var": "lab_execution", "label": "{{ lab_execution.execution_id }}"},
        }
    ],
    "collect": [
        {
            "name": "Collect the results",
            "rackbench.lab.collect": {
                "run_dir": "{{ rackbench_plan.run_dir }}",
                "adapter": "made-up",
                "executions": "{{ lifecycle_gate.executions }}",
            },
        }
    ],
}


def add(
    project: LabProject,
    families: list[dict[str, Any]] | None = None,
    *,
    name: str = "made-up",
    program: str = PROGRAM,
    recipe: str = BUNDLE_TOML,
    build: bool = True,
    **changes: Any,
) -> None:
    """Put the made-up benchmark and adapter into a checkout, with changes of adapter.yml, and build its bundle.

    Under another `name` there can be several of it. `program` is its bin/run,
    `recipe` its bundle.toml; without `build` no bundle is built.
    """

    def named(text: str) -> str:
        return text.replace("made-up", name)

    root = project.root
    source = root / "benchmarks" / name
    entry = source / "bin/run"
    entry.parent.mkdir(parents=True)
    entry.write_text(named(program))
    entry.chmod(0o755)
    (source / "bundle.toml").write_text(named(recipe))
    role = root / "roles" / name.replace("-", "_")
    (role / "tasks").mkdir(parents=True)
    document = {**json.loads(named(json.dumps(ADAPTER))), **changes}
    if families is not None:
        document["families"] = families
        document["default_families"] = [family["name"] for family in families]
    (role / "adapter.yml").write_text(yaml.safe_dump(json.loads(json.dumps(document)), sort_keys=False))
    for phase, tasks in TASKS.items():
        content = yaml.safe_dump(json.loads(named(json.dumps(tasks))), sort_keys=False)
        (role / f"tasks/{phase}.yml").write_text(content)
    if build:
        built = project.rackbench("bundle", "build", f"benchmarks/{name}")
        assert built.rc == 0, built.said


def family(name: str = "only", time_limit_s: float = 300, **parameters: Any) -> dict[str, Any]:
    """Return a family for `add`."""
    return {
        "name": name,
        "summary": f"The {name} family.",
        "selector": "all",
        "parameters": parameters,
        "time_limit_s": time_limit_s,
    }
