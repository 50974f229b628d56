# SPDX-License-Identifier: Apache-2.0
"""Clean snapshots: the same bytes from every clone and export, and a reason for whatever cannot be packed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest
from rackbench.bundles.archive import pack
from rackbench.bundles.snapshot import commit_of, snapshot
from rackbench.errors import RackbenchError

if TYPE_CHECKING:
    from pathlib import Path

IDENTITY = (
    "-c",
    "user.name=Somebody",
    "-c",
    "user.email=somebody@example.org",
    "-c",
    "init.defaultBranch=main",
)


def git(directory: Path, *arguments: str) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    subprocess.run(
        ["git", *IDENTITY, "-c", "protocol.file.allow=always", *arguments],
        cwd=directory,
        env={**kept, "GIT_CONFIG_NOSYSTEM": "1"},
        check=True,
        capture_output=True,
    )


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A git repository with a program, a table, a dot file and a link."""
    directory = tmp_path / "repo"
    (directory / "bin").mkdir(parents=True)
    (directory / "data").mkdir()
    (directory / "bin/run").write_text("#!/bin/sh\nexit 0\n")
    (directory / "bin/run").chmod(0o755)
    (directory / "data/table").write_text("1 2 3\n")
    (directory / ".settings").write_text("[settings]\n")
    (directory / "latest").symlink_to("data/table")
    (directory / "all").symlink_to("data")
    git(directory, "init")
    git(directory, "add", "--all")
    git(directory, "commit", "--message", "All of it")
    return directory


def refusal(directory: Path) -> RackbenchError:
    with pytest.raises(RackbenchError) as caught:
        snapshot(directory)
    assert caught.value.code == "snapshot_failed"
    return caught.value


def test_it_holds_exactly_the_tracked_files_with_links_resolved(repo: Path) -> None:
    (repo / "scratch").write_text("not tracked")
    (repo / "target").mkdir()
    (repo / "target/out").write_text("not tracked")
    assert list(snapshot(repo)) == [".settings", "all/table", "bin/run", "data/table", "latest"]


def test_the_content_is_that_of_the_work_tree(repo: Path, tmp_path: Path) -> None:
    (repo / "data/table").write_text("changed\n")
    pack(snapshot(repo), tmp_path / "out.tar.gz")
    with tarfile.open(tmp_path / "out.tar.gz") as archive:
        (member,) = [one for one in archive if one.name == "data/table"]
        stream = archive.extractfile(member)
        assert stream is not None
        assert stream.read() == b"changed\n"


def test_a_clone_another_umask_and_an_export_give_the_same_bytes_without_owners_times_and_pax_headers(
    repo: Path, tmp_path: Path
) -> None:
    git(tmp_path, "clone", str(repo), "second")
    before = os.umask(0o077)
    try:
        git(tmp_path, "clone", str(repo), "third")
    finally:
        os.umask(before)
    git(repo, "archive", "--output", str(tmp_path / "export.tar"), "HEAD")
    (tmp_path / "export").mkdir()
    subprocess.run(
        ["tar", "--extract", "--file", "export.tar", "--directory", "export"], cwd=tmp_path, check=True
    )
    for name in ("._run", ".DS_Store", "table~", "old.pyc"):
        (tmp_path / "export/data" / name).write_text("litter")
    (tmp_path / "export/__MACOSX").mkdir()
    (tmp_path / "export/__MACOSX/x").write_text("litter")
    (tmp_path / "export/target").mkdir()
    (tmp_path / "export/target/x").write_text("litter")
    digests = set()
    for name in ("repo", "second", "third", "export"):
        digests.add(pack(snapshot(tmp_path / name), tmp_path / f"{name}.tar.gz").digest)
    assert len(digests) == 1
    with tarfile.open(tmp_path / "repo.tar.gz") as archive:
        members = archive.getmembers()
    assert all((one.uid, one.gid, one.uname, one.gname, one.mtime) == (0, 0, "", "", 0) for one in members)
    assert all(not one.pax_headers for one in members)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to give a clone to somebody else")
def test_a_clone_that_somebody_else_owns_gives_the_same_files(repo: Path) -> None:
    before = list(snapshot(repo))
    (repo / "scratch").write_text("not tracked")
    for path in (repo, *repo.rglob("*")):
        os.chown(path, 12345, 12345, follow_symlinks=False)
    assert list(snapshot(repo)) == before
    assert commit_of(repo)[1] is True


def test_macos_litter_is_left_out_even_when_it_is_tracked(repo: Path) -> None:
    (repo / "._table").write_text("litter")
    git(repo, "add", "--force", "--all")
    assert "._table" not in snapshot(repo)


def test_the_commit_and_whether_something_changed_are_told(repo: Path, tmp_path: Path) -> None:
    commit, dirty = commit_of(repo)
    assert commit is not None
    assert (len(commit), dirty) == (40, False)
    (repo / "data/table").write_text("changed\n")
    assert commit_of(repo) == (commit, True)
    shutil.rmtree(repo / ".git")
    assert commit_of(repo) == (None, None)


def test_a_tracked_file_that_is_missing_is_named(repo: Path) -> None:
    (repo / "data/table").unlink()
    assert "data/table" in refusal(repo).message


def test_a_submodule_is_named(repo: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", str(repo), "other")
    git(repo, "submodule", "add", str(tmp_path / "other"), "vendor/other")
    assert "vendor/other" in refusal(repo).message


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("../outside", "leaves the repository"),
        ("../repo/bin/run", "leaves the repository"),
        ("/etc/hostname", "leaves the repository"),
        ("nothing", "leads nowhere"),
        ("self", "leads nowhere"),
        ("scratch", "no part of the snapshot"),
    ],
)
def test_a_link_that_cannot_be_followed_is_refused(
    repo: Path, tmp_path: Path, target: str, said: str
) -> None:
    (tmp_path / "outside").write_text("secret")
    (repo / "self").symlink_to(target)
    git(repo, "add", "--all")
    (repo / "scratch").write_text("not tracked")
    error = refusal(repo)
    assert "the link self" in error.message
    assert said in error.message


def test_a_link_that_leaves_by_way_of_another_link_is_refused(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("secret")
    (repo / "self").symlink_to("way/secret")
    git(repo, "add", "--all")
    (repo / "way").symlink_to(tmp_path / "outside")
    assert "leaves the repository" in refusal(repo).message


def test_a_directory_that_became_a_link_to_elsewhere_is_not_followed(repo: Path, tmp_path: Path) -> None:
    shutil.copytree(repo / "data", tmp_path / "elsewhere")
    shutil.rmtree(repo / "data")
    (repo / "data").symlink_to(tmp_path / "elsewhere")
    assert "data/table" in refusal(repo).message


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    directory = tmp_path / "plain"
    directory.mkdir()
    os.mkfifo(directory / "pipe")
    assert "pipe" in refusal(directory).message


def test_a_name_of_more_than_a_hundred_bytes_is_packed_while_its_directories_take_the_rest(
    tmp_path: Path,
) -> None:
    directory = tmp_path / "plain"
    name = f"{'d' * 90}/{'e' * 60}/{'f' * 90}"
    (directory / name).parent.mkdir(parents=True)
    (directory / name).write_text("x")
    pack(snapshot(directory), tmp_path / "out.tar.gz")
    with tarfile.open(tmp_path / "out.tar.gz") as archive:
        assert archive.getnames() == [name]


@pytest.mark.parametrize("name", ["x" * 101, "d" * 160 + "/y", "line\nbreak", os.fsdecode(b"\xff")])
def test_a_name_that_no_bundle_can_have_is_refused(tmp_path: Path, name: str) -> None:
    directory = tmp_path / "plain"
    (directory / name).parent.mkdir(parents=True)
    (directory / name).write_text("x")
    assert "the name" in refusal(directory).message


def test_a_directory_without_a_file_is_refused(tmp_path: Path) -> None:
    assert "no file" in refusal(tmp_path).message
