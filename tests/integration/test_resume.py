# SPDX-License-Identifier: Apache-2.0
"""Runs that go on: after their controller was killed, after a failure was put right, after they were limited."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration import made_up
from tests.integration.harness import LIMIT_S, LabProject, Run, make_project

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ADAPTER_STEPS = [f"made-up.{phase}" for phase in ("stage", "execute", "collect", "publish")]


@pytest.fixture
def project(tmp_path: Path) -> LabProject:
    """Return a checkout of its own."""
    return make_project(tmp_path)


def wait_until(is_so: Callable[[], Any], what: str) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + LIMIT_S
    while not is_so():
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.05)


def begun(count: Path) -> list[str]:
    """Return the executions that began, as the benchmark itself wrote them down."""
    return count.read_text().split() if count.exists() else []


PLAYBOOK = ("ansible-playbook", "run.yml", "-l", "local", "-e", "lab_benchmarks=made-up")


def killed_while_it_ran(
    project: LabProject, *families: str, command: tuple[str, ...] = PLAYBOOK
) -> tuple[Run, Path, Path]:
    """Run made-up and kill its controller during the last family; return the run, and its files count and until."""
    count, until = project.home / "count", project.home / "until"
    names = families or ("only",)
    made_up.add(
        project,
        families=[
            made_up.family(name, count=str(count), **({"until": str(until)} if name == names[-1] else {}))
            for name in names
        ],
    )
    process = project.start(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: len(begun(count)) == len(names), "the benchmark")
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=60)
    return project.run(), count, until


def status_of(project: LabProject, run: Run) -> Any:
    """Return what `rackbench status --json` says."""
    return json.loads(project.rackbench("status", "--run-dir", run.path, "--json").stdout)


def test_a_benchmark_whose_controller_was_killed_is_found_again_and_runs_once(project: LabProject) -> None:
    run, count, until = killed_while_it_ran(project, "first", "second")
    before = status_of(project, run)
    assert (before["state"], before["exit_status"]) == ("interrupted", 130)
    resumed = project.start("rackbench", "resume", "--run-dir", run.path, "--yes")
    wait_until(lambda: run.records("run.resumed"), "the resumed run")
    until.touch()
    said, errors = resumed.communicate(timeout=LIMIT_S)
    assert resumed.returncode == 0, said + errors
    assert begun(count) == ["made-up.first.1", "made-up.second.1"]
    (record,) = run.records("run.resumed")
    # The first family had ended: the journal may not have known it, the host did.
    assert record["reattached"][-1] == "made-up.second.1"
    assert {"host.discover", "host.preflight", "made-up.stage"} <= set(record["reused"])
    assert record["differences"] == []
    status = status_of(project, run)
    assert (status["state"], status["exit_status"]) == ("completed", 0)
    # Other tests keep the machine busy, which is told; nothing else is.
    assert {item["kind"] for item in status["alerts"]["items"]} <= {"disturbed"}
    assert {row["execution"] for row in status["results"]} == {"made-up.first.1", "made-up.second.1"}
    assert {step["state"] for step in status["steps"]} == {"completed"}
    (last_began,) = [row for row in run.records("execution.began") if row["execution"] == "made-up.second.1"]
    assert last_began["reattached"] is True
    assert not list((project.home / "lease").glob("lease.json"))


@pytest.mark.full
def test_the_playbook_of_a_rackbench_that_was_killed_ends_as_well_and_the_run_can_go_on(
    project: LabProject,
) -> None:
    command = ("rackbench", "run", "--host", "local", "--benchmarks", "made-up")
    run, count, until = killed_while_it_ran(project, command=command)
    wait_until(lambda: status_of(project, run)["state"] == "interrupted", "the end of the playbook")
    until.touch()
    done = project.rackbench("resume", "--run-dir", run.path, "--yes")
    assert done.rc == 0, done.said
    assert begun(count) == ["made-up.only.1"]


def test_a_benchmark_that_ended_while_nobody_looked_is_collected(project: LabProject) -> None:
    run, count, until = killed_while_it_ran(project)
    until.touch()
    wait_until(lambda: list(project.home.glob(".rackbench/jobs/*/*/out/result.json")), "the result")
    done = project.command(
        "ansible-playbook", "playbooks/resume.yml", "-l", "local", "-e", f"lab_run_dir={run.path}"
    )
    assert done.rc == 0, done.said
    assert begun(count) == ["made-up.only.1"]
    assert [row["execution"] for row in run.records("result")] == ["made-up.only.1"]


@pytest.mark.full
def test_a_failed_execution_is_begun_anew_and_only_it(project: LabProject) -> None:
    count, until = project.home / "count", project.home / "until"
    made_up.add(
        project,
        families=[
            made_up.family("good", count=str(count)),
            made_up.family("slow", count=str(count), until=str(until), time_limit_s=3),
        ],
    )
    done = project.playbook("-e", "lab_benchmarks=made-up")
    assert done.rc == 2, done.said
    run = project.run()
    until.touch()
    done = project.rackbench("resume", "--run-dir", run.path, "--yes")
    assert done.rc == 0, done.said
    assert begun(count) == ["made-up.good.1", "made-up.slow.1", "made-up.slow.1.a2"]
    status = status_of(project, run)
    assert [row["execution"] for row in status["results"]] == ["made-up.good.1", "made-up.slow.1.a2"]
    superseded = {row["execution"]: row["superseded"] for row in status["executions"]}
    assert superseded == {"made-up.good.1": False, "made-up.slow.1": True, "made-up.slow.1.a2": False}


@pytest.mark.full
def test_another_bundle_starts_what_is_left_again_and_mixes_nothing(project: LabProject) -> None:
    run, count, until = killed_while_it_ran(project, "first", "second")
    until.touch()
    wait_until(
        lambda: len(list(project.home.glob(".rackbench/jobs/*/*/out/result.json"))) == 2, "the results"
    )
    program = project.root / "benchmarks/made-up/bin/run"
    program.write_text(program.read_text() + "# another one\n")
    assert project.rackbench("bundle", "build", "benchmarks/made-up").rc == 0
    done = project.rackbench("resume", "--run-dir", run.path, "--yes")
    assert done.rc == 0, done.said
    assert "bundle of made-up: " in done.stdout
    first, second = "made-up.first.1", "made-up.second.1"
    assert begun(count) == [first, second, f"{first}.a2", f"{second}.a2"]
    results = [row["execution"] for row in status_of(project, run)["results"]]
    assert results == [f"{first}.a2", f"{second}.a2"]
    used = {record["decision"]["chosen"]["sha256"] for record in run.records("packaging")}
    assert len(used) == 2


@pytest.mark.full
def test_what_does_not_count_any_more_is_ended_before_it_is_begun_anew(project: LabProject) -> None:
    run, count, until = killed_while_it_ran(project)
    program = project.root / "benchmarks/made-up/bin/run"
    program.write_text(program.read_text() + "# another one\n")
    assert project.rackbench("bundle", "build", "benchmarks/made-up").rc == 0
    resumed = project.start("rackbench", "resume", "--run-dir", run.path, "--yes")
    wait_until(
        lambda: begun(count) == ["made-up.only.1", "made-up.only.1.a2"], "the execution under its new name"
    )
    (state,) = project.home.glob(".rackbench/jobs/*/made-up.only.1/state.json")
    assert json.loads(state.read_text())["outcome"] == "cancelled"
    until.touch()
    said, errors = resumed.communicate(timeout=LIMIT_S)
    assert resumed.returncode == 0, said + errors


@pytest.mark.full
def test_a_host_that_still_works_for_a_run_keeps_its_lease_when_the_run_ends(project: LabProject) -> None:
    run, count, until = killed_while_it_ran(project)
    done = project.rackbench("resume", "--run-dir", run.path, "--yes", "--phases", "stage")
    assert done.rc == 3, done.said
    assert "made-up.only.1 still runs on local" in done.said
    assert (project.home / "lease/lease.json").exists()
    until.touch()
    done = project.rackbench("resume", "--run-dir", run.path, "--yes")
    assert done.rc == 0, done.said
    assert begun(count) == ["made-up.only.1"]
    assert not (project.home / "lease/lease.json").exists()


@pytest.mark.full
def test_a_completed_run_has_nothing_to_resume_and_stays_as_it_is(project: LabProject) -> None:
    made_up.add(project, families=[made_up.family()])
    assert project.playbook("-e", "lab_benchmarks=made-up").rc == 0
    run = project.run()
    before = (run.path / "events.jsonl").read_bytes()
    done = project.rackbench("resume", "--run-dir", run.path, "--yes")
    assert done.rc == 0, done.said
    assert (run.path / "events.jsonl").read_bytes() == before


@pytest.mark.full
def test_a_run_that_was_limited_to_phases_goes_on_from_there(project: LabProject) -> None:
    count = project.home / "count"
    made_up.add(project, families=[made_up.family(count=str(count))])
    done = project.rackbench("run", "--host", "local", "--benchmarks", "made-up", "--phases", "stage")
    assert done.rc == 0, done.said
    run = project.run()
    assert begun(count) == []
    done = project.rackbench("resume", "--run-dir", run.path, "--yes", "--json")
    assert done.rc == 0, done.said
    assert json.loads(done.stdout)["runs"][0]["state"] == "completed"
    assert begun(count) == ["made-up.only.1"]
    (record,) = run.records("run.resumed")
    assert record["reused"] == ["host.discover", "host.preflight", "made-up.stage"]


@pytest.mark.full
def test_what_differs_is_said_and_the_run_goes_on(project: LabProject) -> None:
    run, _count, until = killed_while_it_ran(project)
    until.touch()
    inventory = project.root / "inventories/local"
    (file,) = [path for path in inventory.iterdir() if path.suffix in {".yml", ".yaml"}]
    file.write_text(file.read_text() + "# another line\n")
    done = project.rackbench("resume", "--run-dir", run.path, "--yes")
    assert done.rc == 0, done.said
    assert "inventory: " in done.stdout
    assert [one["what"] for one in run.records("run.resumed")[0]["differences"]] == ["inventory"]


@pytest.mark.full
def test_a_run_whose_controller_lives_is_not_taken_over(project: LabProject) -> None:
    count, until = project.home / "count", project.home / "until"
    made_up.add(project, families=[made_up.family(count=str(count), until=str(until))])
    process = project.start("ansible-playbook", "run.yml", "-l", "local", "-e", "lab_benchmarks=made-up")
    wait_until(lambda: begun(count), "the benchmark")
    run = project.run()
    done = project.rackbench("resume", "--run-dir", run.path, "--yes")
    assert done.rc == 3, done.said
    assert "run_busy" in done.said
    until.touch()
    said, errors = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, said + errors


@pytest.mark.full
@pytest.mark.parametrize(
    "what", ["a dry run", "a directory that holds no run", "a journal without its beginning"]
)
def test_what_cannot_be_resumed_is_refused(project: LabProject, what: str) -> None:
    made_up.add(project, families=[made_up.family()])
    if what == "a dry run":
        assert project.playbook("-e", "lab_benchmarks=made-up", "--check").rc == 0
        (run_dir,) = project.root.glob("automation-runs/dry-runs/local/*")
        expected = (1, "resume_refused")
    elif what == "a directory that holds no run":
        run_dir = project.root / "docs-of-nobody"
        run_dir.mkdir()
        expected = (2, "not_a_run_directory")
    else:
        assert project.playbook("-e", "lab_benchmarks=made-up", "-e", "lab_phases=discover").rc == 0
        run_dir = project.run().path
        (run_dir / "events.jsonl").write_text("")
        expected = (4, "ledger_unreadable")
    done = project.rackbench("resume", "--run-dir", run_dir, "--yes")
    assert done.rc == expected[0], done.said
    assert expected[1] in done.said


@pytest.mark.full
@pytest.mark.parametrize("answer", ["y", "n"])
def test_on_a_terminal_the_plan_is_shown_and_a_person_decides(project: LabProject, answer: str) -> None:
    run, count, until = killed_while_it_ran(project)
    until.touch()
    wait_until(lambda: list(project.home.glob(".rackbench/jobs/*/*/out/result.json")), "the result")
    ours, theirs = pty.openpty()
    process = project.start("rackbench", "resume", "--run-dir", run.path, stdin=theirs)
    os.write(ours, f"{answer}\n".encode())
    said, errors = process.communicate(timeout=LIMIT_S)
    os.close(ours)
    os.close(theirs)
    assert "reused     host.discover, host.preflight, made-up.stage" in said, said + errors
    assert "found      made-up.only.1" in said
    assert "to run     made-up.execute, made-up.collect, made-up.publish, host.finalize" in said
    assert process.returncode == (0 if answer == "y" else 1), said + errors
    assert bool(run.records("run.resumed")) is (answer == "y")
    assert begun(count) == ["made-up.only.1"]


@pytest.mark.full
def test_without_a_terminal_and_without_yes_nothing_is_done(project: LabProject) -> None:
    made_up.add(project, families=[made_up.family()])
    assert project.playbook("-e", "lab_benchmarks=made-up", "-e", "lab_phases=discover").rc == 0
    done = project.rackbench("resume", "--run-dir", project.run().path)
    assert done.rc == 2
    assert "--yes" in done.said
