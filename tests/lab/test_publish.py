# SPDX-License-Identifier: Apache-2.0
"""Runs of the lab published to a bare repository on another host of it, over ssh through the jump box."""

from __future__ import annotations

import json
import shlex
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.integration import made_up
from tests.integration.publishing import KEY, branch_of, git, row
from tests.lab.at_work import finish, make_lab_project, ssh_config

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.harness import LabProject
    from tests.lab.conftest import LabControl

pytestmark = pytest.mark.full

HOST, KEEPER = "turind8", "loki"
BARE = "/home/hop/results.git"


@pytest.fixture
def remote(lab: LabControl, tmp_path: Path) -> Iterator[str]:
    """The configuration of ssh that leads to the host which keeps results, where a bare repository is."""
    config = tmp_path / "ssh_config"
    # git asks nobody for a password: the way through the jump box brings its own.
    config.write_text(ssh_config(f"sshpass -f {lab.secrets}/thor.pw ssh -F {config} -W %h:%p thor"))
    lab("exec", KEEPER, "apt-get", "-y", "install", "git")
    lab("exec", KEEPER, "rm", "-rf", BARE)
    lab("exec", KEEPER, "su", "hop", "-c", f"git init --quiet --bare --initial-branch=main {BARE}")
    yield f"ssh -F {shlex.quote(str(config))}"
    lab("exec", KEEPER, "rm", "-rf", BARE)
    lab("exec", KEEPER, "apt-get", "-y", "purge", "--auto-remove", "git")


def clone_of(folder: Path, ssh: str) -> Path:
    """Return a clone of the repository of results, made by somebody who may log in there."""
    git(folder.parent, "init", "--quiet", "--initial-branch=main", folder)
    git(folder, "config", "core.sshCommand", ssh)
    git(folder, "remote", "add", "origin", f"ssh://loki{BARE}")
    return folder


def publish(project: LabProject, run_dir: Path, clone: Path) -> list[str]:
    """Return the command that publishes a run."""
    targets = {KEY: {"repo": str(clone), "remote_url": f"ssh://loki{BARE}", "push_local": True}}
    extra = json.dumps({"lab_publish_targets": targets})
    where = project.root / run_dir
    return ["rackbench", "publish", "--run-dir", str(where), "-e", extra]


def test_two_controllers_at_once_publish_runs_of_the_lab_and_lose_nothing(
    lab: LabControl, remote: str, tmp_path: Path
) -> None:
    first = make_lab_project(tmp_path / "first")
    made_up.add(first, families=[made_up.family()])
    for _ in range(2):
        done = first.rackbench("run", "--host", HOST, "--benchmarks", "made-up")
        assert done.rc == 0, done.said
    second = make_lab_project(tmp_path / "second")
    made_up.add(second, families=[made_up.family()], build=False)
    shutil.copytree(first.root / "automation-runs", second.root / "automation-runs")
    clones = {name: clone_of(tmp_path / f"clone-{name}", remote) for name in ("first", "second")}
    (clones["first"] / "README.md").write_text("Results.\n")
    git(clones["first"], "add", "README.md")
    git(clones["first"], "commit", "--quiet", "--message", "Begin")
    git(clones["first"], "push", "--quiet", "origin", "main")
    git(clones["second"], "pull", "--quiet", "origin", "main")

    runs = [run.path.relative_to(first.root) for run in first.runs(HOST)]
    at_work = [
        project.start(*publish(project, run, clones[name]))
        for run in runs
        for name, project in (("first", first), ("second", second))
    ]
    for process in at_work:
        done = finish(process)
        assert done.rc == 0, done.said

    said = lab("exec", KEEPER, "su", "hop", "-c", f"git -C {BARE} for-each-ref refs/heads/results")
    there = {line.split()[2].removeprefix("refs/heads/"): line.split()[0] for line in said.splitlines()}
    for project in (first, second):
        for run in project.runs(HOST):
            assert row(run)["state"] == "pushed_local"
            assert there[branch_of(run, HOST)] == row(run)["commit"]
    assert len(there) == len(runs)
    count = lab("exec", KEEPER, "su", "hop", "-c", f"git -C {BARE} rev-list --all --count")
    # One for each run, and the first.
    assert int(count) == len(runs) + 1
