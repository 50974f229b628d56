# SPDX-License-Identifier: Apache-2.0
"""Runs on a lab host whose controller is gone: recover gives the host back, at once or when it answers again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.integration import made_up
from tests.lab.at_work import make_lab_project, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.harness import LabProject, Run
    from tests.lab.conftest import LabControl

pytestmark = pytest.mark.full

HOST = "turind8"
EXECUTION = "made-up.only.1"


@pytest.fixture(scope="module")
def project(lab: LabControl, tmp_path_factory: pytest.TempPathFactory) -> LabProject:
    """A checkout that reaches the lab, with a benchmark that takes long."""
    project = make_lab_project(tmp_path_factory.mktemp("recover"))
    made_up.add(project, families=[made_up.family(seconds=600, time_limit_s=1200)])
    return project


def killed_run(project: LabProject) -> Run:
    """Return a run whose controller was killed while its benchmark runs on the host."""
    before = {run.path for run in project.runs(HOST)}
    process = project.start(
        "ansible-playbook", "run.yml", "-l", HOST, "-e", "lab_benchmarks=made-up",
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def new() -> list[Run]:
        return [run for run in project.runs(HOST) if run.path not in before]

    try:
        wait_for(lambda: new() and list((new()[0].path / "state/live").glob("made-up*")), process)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=60)
    return new()[0]


def recover(project: LabProject, run_dir: Path) -> tuple[int, dict[str, object]]:
    """Recover a run and return exit status and answer."""
    done = project.rackbench("recover", "--run-dir", run_dir, "--json")
    return done.rc, json.loads(done.stdout)


def test_a_host_behind_the_jump_box_is_given_back(lab: LabControl, project: LabProject) -> None:
    run = killed_run(project)
    assert project.rackbench("status", "--run-dir", run.path).rc == 130
    status, answer = recover(project, run.path)
    assert status == 0, answer
    assert answer["jobs"] == {EXECUTION: "cancelled"}
    assert answer["lease"] == "released"
    # Nothing of the benchmark runs on.
    assert run.path.name not in lab("exec", HOST, "ps", "-eo", "args")


def test_a_host_that_cannot_be_reached_is_given_back_later(
    broken_lab: LabControl, project: LabProject
) -> None:
    run = killed_run(project)
    broken_lab("cut", HOST)
    status, answer = recover(project, run.path)
    assert status == 3, answer
    assert answer["lease"] == "unreachable"
    assert answer["status"]["state"] == "cancelled"  # type: ignore[index]
    asked = json.loads(project.rackbench("status", "--run-dir", run.path, "--json").stdout)
    assert "left_behind" in {item["code"] for item in asked["alerts"]["items"]}
    broken_lab("clear")
    status, answer = recover(project, run.path)
    assert status == 0, answer
    assert answer["lease"] == "released"
    assert run.path.name not in broken_lab("exec", HOST, "ps", "-eo", "args")
    asked = json.loads(project.rackbench("status", "--run-dir", run.path, "--json").stdout)
    assert "left_behind" not in {item["code"] for item in asked["alerts"]["items"]}
