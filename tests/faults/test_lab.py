# SPDX-License-Identifier: Apache-2.0
"""Faults of the way to a host and of the host itself, in the lab: each ends in a complete run, and leaves nothing."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults import aftermath
from tests.integration import made_up
from tests.lab.at_work import finish, late_clock, make_lab_project, wait_for
from tests.lab.test_faults import change_lab, mended, try_once

if TYPE_CHECKING:
    from pathlib import Path
    from subprocess import Popen

    from tests.integration.harness import LabProject, Run
    from tests.lab.conftest import LabControl

pytestmark = pytest.mark.full
HOST, HOME = "turind8", "/home/deploy"
EXECUTION = "made-up.only.1"
ONLY = ("--benchmarks", "made-up")
SECONDS = 20
STEPS = (
    "host.discover", "host.preflight", "made-up.stage", "made-up.execute", "made-up.collect", "made-up.publish",
    "host.finalize",
)  # fmt: skip


class Bench:
    """A checkout that reaches the lab, with a benchmark that takes a while and counts how often it began."""

    def __init__(self, lab: LabControl, folder: Path) -> None:
        self.lab = lab
        self.project: LabProject = make_lab_project(folder)
        self.count = f"/var/tmp/count-{os.getpid()}-{time.monotonic_ns()}"
        family = made_up.family(seconds=SECONDS, count=self.count)
        made_up.add(self.project, families=[family])
        change_lab(self.project, try_once)

    def target(self) -> aftermath.Target:
        """The host, as its root sees it."""

        def read(path: str) -> str:
            return self.lab("exec", HOST, "sh", "-c", 'test ! -e "$1" || cat "$1"', "read", path)

        def processes() -> list[str]:
            return self.lab("exec", HOST, "ps", "-eo", "args").splitlines()

        return aftermath.Target(read, processes, HOME, str(self.project.home / "lease"))

    def start(self) -> tuple[Popen[str], Run]:
        """Start a run and return when the benchmark is at work. The process is the controller itself."""
        process = self.project.start(
            "ansible-playbook", "run.yml", "-i", "inventories/lab", "-l", HOST, "-e", "lab_benchmarks=made-up"
        )
        wait_for(lambda: self.project.runs(HOST), process)
        run = self.project.runs(HOST)[-1]
        wait_for((run.path / f"state/live/{EXECUTION}.json").exists, process)
        return process, run

    def check(self, run: Run) -> Any:
        """Put the run right by resuming it, assert what must be true then, and return its status."""
        status = aftermath.put_right(self.project, run, "resume")
        assert status["state"] == "completed", status["alerts"]
        # The lab's hosts share a busy machine, which is told; nothing else is.
        assert {item["kind"] for item in status["alerts"]["items"]} <= {"disturbed"}, status["alerts"]
        aftermath.check(self.project, run, self.target(), self.count, 1)
        return status


@pytest.fixture
def bench(lab: LabControl, tmp_path: Path) -> Bench:
    """A bench of its own for each fault."""
    return Bench(lab, tmp_path)


def kill(process: Popen[str]) -> None:
    """End a controller as a lost machine would end."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)


def test_a_cut_cable_and_a_dead_controller(bench: Bench) -> None:
    with mended(bench.lab):
        process, run = bench.start()
        bench.lab("cut", HOST)
        kill(process)
        bench.lab("heal", HOST)
        status = bench.check(run)
    assert [row["execution"] for row in status["executions"]] == [EXECUTION]


def test_a_jump_box_that_reboots_and_a_dead_controller(bench: Bench) -> None:
    with mended(bench.lab):
        process, run = bench.start()
        kill(process)
        bench.lab("reboot", "thor")
        status = bench.check(run)
    assert [row["execution"] for row in status["executions"]] == [EXECUTION]


@pytest.mark.parametrize("how", ["reboot", "power"])
def test_a_target_that_goes_down_is_named_and_its_execution_is_begun_anew(bench: Bench, how: str) -> None:
    with mended(bench.lab):
        process, run = bench.start()
        if how == "reboot":
            bench.lab("reboot", HOST)
        else:
            bench.lab("kill", HOST)
            bench.lab("start", HOST)
        finish(process)
        codes = [step["code"] for step in aftermath.status_of(bench.project, run)["steps"]]
        assert "target_rebooted" in codes, aftermath.status_of(bench.project, run)["steps"]
        status = bench.check(run)
    assert [row["superseded"] for row in status["executions"]] == [True, False]


def test_a_target_that_goes_down_with_the_controller_is_told_by_its_boot(bench: Bench) -> None:
    with mended(bench.lab):
        process, run = bench.start()
        kill(process)
        bench.lab("kill", HOST)
        bench.lab("start", HOST)
        bench.check(run)
    (resumed,) = run.records("run.resumed")
    assert [(one["what"], one["effect"]) for one in resumed["differences"]] == [("boot", "lost")]
    assert resumed["superseded"] == [EXECUTION]


def test_a_disk_of_the_target_that_fills_up(bench: Bench) -> None:
    with mended(bench.lab):
        process, run = bench.start()
        bench.lab("fill", HOST)
        done = finish(process)
        assert done.rc == 2, done.said
        bench.lab("unfill", HOST)
        status = bench.check(run)
    assert [row["superseded"] for row in status["executions"]] == [True, False]


def test_an_sshd_that_is_killed(bench: Bench) -> None:
    with mended(bench.lab):
        process, run = bench.start()
        bench.lab("exec", HOST, "pkill", "-KILL", "sshd")
        time.sleep(1)
        bench.lab("exec", HOST, "systemctl", "restart", "ssh")
        finish(process)
        status = bench.check(run)
    assert [row["execution"] for row in status["executions"]] == [EXECUTION]


def test_a_target_whose_clock_is_eight_hours_off(bench: Bench) -> None:
    with late_clock(bench.lab, bench.project, HOST):
        process, run = bench.start()
        kill(process)
        status = bench.check(run)
    assert status["executions"][0]["verdict"] == "suspect"
    (verdict,) = run.records("verdict")
    assert verdict["inputs"]["clock_offset_s"] == pytest.approx(8 * 3600, abs=600)


def test_two_operators_at_once(bench: Bench) -> None:
    process, run = bench.start()
    other = bench.project.rackbench("run", "--host", HOST, *ONLY)
    assert other.rc == 3, other.said
    assert "lease_held" in other.said
    assert f"{run.path.name}-{HOST}" in other.said
    assert finish(process).rc == 0
    bench.check(run)


def test_two_who_resume_one_run_at_once(bench: Bench) -> None:
    process, run = bench.start()
    kill(process)
    both = [bench.project.start("rackbench", "resume", "--run-dir", run.path, "--yes") for _each in range(2)]
    ended = [finish(one) for one in both]
    assert min(done.rc for done in ended) == 0, [done.said for done in ended]
    assert len(run.records("run.resumed")) in {1, 2}
    bench.check(run)


@pytest.mark.parametrize("step", STEPS)
def test_a_run_that_is_stopped_in_any_step_can_go_on(bench: Bench, step: str) -> None:
    process = bench.project.start("rackbench", "run", "--host", HOST, *ONLY)
    wait_for(lambda: bench.project.runs(HOST), process)
    run = bench.project.runs(HOST)[-1]
    mark = f'"kind":"step.began","step":"{step}"'
    journal = run.path / "events.jsonl"
    # The directory is there a moment before its journal.
    wait_for(lambda: journal.exists() and mark in journal.read_text(), process)
    stopped = bench.project.rackbench("stop", "--run-dir", run.path, "--reason", "the rack is needed")
    finish(process)
    status = aftermath.status_of(bench.project, run)
    if step in {"made-up.publish", "host.finalize"}:
        # These are over in a moment, and then there is nothing left that could be stopped.
        assert status["state"] in {"completed", "cancelled"}
    else:
        assert (stopped.rc, status["state"]) == (0, "cancelled"), stopped.said
        assert "the rack is needed" in json.dumps(run.records("control"))
    aftermath.assert_nothing_left(run, bench.target())
    bench.check(run)
