# SPDX-License-Identifier: Apache-2.0
"""The real command, in a process of its own, on projects and run directories made here."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rackbench.ledger import rundir
from rackbench.ledger.identity import controller
from rackbench.ledger.recorder import Recorder

ROOT = Path(__file__).resolve().parents[3]
Answer = subprocess.CompletedProcess[str]
Command = Callable[..., Answer]
STEPS = [
    {"step_id": "host.discover", "adapter": None, "phase": "discover", "role": "discover", "depends": []},
    {
        "step_id": "demo.execute",
        "adapter": "demo",
        "phase": "execute",
        "role": "demo",
        "depends": ["host.discover"],
    },
]
ADAPTER = """\
schema: rackbench.adapter/1.0
name: demo
summary: A made-up benchmark
description: It measures nothing, carefully.
publish_target: demo-results
families:
  - {name: smoke, summary: a short one, time_limit_s: 5}
  - {name: full, summary: a long one, time_limit_s: 500}
default_families: [smoke]
requirements:
  commands:
    - {command: lstopo, packages: {apt: hwloc}, required: false}
results:
  headline:
    - {label: median, query: "metrics[0].samples[0]", unit: ns}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project with one made-up adapter, that is its own collection as a checkout is."""
    role = tmp_path / "project" / "roles" / "demo"
    role.mkdir(parents=True)
    (role / "adapter.yml").write_text(ADAPTER, encoding="utf-8")
    root = role.parents[1]
    (root / "ansible.cfg").write_text("[defaults]\ncollections_path = collections\n", encoding="utf-8")
    (root / "collections/ansible_collections/rackbench").mkdir(parents=True)
    (root / "collections/ansible_collections/rackbench/lab").symlink_to(root)
    (root / "run.yml").write_text("---\n[]\n", encoding="utf-8")
    return root


@pytest.fixture
def rackbench(project: Path) -> Command:
    """Return a function that calls the command in the project and returns what it printed."""

    def call(*arguments: str, cwd: Path = project, **environment: str) -> Answer:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("RACKBENCH_")}
        return subprocess.run(
            [sys.executable, "-m", "rackbench", *arguments],
            cwd=cwd,
            env={**inherited, "PYTHONPATH": str(ROOT / "python"), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    return call


@pytest.fixture
def begin_run(project: Path) -> Callable[[], Recorder]:
    """Return a function that opens a run of host `box`, owned by this very process."""

    def begin() -> Recorder:
        now = datetime(2026, 11, 21, 8, 0, 0, tzinfo=UTC)
        run_dir = rundir.create(project / "automation-runs", "box", now)
        recorder = Recorder(run_dir)
        recorder.record(
            "run.opened",
            run_id=rundir.run_id_of(run_dir),
            host="box",
            run_dir=run_dir.relative_to(project).as_posix(),
            check=False,
            phases=["discover", "execute"],
            benchmarks=["demo"],
            steps=STEPS,
            executions={
                "demo": [{"execution_id": "demo.smoke.1", "family": "smoke", "repeat": 1, "time_limit_s": 5}]
            },
            controller=controller(pid=os.getpid()),
        )
        recorder.record("step.began", step="host.discover")
        recorder.record("step.ended", step="host.discover", state="completed")
        recorder.record("step.began", step="demo.execute")
        return recorder

    return begin
