# SPDX-License-Identifier: Apache-2.0
"""Builds on the host whose run goes on after they were stopped, failed, or lost their controller."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.test_builders import INSTALL, NEEDS_SBIN, ON_HOST_ONLY, PLAIN_PATH, add
from tests.lab.at_work import finish, wait_for

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.integration.harness import LabProject, Run

pytestmark = pytest.mark.full

PLAY = ("ansible-playbook", "run.yml", "-l", "local", "-e", "lab_benchmarks=made-up")


def slow_build(project: LabProject, tmp_path: Path) -> tuple[Path, Path]:
    """Let the host build the benchmark until a file is there; return that file, and the one with a line per build."""
    builds, go = tmp_path / "builds", tmp_path / "go"
    project.environment["PATH"] = PLAIN_PATH
    wait = f"echo begun >> {builds}\nwhile [ ! -e {go} ]; do sleep 0.1; done\n"
    add(project, wait + INSTALL, ON_HOST_ONLY)
    return go, builds


def begin(project: LabProject, builds: Path) -> subprocess.Popen[str]:
    """Begin a run, and wait until its build is at work."""
    process = project.start(*PLAY)
    wait_for(builds.exists, process)
    return process


def check_completed(project: LabProject, run: Run) -> None:
    """Assert that the run ended well, with a bundle that was captured from the host."""
    status = json.loads(project.rackbench("status", "--run-dir", run.path, "--json").stdout)
    assert (status["state"], status["exit_status"]) == ("completed", 0)
    assert len(list((project.root / ".rackbench/captured").glob("made-up-*.tar.gz"))) == 1
    assert [row["execution"] for row in run.records("result")] == ["made-up.only.1"]


def resume(project: LabProject, run: Run) -> None:
    """Resume the run, which then ends well."""
    done = project.rackbench("resume", "--run-dir", run.path, "--yes")
    assert done.rc == 0, done.said
    check_completed(project, run)


def spec_of_build(project: LabProject) -> dict[str, Any]:
    """Return what the supervisor of the build was told."""
    (path,) = project.home.glob(".rackbench/jobs/*/made-up.stage/spec.json")
    document: dict[str, Any] = json.loads(path.read_text())
    return document


@NEEDS_SBIN
def test_a_build_that_was_stopped_is_built_when_its_run_is_resumed(
    project: LabProject, tmp_path: Path
) -> None:
    go, builds = slow_build(project, tmp_path)
    process = begin(project, builds)
    run = project.run()
    # The host stays with the run as long as it builds there.
    assert spec_of_build(project)["lease"]["lease_id"] == run.records("run.opened")[0]["lease_id"]
    stop = project.rackbench("stop", "--run-dir", run.path)
    assert stop.rc == 0, stop.said
    assert finish(process).rc == 2
    go.touch()
    resume(project, run)
    assert builds.read_text().split() == ["begun", "begun"]


@NEEDS_SBIN
def test_a_build_that_failed_for_a_missing_compiler_is_built_when_its_run_is_resumed(
    project: LabProject, tmp_path: Path
) -> None:
    compiler = tmp_path / "compiler"
    project.environment["PATH"] = PLAIN_PATH
    add(project, f'[ -e {compiler} ] || {{ echo "no compiler" >&2; exit 127; }}\n{INSTALL}', ON_HOST_ONLY)
    done = project.command(*PLAY)
    assert done.rc == 2, done.said
    run = project.run()
    assert "source_build_failed" in done.said
    compiler.touch()
    resume(project, run)
    failed, built = [record["rc"] for record in run.records("command")][:2]
    assert (failed != 0, built) == (True, 0)


@NEEDS_SBIN
def test_a_build_whose_controller_was_killed_is_found_again_and_built_once(
    project: LabProject, tmp_path: Path
) -> None:
    go, builds = slow_build(project, tmp_path)
    process = begin(project, builds)
    run = project.run()
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    go.touch()
    resume(project, run)
    assert builds.read_text().split() == ["begun"]
