# SPDX-License-Identifier: Apache-2.0
"""Every host has a branch and a directory of its own in a repository, whatever its name is."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rackbench.ledger.state import RunState
from rackbench.publish import places, worktree

from tests.unit.publish.made_repositories import git, house

if TYPE_CHECKING:
    from pathlib import Path

RUN_ID, ADAPTER = "20261121T080000Z-box", "latency"
REFUSED_BY_GIT = [
    *("::1", "a..b", "...", "x.lock", "x.", ".git", "ho st", "a~b", "a^b", "a?b", "a*b", "a[0]"),
    *("a\\b", "@{u}", "a\x7fb", "a\tb"),
]


def run(host: str) -> RunState:
    return RunState(opened={"host": host, "run_id": RUN_ID})


def test_a_usual_host_stands_as_it_is() -> None:
    assert places.branch(run("box-1.lab_é"), ADAPTER) == f"results/box-1.lab_é/{RUN_ID}/{ADAPTER}"
    assert places.directory("a/b", run("box"), ADAPTER) == PurePosixPath(f"a/b/box/{RUN_ID}/{ADAPTER}")


@pytest.mark.parametrize("host", [*REFUSED_BY_GIT, "a%3Ab", "@", "-x"])
def test_git_takes_the_branch_of_a_host(tmp_path: Path, host: str) -> None:
    name = places.branch(run(host), ADAPTER)
    assert git(tmp_path, "check-ref-format", "--branch", name) == name


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_no_two_hosts_have_one_place(host: str) -> None:
    parts = places.branch(run(host), ADAPTER).split("/")
    assert [unquote(part) for part in parts] == ["results", host, RUN_ID, ADAPTER]


def test_results_of_a_host_that_is_an_ipv6_address_are_committed(tmp_path: Path) -> None:
    lab = house(tmp_path)
    name = places.branch(run("::1"), ADAPTER)
    repository = lab.open()
    made = lab.commit(repository, branch=name)
    assert git(lab.clone, "rev-parse", name) == made.sha
    worktree.add(repository, tmp_path / "shown", name)
    assert (tmp_path / "shown/results/%3A%3A1" / RUN_ID / ADAPTER / "provenance.json").is_file()
