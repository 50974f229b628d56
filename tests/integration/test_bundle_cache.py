# SPDX-License-Identifier: Apache-2.0
"""Runs that take their bundle from a shared cache on a web server."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.harness import Done, LabProject, Run, make_project
from tests.unit.bundles.cache_server import CacheServer, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def cached(tmp_path: Path) -> Iterator[tuple[LabProject, CacheServer]]:
    """Return a checkout without bundles of its own, and a server over those that it built."""
    project = make_project(tmp_path)
    shared = tmp_path / "shared"
    built = project.rackbench("bundle", "build", "--dist", shared)
    assert built.rc == 0, built.said
    shutil.rmtree(project.root / "dist", ignore_errors=True)
    with CacheServer(shared).serving() as server:
        yield project, server


def play(project: LabProject, server: CacheServer) -> Done:
    settings = {"lab_benchmarks": "system-info", "lab_bundle_cache": server.url}
    return project.playbook("-e", json.dumps(settings))


def decision(run: Run) -> Any:
    """Return what the run decided on the bundle of system-info."""
    decided = [record for record in run.records("packaging") if record["adapter"] == "system-info"]
    return decided[-1]["decision"]


def test_a_run_takes_its_bundle_from_the_shared_cache_and_the_next_one_downloads_nothing(
    cached: tuple[LabProject, CacheServer],
) -> None:
    project, server = cached
    first = play(project, server)
    assert first.rc == 0, first.said
    assert len(server.asked_for()) == 1
    server.asked.clear()
    second = play(project, server)
    assert second.rc == 0, second.said
    assert {asked.name for asked in server.asked} == {"index.json"}
    for run in project.runs():
        found = decision(run)
        assert (found["chosen"]["source"], found["basis"]) == ("cache", "prebuilt")
        assert found["chosen"]["path"].startswith(str(project.root / ".rackbench" / "downloads"))


def test_a_cache_that_sends_other_bytes_is_not_used_and_the_run_says_why(
    cached: tuple[LabProject, CacheServer],
) -> None:
    project, server = cached
    for tarball in server.directory.glob("*.tar.gz"):
        server.faults[tarball.name] = Fault("other bytes")
    done = play(project, server)
    assert done.rc == 0, done.said
    found = decision(project.run())
    (rejected,) = [one for one in found["candidates"] if one["source"] == "cache"]
    assert rejected["reason"] == "cache"
    assert "were wanted" in rejected["detail"]
    assert found["chosen"]["source"] != "cache"
    assert not list(project.root.glob(".rackbench/downloads/**/*.tar.gz"))
