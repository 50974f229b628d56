# SPDX-License-Identifier: Apache-2.0
"""The commands that alerts print, pasted as they are: after them the alert's code is gone from `rackbench status`.

Each kind of alert is made for real on the lab's host turind8. What only a person can do, such as mending a cable, is
done by the test; everything else is what is printed.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shlex
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from rackbench.ledger.recorder import Recorder

from tests.integration import made_up
from tests.integration.harness import LIMIT_S, Done, Run
from tests.integration.publishing import Results, git, row
from tests.lab.at_work import finish, late_clock, make_lab_project, wait_for
from tests.lab.test_faults import change_lab, job_is_over, mended, try_once

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.harness import LabProject
    from tests.lab.conftest import LabControl

pytestmark = pytest.mark.full

HOST = "turind8"
HOME = "/home/deploy"
EXECUTION = "made-up.only.1"
# Long enough for a cable to be cut and noticed while the benchmark runs.
SECONDS = 60
HWLOC = {
    "commands": [{"command": "lstopo-no-graphics", "packages": {"default": "hwloc", "apt": "hwloc-nox"}}]
}


@pytest.fixture(scope="module")
def checkout(lab: LabControl, tmp_path_factory: pytest.TempPathFactory) -> LabProject:
    """A checkout that reaches the lab, with benchmarks that take a while, end at once, and need a tool."""
    project = make_lab_project(tmp_path_factory.mktemp("alerts"))
    made_up.add(project, families=[made_up.family(seconds=SECONDS)])
    made_up.add(project, families=[made_up.family()], name="quick")
    made_up.add(project, families=[made_up.family()], name="needy", requirements=HWLOC)
    change_lab(project, try_once)
    return project


@pytest.fixture(autouse=True)
def free_host(checkout: LabProject) -> Iterator[None]:
    """Let no test find the host held by the one before, however that ended."""
    yield
    checkout.rackbench("lease", "release", "--host", HOST, "--steal", "--reason", "the test is over")


def paste(project: LabProject, command: str) -> Done:
    """Run a command as it is printed in the project's directory; a question is answered with yes."""
    master, slave = pty.openpty()
    try:
        os.write(master, b"y\n")
        process = subprocess.Popen(
            shlex.split(command),
            cwd=project.root,
            env=project.environ(),
            stdin=slave,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        os.close(slave)
        stdout, stderr = process.communicate(timeout=LIMIT_S)
        return Done(process.returncode, stdout, stderr)
    finally:
        os.close(master)


def status_of(project: LabProject, run: Run) -> dict[str, Any]:
    """Return what `rackbench status` says of a run now."""
    asked = project.rackbench("status", "--run-dir", run.path.relative_to(project.root), "--json")
    document: dict[str, Any] = json.loads(asked.stdout)
    assert asked.rc == (document["exit_status"] or 0)
    return document


def codes(status: dict[str, Any]) -> list[str]:
    """Return the codes of all alerts but those of the machine's other work, which is none of a test's business."""
    found = [item["code"] for item in status["alerts"]["items"]]
    return [code for code in found if code != "execution_disturbed"]


def alert_of(project: LabProject, run: Run, code: str) -> dict[str, Any]:
    """Return the alert of a run that has this code."""
    status = status_of(project, run)
    found: dict[str, Any] = next((item for item in status["alerts"]["items"] if item["code"] == code), {})
    assert found, status["alerts"]
    return found


def follow(project: LabProject, run: Run, code: str, *expected: str) -> dict[str, Any]:
    """Paste the commands of the alert, require that each comes out well, and return the status after them."""
    alert = alert_of(project, run, code)
    names = [" ".join(shlex.split(command)[:2]) for command in alert["next_commands"]]
    assert tuple(names) == expected
    for command in alert["next_commands"]:
        done = paste(project, command)
        assert done.rc == 0, f"{command}\n{done.said}"
    after = status_of(project, run)
    assert code not in codes(after), after["alerts"]
    return after


@contextlib.contextmanager
def running(project: LabProject, *, at_work: bool = True) -> Iterator[tuple[subprocess.Popen[str], Run]]:
    """Start the long benchmark, give the run when it is at work, and let nothing of it run on."""
    before = len(project.runs(HOST))
    process = project.start("ansible-playbook", "run.yml", "-l", HOST, "-e", "lab_benchmarks=made-up")
    try:
        wait_for(lambda: len(project.runs(HOST)) > before, process)
        run = project.runs(HOST)[-1]
        if at_work:
            wait_for((run.path / f"state/live/{EXECUTION}.json").exists, process)
        yield process, run
    finally:
        if process.poll() is None:
            kill(process)


def finished(project: LabProject, benchmark: str = "quick") -> Run:
    """Run a benchmark to its end, whatever comes of it, and return the run."""
    project.rackbench("run", "--host", HOST, "--benchmarks", benchmark)
    return project.runs(HOST)[-1]


def kill(process: subprocess.Popen[str]) -> None:
    """End a controller with its workers, which are sessions of their own."""
    workers = children(process.pid)
    process.kill()
    for pid in workers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.communicate(timeout=LIMIT_S)


def children(pid: int) -> list[int]:
    """Return the processes that a process started."""
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(word) for word in listed.stdout.split()]


def test_interrupted_a_controller_that_was_killed(lab: LabControl, checkout: LabProject) -> None:
    with running(checkout) as (process, run):
        kill(process)
        after = follow(checkout, run, "interrupted", "rackbench resume")
    assert (after["state"], after["exit_status"], codes(after)) == ("completed", 0, [])
    # The benchmark was not run a second time.
    (ended,) = run.records("execution.ended")
    assert ended["outcome"] == "passed"


def cut_off(lab: LabControl, checkout: LabProject) -> Run:
    """Lose a run by a cable that stays cut until the run has ended, and mend it."""
    with mended(lab), running(checkout) as (process, run):
        lab("cut", HOST)
        finish(process)
        assert run.status["exit_status"] == 3, run.status["alerts"]
        lab("heal", HOST)
        wait_for(lambda: job_is_over(lab, run, HOME))
    return run


def test_failed_step_a_cable_that_was_cut(lab: LabControl, checkout: LabProject) -> None:
    run = cut_off(lab, checkout)
    after = follow(checkout, run, "host_unreachable", "rackbench validate", "rackbench resume")
    # What was left on the host is given back with it.
    assert (after["state"], after["exit_status"], codes(after)) == ("completed", 0, [])


def test_left_behind_a_lease_on_a_host_that_could_not_be_reached(
    lab: LabControl, checkout: LabProject
) -> None:
    run = cut_off(lab, checkout)
    follow(checkout, run, "left_behind", "rackbench recover")
    listed = checkout.rackbench("lease", "list", "--host", HOST, "--json")
    assert [row["holder"] for row in json.loads(listed.stdout)["hosts"]] == [None]


def test_stalled_phase_a_cable_that_is_cut(lab: LabControl, checkout: LabProject) -> None:
    with mended(lab), running(checkout) as (process, run):
        lab("cut", HOST)
        wait_for(lambda: "stalled" in codes(status_of(checkout, run)), process)
        alert = alert_of(checkout, run, "stalled")
        (command,) = alert["next_commands"]
        # It names what is to be mended.
        there = paste(checkout, command)
        assert there.rc == 3, there.said
        assert HOST in there.said
        lab("heal", HOST)
        assert paste(checkout, command).rc == 0
        wait_for(lambda: "stalled" not in codes(status_of(checkout, run)))


def test_lease_held_by_another_run(lab: LabControl, checkout: LabProject) -> None:
    with running(checkout) as (process, first):
        second = finished(checkout)
        assert second.path != first.path
        alert = alert_of(checkout, second, "lease_held")
        assert str(first.status["run_id"]) in alert["message"]
        after = follow(checkout, second, "lease_held", "rackbench lease", "rackbench resume")
        finish(process)
    assert (after["state"], codes(after)) == ("completed", [])
    assert status_of(checkout, first)["state"] == "completed"


def test_failed_step_a_bundle_that_was_damaged(checkout: LabProject) -> None:
    archive = checkout.root / "dist/quick-1.0.0-any.tar.gz"
    source = checkout.root / "benchmarks/quick"
    archive.write_bytes(archive.read_bytes()[:-1] + b"!")
    source.rename(source.with_name("away"))
    try:
        run = finished(checkout)
        assert "packaging_blocked" in codes(status_of(checkout, run))
    finally:
        source.with_name("away").rename(source)
        built = checkout.rackbench("bundle", "build", "benchmarks/quick")
        assert built.rc == 0, built.said
    after = follow(checkout, run, "packaging_blocked", "rackbench validate", "rackbench resume")
    assert (after["state"], codes(after)) == ("completed", [])


def test_failed_step_a_command_that_the_host_lacks(lab: LabControl, checkout: LabProject) -> None:
    run = finished(checkout, "needy")
    try:
        after = follow(checkout, run, "runtime_missing", f"ansible {HOST}", "rackbench resume")
    finally:
        lab("exec", HOST, "apt-get", "purge", "--yes", "--autoremove", "hwloc-nox", "hwloc")
    assert (after["state"], codes(after)) == ("completed", [])


def test_ledger_damaged_a_torn_last_line(checkout: LabProject) -> None:
    run = finished(checkout)
    journal = run.path / "events.jsonl"
    journal.write_bytes(journal.read_bytes() + b'{"seq":9')
    assert codes(status_of(checkout, run)) == ["ledger_damaged"]
    after = follow(checkout, run, "ledger_damaged", "rackbench recover")
    assert (after["state"], after["exit_status"]) == ("completed", 0)


def test_ledger_incomplete_a_task_that_the_ledger_did_not_see(checkout: LabProject) -> None:
    run = finished(checkout)
    recorder = Recorder(run.path)
    recorder.record("ledger.incomplete", expected={"ok": 9}, seen={"ok": 8})
    recorder.close()
    assert status_of(checkout, run)["exit_status"] == 4
    after = follow(checkout, run, "ledger_incomplete", "rackbench recover")
    assert (after["state"], after["exit_status"]) == ("completed", 0)


def test_disturbed_a_clock_that_is_wrong(lab: LabControl, checkout: LabProject) -> None:
    with late_clock(lab, checkout, HOST):
        run = finished(checkout)
    alert = alert_of(checkout, run, "execution_disturbed")
    assert "clock" in alert["message"]
    (command,) = alert["next_commands"]
    done = paste(checkout, command)
    assert done.rc == 0, done.said
    # The numbers of that run stay disturbed; those of the run that was made in its place are not, for that reason.
    again = checkout.runs(HOST)[-1]
    assert again.path != run.path
    assert "clock" not in json.dumps(status_of(checkout, again)["alerts"])


def test_blocked_publish_a_clone_without_its_remote(checkout: LabProject, tmp_path: Path) -> None:
    results = Results.made(tmp_path)
    git(results.clone, "remote", "remove", "origin")
    settings = checkout.root / "playbooks/group_vars/all.yml"
    before = settings.read_text()
    target = {"quick-results": {"repo": str(results.clone)}}
    settings.write_text(json.dumps({**json.loads(before), "lab_publish_targets": target}))
    try:
        run = finished(checkout)
        assert status_of(checkout, run)["exit_status"] == 0
        git(results.clone, "remote", "add", "origin", results.bare)
        after = follow(checkout, run, "publish_remote_missing", "rackbench validate", "rackbench publish")
    finally:
        settings.write_text(before)
    assert (after["state"], codes(after)) == ("completed", [])
    assert row(run)["state"] == "push_ready"


def test_stop_unanswered_a_controller_that_hangs(checkout: LabProject) -> None:
    with running(checkout) as (process, run):
        for pid in children(process.pid):
            os.kill(pid, signal.SIGSTOP)
        asked = checkout.start("rackbench", "stop", "--run-dir", run.path, "--reason", "enough")
        wait_for(lambda: "stop_unanswered" in codes(status_of(checkout, run)), process)
        alert = alert_of(checkout, run, "stop_unanswered")
        # Its message names the process, and its action says to look at it.
        assert f"process {process.pid} " in alert["message"]
        kill(process)
        asked.kill()
        asked.communicate(timeout=LIMIT_S)
        for command in alert["next_commands"]:
            done = paste(checkout, command)
            assert done.rc == 0, done.said
    after = status_of(checkout, run)
    assert (after["state"], codes(after)) == ("cancelled", [])
