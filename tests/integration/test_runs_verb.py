# SPDX-License-Identifier: Apache-2.0
"""`rackbench runs` after real runs: one that went well, one that failed, one whose controller was killed."""

from __future__ import annotations

import getpass
import json
import os
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration import made_up
from tests.integration.harness import LIMIT_S, LabProject, make_project

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.full

STATES = ["interrupted", "failed", "completed"]


def wait_until(is_so: Callable[[], Any], what: str) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + LIMIT_S
    while not is_so():
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.05)


def kill_while_it_runs(project: LabProject) -> None:
    """Start a run, kill its controller while the benchmark runs, and let that end by itself."""
    count, until = project.home / "count", project.home / "until"
    made_up.add(project, families=[made_up.family(count=str(count), until=str(until))], name="made-long")
    process = project.start(
        *("ansible-playbook", "run.yml", "-l", "local", "-e", "lab_benchmarks=made-long"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: count.exists() or process.poll() is not None, "the benchmark")
        assert process.poll() is None
        listed = json.loads(project.rackbench("runs", "--json").stdout)["runs"]
        assert listed[0]["state"] == "running"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        until.touch()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> LabProject:
    """A checkout with three runs and a dry run."""
    project = make_project(tmp_path_factory.mktemp("runs"))
    made_up.add(project, families=[made_up.family()])
    made_up.add(project, families=[made_up.family(act="crash")], name="made-badly")
    for benchmark, expected in (("made-up", 0), ("made-badly", 1)):
        done = project.rackbench("run", "--host", "local", "--benchmarks", benchmark)
        assert done.rc == expected, done.said
    kill_while_it_runs(project)
    done = project.rackbench("run", "--host", "local", "--benchmarks", "made-up", "--check")
    assert done.rc == 0, done.said
    return project


def listed(project: LabProject, *arguments: str) -> list[Any]:
    """Return the rows of `rackbench runs --json`."""
    done = project.rackbench("runs", *arguments, "--json")
    assert done.rc == 0, done.said
    document = json.loads(done.stdout)
    assert document["skipped"] == []
    rows: list[Any] = document["runs"]
    return rows


def test_the_runs_are_listed_newest_first_and_dry_runs_are_none(project: LabProject) -> None:
    rows = listed(project)
    assert [row["state"] for row in rows] == STATES
    assert [row["benchmarks"] for row in rows] == [["made-long"], ["made-badly"], ["made-up"]]
    assert [row["run_dir"] for row in reversed(rows)] == [
        str(run.path.relative_to(project.root)) for run in project.runs()
    ]
    assert {row["by"] for row in rows} == {f"{getpass.getuser()}@{socket.gethostname()}"}
    (headline,) = rows[-1]["headline"]
    assert (headline["label"], headline["value"], headline["unit"]) == ("turn rate", 44.0, "turns/s")
    assert rows[0]["headline"] == []


def test_the_answer_does_not_depend_on_the_cache(project: LabProject) -> None:
    rows = listed(project)
    (project.root / ".rackbench/runs.json").unlink()
    assert listed(project) == rows
    assert (project.root / ".rackbench/runs.json").exists()


def test_the_table_is_for_people(project: LabProject) -> None:
    done = project.rackbench("runs")
    assert done.rc == 0, done.said
    head, *lines = done.stdout.splitlines()
    assert head.split()[:2] == ["opened", "(UTC)"]
    assert [state for line, state in zip(lines, STATES, strict=True) if state in line] == STATES
    assert "turn rate 44 turns/s" in lines[-1]
    # The directory at the end of a line can be pasted.
    assert project.rackbench("status", "--run-dir", lines[-1].split()[-1]).rc == 0


@pytest.mark.parametrize(
    ("arguments", "states"),
    [
        (("--host", "local"), STATES),
        (("--host", "thor,turind8"), []),
        (("--state", "failed"), ["failed"]),
        (("--state", "interrupted"), ["interrupted"]),
        (("--state", "running"), []),
        (("--by", getpass.getuser()), STATES),
        (("--by", "nobody-at-all"), []),
        (("--since", "2d"), STATES),
        (("--since", "2000-01-01"), STATES),
        (("--since", "20000101T000000Z"), STATES),
        (("--since", "2999-01-01T00:00:00+02:00"), []),
        (("--since", "2999-01-01"), []),
        (("--since", "29990101T000000Z"), []),
        (("--host", "local", "--state", "failed", "--since", "1w"), ["failed"]),
    ],
    ids=" ".join,
)
def test_only_those_that_were_asked_for(
    project: LabProject, arguments: tuple[str, ...], states: list[str]
) -> None:
    assert [row["state"] for row in listed(project, *arguments)] == states


@pytest.mark.parametrize(
    "arguments",
    [
        ("--since", "yesterday"),
        ("--since", "7"),
        ("--since", "999999w"),
        ("--since", "20261341T000000Z"),
        ("--since", "-1d"),
        ("--state", "lost"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_understood_is_wrong_usage(project: LabProject, arguments: tuple[str, ...]) -> None:
    done = project.rackbench("runs", *arguments)
    assert done.rc == 2, done.said
    assert "wrong_usage" in done.stderr


def test_a_directory_that_holds_no_run_is_a_note(project: LabProject) -> None:
    foreign = project.root / "automation-runs/2000-01-01/holiday/photos"
    foreign.mkdir(parents=True)
    try:
        done = project.rackbench("runs", "--state", "failed")
    finally:
        foreign.rmdir()
    assert done.rc == 0, done.said
    assert len(done.stdout.splitlines()) == 2
    assert "automation-runs/2000-01-01/holiday/photos is left out: " in done.stderr
