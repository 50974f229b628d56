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

pytestmark = pytest.mark.full


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


@pytest.mark.parametrize(
    "location",
    [
        pytest.param("simplecache::https://bob:hush-hush@127.0.0.1/x", id="chained URL"),
        pytest.param(" https://bob:hush-hush@127.0.0.1/x", id="blank before the URL"),
        pytest.param("https://bob:hush-hush@127.0.0.1/x", id="URL with a password"),
    ],
)
def test_the_password_in_a_cache_that_is_refused_is_written_down_nowhere(
    tmp_path: Path, location: str
) -> None:
    project = make_project(tmp_path)
    settings = json.dumps({"lab_benchmarks": "system-info", "lab_bundle_cache": location})
    done = project.rackbench("run", "--host", "local", "--check", "-e", settings)
    assert done.rc != 0
    assert "unknown_option" in done.said
    assert "hush-hush" not in done.said
    files = [path for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink()]
    assert [path for path in files if b"hush-hush" in path.read_bytes()] == []
