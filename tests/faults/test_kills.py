# SPDX-License-Identifier: Apache-2.0
"""SIGKILL of the controller, at seeded random moments and at every border of a step; then resume or recover."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.faults import aftermath
from tests.integration import made_up
from tests.integration.harness import LIMIT_S, LabProject, Run, make_project

if TYPE_CHECKING:
    from pathlib import Path

FAMILIES = ("one", "two")
# A whole run writes about this many records; a few seeds kill it after its end.
MOST_RECORDS = 75
BORDERS = [
    f'"kind":"{kind}","step":"{step}"'
    for step in (
        "host.discover", "host.preflight", "made-up.stage", "made-up.execute", "made-up.collect",
        "made-up.publish", "host.finalize",
    )
    for kind in ("step.began", "step.ended")
]  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> LabProject:
    """A checkout with a made-up benchmark of two families of a second each, which writes down when it begins."""
    made = make_project(tmp_path_factory.mktemp("kills"))
    count = str(made.home / "count")
    made_up.add(made, families=[made_up.family(name, seconds=1, count=count) for name in FAMILIES])
    return made


@pytest.fixture
def count(project: LabProject) -> Path:
    """The file to which each execution adds its name when it begins."""
    path = project.home / "count"
    path.unlink(missing_ok=True)
    return path


def killed(project: LabProject, when: str | int, moment_s: float, *, whole_group: bool) -> Run | None:
    """Start a run and kill its controller when the journal has so many records, or one with this text in it.

    With `whole_group` Ansible's workers are killed with it. Returns the run; None if it had none yet.
    """
    before = set(project.root.glob("automation-runs/*/local/*"))
    process = project.start(
        "ansible-playbook", "run.yml", "-l", "local", "-e", "lab_benchmarks=made-up",
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def reached() -> bool:
        new = [path for path in project.root.glob("automation-runs/*/local/*") if path not in before]
        try:
            text = (new[0] / "events.jsonl").read_text() if new else ""
        except FileNotFoundError:
            return False
        return when in text if isinstance(when, str) else text.count("\n") >= when

    deadline = time.monotonic() + LIMIT_S
    while process.poll() is None and not reached():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    time.sleep(moment_s)
    with contextlib.suppress(ProcessLookupError):
        if whole_group:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=60)
    new = [path for path in project.root.glob("automation-runs/*/local/*") if path not in before]
    return Run(new[0]) if new else None


def check_after(project: LabProject, run: Run | None, count: Path, verb: str) -> None:
    """Put the run right as `verb` does, and assert what must be true then."""
    if run is None or not (run.path / "events.jsonl").exists() or not run.records("run.opened"):
        # Nothing had begun: there is no run, and nothing on the host.
        assert not count.exists()
        return
    status = aftermath.put_right(project, run, verb)
    if verb == "resume":
        assert status["state"] == "completed", status["alerts"]
    aftermath.check(project, run, aftermath.local_target(project), str(count), len(FAMILIES))


def kill_at_random(project: LabProject, count: Path, seed: int) -> None:
    """Do what a seed says: it names the moment, whether workers die as well, and what is done about it."""
    chance = random.Random(seed)
    when, moment_s = chance.randint(0, MOST_RECORDS), chance.random() / 3
    whole_group, verb = chance.random() < 0.7, chance.choice(["resume", "resume", "recover"])
    run = killed(project, when, moment_s, whole_group=whole_group)
    check_after(project, run, count, verb)


@pytest.mark.parametrize("seed", range(3))
def test_a_controller_killed_at_a_random_moment_costs_nothing(
    project: LabProject, count: Path, seed: int
) -> None:
    kill_at_random(project, count, seed)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(3, 100))
def test_a_controller_killed_at_a_random_moment_costs_nothing_however_often(
    project: LabProject, count: Path, seed: int
) -> None:
    kill_at_random(project, count, seed)


@pytest.mark.full
@pytest.mark.parametrize("verb", ["resume", "recover"])
@pytest.mark.parametrize("border", BORDERS)
def test_a_controller_killed_at_the_border_of_a_step_costs_nothing(
    project: LabProject, count: Path, border: str, verb: str
) -> None:
    check_after(project, killed(project, border, 0.0, whole_group=True), count, verb)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(10))
def test_a_controller_killed_while_it_resumes_costs_nothing(
    project: LabProject, count: Path, seed: int
) -> None:
    chance = random.Random(1000 + seed)
    run = killed(project, chance.randint(20, 45), chance.random() / 3, whole_group=True)
    assert run is not None
    for _again in range(2):
        # The playbook itself: that of a `rackbench` ends a moment after it.
        process = project.start(
            "ansible-playbook", "playbooks/resume.yml", "-l", "local", "-e", f"lab_run_dir={run.path}",
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(1 + 4 * chance.random())
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=60)
    check_after(project, run, count, "resume")
