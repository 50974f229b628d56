# SPDX-License-Identifier: Apache-2.0
"""Stopping runs: `rackbench stop`, requests in control/, Ctrl-C at a real terminal, and signals to the controller."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rackbench.clock import parse_utc
from rackbench.ledger import control
from rackbench.ledger.liveness import start_ticks
from rackbench.models.control import Control
from rackbench.models.journal import JournalRecord
from rackbench.models.run_documents import Status

from tests.integration import made_up, test_builders
from tests.integration.harness import LIMIT_S, Done, LabProject, Run, make_project
from tests.integration.test_builders import NEEDS_SBIN
from tests.lab.at_work import finish, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

PLAY = ("ansible-playbook", "run.yml", "-l", "local", "-e", "lab_benchmarks=made-up")
# Runs for ten minutes with a child, and a child and a sibling of that.
PROGRAM = """#!/usr/bin/env python3
import subprocess, time
subprocess.Popen(["sh", "-c", "sleep 600 & sleep 600"])
time.sleep(600)
"""
PROCESSES = 4
# What a terminal sends for Ctrl-C.
CTRL_C = b"\x03"
# Makes the terminal on its standard input its own, and goes on as another program.
TAKE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> LabProject:
    """A checkout with a benchmark of two families that run for ten minutes each."""
    project = make_project(tmp_path_factory.mktemp("long"))
    made_up.add(project, families=[made_up.family("first"), made_up.family("second")], program=PROGRAM)
    return project


class Job:
    """A benchmark that runs under its supervisor on this machine, with all its processes as they were found."""

    def __init__(self, state: dict[str, Any], processes: list[int]) -> None:
        self.supervisor = int(state["pid"])
        self.processes = {pid: start_ticks(pid) for pid in processes}

    def alive(self) -> list[int]:
        """Return those of its processes that are still there."""
        return [pid for pid, ticks in self.processes.items() if ticks and start_ticks(pid) == ticks]


def children_of(pid: int) -> list[int]:
    """Return the processes below a process, parents first."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text(errors="replace").rpartition(")")[2].split()
            if fields[0] not in "ZX":
                parents.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found = [pid]
    for parent in found:
        found += parents.get(parent, [])
    return found[1:]


def job_of(project: LabProject, run: Run) -> Job | None:
    """Return the only job of a run when all its processes are there."""
    run_id = f"{run.path.name}-{run.path.parent.name}"
    for path in project.home.glob(f".rackbench/jobs/{run_id}/*/state.json"):
        state = json.loads(path.read_text())
        if state["state"] == "running" and state["pid"]:
            processes = children_of(state["pid"])
            if len(processes) == PROCESSES:
                return Job(state, [state["pid"], *processes])
    return None


def begun(
    project: LabProject, process: subprocess.Popen[str], known: int, terminal: Terminal | None = None
) -> tuple[Run, Job]:
    """Wait until the newest run's benchmark runs; `known` is how many runs there were before."""
    found: list[tuple[Run, Job]] = []

    def runs() -> bool:
        if terminal is not None:
            # A terminal that nobody reads would hold up who writes to it.
            terminal.shows("")
        for run in project.runs()[known:]:
            job = job_of(project, run)
            # The benchmark is there before the first call that waits for it has answered.
            if job and list((run.path / "state/live").glob("made-up.*.json")):
                found.append((run, job))
        return bool(found)

    wait_for(runs, process)
    return found[0]


@contextlib.contextmanager
def going_on(project: LabProject, *command: str) -> Iterator[tuple[subprocess.Popen[str], Run, Job]]:
    """Start a run and give it when its benchmark runs; whatever is left of it in the end is killed."""
    known = len(project.runs())
    process = project.start(*(command or PLAY))
    job = None
    try:
        run, job = begun(project, process, known)
        yield process, run, job
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        end(project, job)


@contextlib.contextmanager
def killed_on_failure(process: subprocess.Popen[str]) -> Iterator[None]:
    """Kill the command that the block is about if the block fails, so that nobody waits for its end."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise


def end(project: LabProject, job: Job | None) -> None:
    """End a job that a test has left, and take the lease from its run, as the host's administrator would."""
    if job is not None and job.supervisor in job.alive():
        os.kill(job.supervisor, signal.SIGTERM)
        wait_for(lambda: not job.alive())
    (project.home / "lease/lease.json").unlink(missing_ok=True)


def check_cancelled(project: LabProject, run: Run, *steps: str) -> None:
    """Assert that a run is closed as cancelled at these steps and gave back what it had, and that its documents fit."""
    for record in run.journal:
        JournalRecord.model_validate(record)
    for path in (run.path / "control").glob("2*.json"):
        Control.model_validate_json(path.read_text())
    Status.model_validate(run.status)
    states = run.states
    assert {name: states[name] for name in steps} == dict.fromkeys(steps, "cancelled")
    assert set(states.values()) <= {"completed", "cancelled"}
    assert states["host.finalize"] == "completed"
    assert not (project.home / "lease/lease.json").exists()
    (closed,) = run.records("run.closed")
    assert (closed["outcome"], closed["exit_status"]) == ("cancelled", 130)
    assert [record["kind"] for record in run.journal if record["kind"] == "ledger.incomplete"] == []
    asked = project.rackbench("status", "--run-dir", run.path, "--json")
    assert (asked.rc, json.loads(asked.stdout)["state"]) == (130, "cancelled")


def seconds_between(run: Run) -> float:
    """Return the seconds from the first request to the end of the execution, by the journal."""
    asked, ended = run.records("control")[0]["requested_at"], run.records("execution.ended")[0]["at"]
    return (parse_utc(ended) - parse_utc(asked)).total_seconds()


def test_stop_from_another_terminal_ends_the_benchmark_whole_and_closes_the_run(long: LabProject) -> None:
    with going_on(long) as (process, run, job):
        relative = run.path.relative_to(long.root)
        stop = long.rackbench("stop", "--run-dir", relative, "--reason", "wrong governor")
        assert stop.rc == 0, stop.said
        assert "cancelled" in stop.stdout
        assert job.alive() == []
        done = finish(process)
    # A task failed: the benchmark did not come to its end, and CI has to hear of it.
    assert done.rc == 2, done.said
    check_cancelled(long, run, "made-up.execute", "made-up.collect", "made-up.publish")
    (asked,) = run.records("control")
    assert (asked["action"], asked["by"], asked["reason"]) == ("stop", control.who(), "wrong governor")
    reasons = {row["step"]: row["reason"] for row in run.records("step.ended") if row["state"] == "cancelled"}
    assert set(reasons.values()) == {f"{control.who()} stopped the run: wrong governor"}
    (ended,) = run.records("execution.ended")
    assert (ended["execution"], ended["outcome"]) == ("made-up.first.1", "cancelled")
    assert ended["failure"]["code"] == "run_cancelled"
    (command,) = run.records("command")
    assert (command["execution"], command["signal"]) == ("made-up.first.1", "SIGTERM")
    seconds = seconds_between(run)
    print(f"stopped {seconds:.1f} s after the request")
    assert seconds < 60

    again = long.rackbench("stop", "--run-dir", run.path)
    assert again.rc == 1, again.said
    assert "nothing to stop" in again.stdout
    assert len(list((run.path / "control").iterdir())) == 1


@pytest.mark.full
def test_files_that_are_no_requests_stop_nothing_and_two_requests_stop_once(long: LabProject) -> None:
    with going_on(long) as (process, run, _job):
        for name, text in (("no-json", '{"action": "st'), ("list", "[]"), ("other", '{"action": "dance"}')):
            (run.path / f"control/{name}.json").write_text(text)
        beats = len(run.records("execution.beat"))
        wait_for(lambda: len(run.records("execution.beat")) >= beats + 1, process)
        assert run.records("control") == []
        asking = [
            long.start("rackbench", "stop", "--run-dir", str(run.path), "--reason", reason, "--json")
            for reason in ("one", "two")
        ]
        answers = [finish(each) for each in asking]
        finish(process)
    for answer in answers:
        assert answer.rc == 0, answer.said
        document = json.loads(answer.stdout)
        assert (document["schema"], document["state"]) == ("rackbench.stop/1.0", "cancelled")
        assert document["answered_after_s"] <= document["closed_after_s"]
    check_cancelled(long, run, "made-up.execute")
    assert sorted(record["reason"] for record in run.records("control")) == ["one", "two"]
    assert len(run.records("execution.ended")) == 1


@pytest.mark.full
def test_a_request_in_strange_words_during_the_first_step_stops_the_run_before_the_second(
    long: LabProject, tmp_path: Path
) -> None:
    go, slow = tmp_path / "go", tmp_path / "slow-python"
    slow.write_text(f'#!/bin/sh\nwhile [ ! -e "{go}" ]; do sleep 0.1; done\nexec "{sys.executable}" "$@"\n')
    slow.chmod(0o755)
    known = len(long.runs())
    process = long.start(*PLAY, "-e", f"ansible_python_interpreter={slow}")
    with killed_on_failure(process):
        wait_for(lambda: len(long.runs()) > known and long.runs()[-1].records("step.began"), process)
        run = long.runs()[-1]
        strange = {"action": "stop", "by": ["me"], "reason": 7, "requested_at": "yesterday"}
        (run.path / "control/.strange").write_text(json.dumps(strange))
        (run.path / "control/.strange").rename(run.path / "control/strange.json")
        wait_for(lambda: run.records("control"), process)
        # The task that is on its way to the host is not broken off.
        assert run.states == {}
        asked = long.rackbench("status", "--run-dir", run.path, "--json")
        assert (asked.rc, json.loads(asked.stdout)["state"]) == (0, "cancelling")
        go.touch()
        done = finish(process)
    assert done.rc == 2, done.said
    check_cancelled(long, run, "host.preflight", "made-up.stage", "made-up.execute", "made-up.publish")
    (record,) = run.records("control")
    assert (record["id"], record["by"]) == ("strange", "somebody")
    assert (record.get("reason"), record["requested_at"]) == (None, None)


@pytest.mark.full
def test_stop_ends_a_build_on_the_controller_with_all_its_processes(
    project: LabProject, tmp_path: Path
) -> None:
    test_builders.add(project, f'echo $$ > "{tmp_path}/pid"\nsleep 600 & sleep 600\n')
    process = project.start(*PLAY)
    with killed_on_failure(process):
        wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip(), process)
        shell = int((tmp_path / "pid").read_text())
        builder = Job({"pid": shell}, [shell, *children_of(shell)])
        run = project.run()
        stop = project.rackbench("stop", "--run-dir", run.path)
        assert stop.rc == 0, stop.said
        assert builder.alive() == []
        done = finish(process)
    assert done.rc == 2, done.said
    check_cancelled(project, run, "made-up.stage", "made-up.execute", "made-up.collect")
    assert not list((project.root / "dist").glob(".build-*"))
    assert not list((project.root / "dist").glob("made-up-*.tar.gz"))


@pytest.mark.full
@NEEDS_SBIN
def test_stop_ends_a_build_on_the_host(project: LabProject, tmp_path: Path) -> None:
    project.environment["PATH"] = test_builders.PLAIN_PATH
    test_builders.add(
        project, f'echo $$ > "{tmp_path}/pid"\nsleep 600 & sleep 600\n', test_builders.ON_HOST_ONLY
    )
    process = project.start(*PLAY)
    with killed_on_failure(process):
        wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip(), process)
        shell = int((tmp_path / "pid").read_text())
        builder = Job({"pid": shell}, [shell, *children_of(shell)])
        run = project.run()
        stop = project.rackbench("stop", "--run-dir", run.path)
        assert stop.rc == 0, stop.said
        assert builder.alive() == []
        done = finish(process)
    assert done.rc == 2, done.said
    check_cancelled(project, run, "made-up.stage", "made-up.execute", "made-up.collect")
    assert not list((project.root / ".rackbench/captured").glob("*.tar.gz"))


@pytest.mark.full
def test_stop_of_a_run_whose_controller_was_killed_asks_nobody_and_names_what_to_do(long: LabProject) -> None:
    with going_on(long) as (process, run, job):
        controller = run.records("run.opened")[0]["controller"]["pid"]
        workers = Job({"pid": controller}, children_of(controller))
        process.kill()
        process.wait()
        # The kernel tells the workers of it, and those what they have started.
        wait_for(lambda: not workers.alive())
        stop = long.rackbench("stop", "--run-dir", run.path, "--json")
        assert stop.rc == 130, stop.said
        error = json.loads(stop.stdout)["error"]
        assert error["code"] == "interrupted"
        assert error["next_command"] == f"rackbench recover --run-dir {run.path}"
        assert list((run.path / "control").iterdir()) == []
        assert len(job.alive()) == PROCESSES + 1


@pytest.mark.full
def test_a_controller_that_does_not_answer_is_told_and_honours_the_request_when_it_does(
    long: LabProject,
) -> None:
    with going_on(long) as (process, run, job):
        os.kill(process.pid, signal.SIGSTOP)
        try:
            stop = long.rackbench("stop", "--run-dir", run.path)
        finally:
            os.kill(process.pid, signal.SIGCONT)
        assert stop.rc == 3, stop.said
        assert "stop_unanswered" in stop.stderr
        assert f"process {process.pid} of" in stop.stderr
        done = finish(process)
        assert done.rc == 2, done.said
        assert job.alive() == []
    check_cancelled(long, run, "made-up.collect")


class Terminal:
    """A command at a terminal of its own, as a person has it."""

    def __init__(self, project: LabProject, *command: str) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 160, 0, 0))
        self.printed = b""
        self.process = subprocess.Popen(
            [sys.executable, "-c", TAKE_TERMINAL, *command],
            cwd=project.root,
            env=project.environ(),
            text=True,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)

    def press(self, key: bytes) -> None:
        """Press a key."""
        os.write(self._master, key)

    def shows(self, text: str) -> bool:
        """Read what there is to read, and return whether the text was printed so far."""
        while select.select([self._master], [], [], 0)[0]:
            try:
                data = os.read(self._master, 65536)
            except OSError:
                # The last program that had it open has gone.
                break
            if not data:
                break
            self.printed += data
        return text.encode() in self.printed

    def finish(self) -> Done:
        """Wait for the command's end."""
        deadline = time.monotonic() + LIMIT_S
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.printed.decode(errors="replace")
            self.shows("")
            time.sleep(0.05)
        self.shows("")
        return Done(self.process.returncode, self.printed.decode(errors="replace"), "")

    def close(self) -> None:
        """Kill what is left and give the terminal back."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self._master)


@contextlib.contextmanager
def at_terminal(project: LabProject, *command: str) -> Iterator[tuple[Terminal, Run, Job]]:
    """Start a run at a terminal and give it when its benchmark runs; whatever is left of it in the end is killed."""
    known = len(project.runs())
    terminal = Terminal(project, *command)
    job = None
    try:
        run, job = begun(project, terminal.process, known, terminal)
        yield terminal, run, job
    finally:
        terminal.close()
        end(project, job)


RUN = ("rackbench", "run", "--host", "local", "--benchmarks", "made-up")


def test_ctrl_c_at_a_terminal_stops_the_run_in_order(long: LabProject) -> None:
    with at_terminal(long, *RUN) as (terminal, run, job):
        terminal.press(CTRL_C)
        done = terminal.finish()
        assert job.alive() == []
    assert done.rc == 130, done.stdout
    assert "Stopping in order" in done.stdout
    assert "Traceback" not in done.stdout
    assert done.stdout.count(f"run_dir: {run.path.relative_to(long.root)}") == 1
    check_cancelled(long, run, "made-up.execute", "made-up.collect", "made-up.publish")
    (asked,) = run.records("control")
    assert (asked["by"], asked["reason"]) == (control.who(), "Ctrl-C")


@pytest.mark.full
def test_a_second_ctrl_c_leaves_at_once_and_the_benchmark_goes_on(long: LabProject) -> None:
    with at_terminal(long, *RUN) as (terminal, run, job):
        controller = run.records("run.opened")[0]["controller"]["pid"]
        # A worker that does not come to look at the request stands for one that takes long over it.
        (worker,) = (
            pid for pid in children_of(controller) if os.getpgid(pid) == pid and os.getsid(pid) == pid
        )
        play = Job({"pid": controller}, [controller, *children_of(controller)])
        os.kill(worker, signal.SIGSTOP)
        try:
            terminal.press(CTRL_C)
            wait_for(lambda: terminal.shows("Stopping in order"), terminal.process)
            terminal.press(CTRL_C)
            done = terminal.finish()
        finally:
            os.kill(worker, signal.SIGCONT)
        assert done.rc == 130, done.stdout
        assert f"rackbench resume --run-dir {run.path.relative_to(long.root)}" in done.stdout
        wait_for(lambda: not play.alive())
        assert len(job.alive()) == PROCESSES + 1
        asked = long.rackbench("status", "--run-dir", run.path, "--json")
        assert (asked.rc, json.loads(asked.stdout)["state"]) == (130, "interrupted")


@pytest.mark.full
@pytest.mark.parametrize("how", ["Ctrl-C", "SIGTERM"])
def test_ansible_playbook_that_is_interrupted_detaches_and_the_benchmark_goes_on(
    long: LabProject, how: str
) -> None:
    with at_terminal(long, *PLAY) as (terminal, run, job):
        play = Job({"pid": terminal.process.pid}, [terminal.process.pid, *children_of(terminal.process.pid)])
        if how == "SIGTERM":
            terminal.process.terminate()
        else:
            terminal.press(CTRL_C)
        done = terminal.finish()
        assert done.rc == {"Ctrl-C": 99, "SIGTERM": -signal.SIGTERM}[how], done.stdout
        wait_for(lambda: not play.alive())
        assert len(job.alive()) == PROCESSES + 1
        asked = long.rackbench("status", "--run-dir", run.path, "--json")
        assert (asked.rc, json.loads(asked.stdout)["state"]) == (130, "interrupted")
        assert run.records("control") == []
