# SPDX-License-Identifier: Apache-2.0
"""Worktrees of results: one stands where it should whatever was there before, and goes without a trace."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from rackbench.errors import RackbenchError
from rackbench.publish import worktree

from tests.unit.publish.made_repositories import BRANCH, FILES, House, git, hook, house, seen, write

if TYPE_CHECKING:
    from pathlib import Path

    from rackbench.publish.repository import Repository

pytestmark = pytest.mark.slow


@pytest.fixture
def lab(tmp_path: Path) -> House:
    return house(tmp_path)


@pytest.fixture
def repository(lab: House) -> Repository:
    """A clone that has the branch of results."""
    made = lab.open()
    lab.commit(made)
    return made


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "run/publish-worktrees/latency"


def whole(place: Path) -> bool:
    """Return whether the worktree at `place` shows the branch, with the bytes that were published."""
    found = {name: (place / BRANCH / name).read_bytes() for name in FILES}
    head = git(place, "symbolic-ref", "HEAD")
    return found == FILES and head == f"refs/heads/{BRANCH}" and git(place, "status", "--porcelain") == ""


def entries(lab: House) -> list[str]:
    folder = lab.clone / ".git/worktrees"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_worktree_shows_the_branch_and_goes_without_a_trace(
    lab: House, repository: Repository, place: Path
) -> None:
    before = seen(lab.clone)
    worktree.add(repository, place, BRANCH)
    assert whole(place)
    worktree.remove(repository, place)
    assert (place.exists(), entries(lab), seen(lab.clone)) == (False, [], before)


def test_adding_and_removing_twice_is_fine(lab: House, repository: Repository, place: Path) -> None:
    worktree.add(repository, place, BRANCH)
    write(place, {"notes": b"mine"})
    worktree.add(repository, place, BRANCH)
    assert (place / "notes").exists()
    worktree.remove(repository, place)
    worktree.remove(repository, place)
    assert (place.exists(), entries(lab)) == (False, [])


def test_a_hook_of_the_clone_does_not_run(lab: House, repository: Repository, place: Path) -> None:
    hook(lab.clone / ".git", "post-checkout", f"touch {lab.root}/ran; exit 1")
    worktree.add(repository, place, BRANCH)
    assert whole(place)
    assert not (lab.root / "ran").exists()


def test_a_worktree_whose_directory_was_deleted_is_made_again(
    lab: House, repository: Repository, place: Path
) -> None:
    worktree.add(repository, place, BRANCH)
    shutil.rmtree(place)
    worktree.add(repository, place, BRANCH)
    assert whole(place)
    assert len(entries(lab)) == 1


def test_a_run_directory_that_was_moved_leaves_no_stale_entry(
    lab: House, repository: Repository, place: Path
) -> None:
    worktree.add(repository, place, BRANCH)
    place.parents[1].rename(lab.root / "moved")
    again = lab.root / "again/latency"
    worktree.add(repository, again, BRANCH)
    assert whole(again)
    assert len(entries(lab)) == 1


def test_what_a_killed_add_left_is_replaced(lab: House, repository: Repository, place: Path) -> None:
    worktree.add(repository, place, BRANCH)
    (lab.clone / ".git/worktrees/latency/locked").write_text("initializing")
    (place / BRANCH / "provenance.json").unlink()
    worktree.add(repository, place, BRANCH)
    assert whole(place)
    assert len(entries(lab)) == 1


@pytest.mark.parametrize("again", [True, False])
def test_what_a_killed_removal_left_is_put_away(
    lab: House, repository: Repository, place: Path, again: bool
) -> None:
    worktree.add(repository, place, BRANCH)
    (place / ".git").unlink()
    if again:
        worktree.add(repository, place, BRANCH)
        assert whole(place)
    else:
        worktree.remove(repository, place)
        assert not place.exists()
    assert len(entries(lab)) == again


def test_a_worktree_that_somebody_switched_to_another_branch_is_put_right(
    repository: Repository, place: Path
) -> None:
    worktree.add(repository, place, BRANCH)
    git(place, "checkout", "--quiet", "--detach")
    worktree.add(repository, place, BRANCH)
    assert whole(place)


def test_a_branch_that_is_checked_out_elsewhere_can_be_shown_too(
    lab: House, repository: Repository, place: Path
) -> None:
    other = lab.root / "copy/latency"
    worktree.add(repository, other, BRANCH)
    worktree.add(repository, place, BRANCH)
    assert whole(place)
    assert whole(other)


def test_files_of_somebody_else_at_that_place_stay(lab: House, repository: Repository, place: Path) -> None:
    write(place, {"mine": b"mine"})
    before = seen(lab.clone)
    with pytest.raises(RackbenchError) as caught:
        worktree.add(repository, place, BRANCH)
    assert (caught.value.code, caught.value.next_path) == ("publish_target_dirty", str(place))
    assert (place / "mine").read_bytes() == b"mine"
    worktree.remove(repository, place)
    assert (place / "mine").exists()
    assert (seen(lab.clone), entries(lab)) == (before, [])


def test_a_pipe_in_the_place_of_what_says_whose_worktree_it_is_is_waited_for_by_nobody(
    repository: Repository, place: Path
) -> None:
    place.mkdir(parents=True)
    os.mkfifo(place / ".git")
    with pytest.raises(RackbenchError) as caught:
        worktree.add(repository, place, BRANCH)
    assert caught.value.code == "publish_target_dirty"


def test_a_worktree_of_a_clone_that_is_gone_is_replaced(
    lab: House, repository: Repository, place: Path
) -> None:
    worktree.add(repository, place, BRANCH)
    shutil.rmtree(lab.clone)
    lab.another_clone("clone")
    again = lab.open("clone")
    lab.commit(again)
    worktree.add(again, place, BRANCH)
    assert whole(place)


def test_a_worktree_that_was_copied_along_with_its_run_is_replaced(
    repository: Repository, place: Path
) -> None:
    worktree.add(repository, place, BRANCH)
    copy = place.parent / "copy"
    shutil.copytree(place, copy, symlinks=True)
    worktree.add(repository, copy, BRANCH)
    assert whole(copy)


def test_changes_in_a_copy_of_a_worktree_stay(repository: Repository, place: Path) -> None:
    worktree.add(repository, place, BRANCH)
    copy = place.parent / "copy"
    shutil.copytree(place, copy, symlinks=True)
    write(copy, {"notes": b"mine"})
    with pytest.raises(RackbenchError) as caught:
        worktree.add(repository, copy, BRANCH)
    assert (caught.value.code, caught.value.next_path) == ("publish_target_dirty", str(copy))
    assert (copy / "notes").read_bytes() == b"mine"


def test_a_worktree_of_another_clone_that_is_still_there_stays(
    lab: House, repository: Repository, place: Path
) -> None:
    worktree.add(repository, place, BRANCH)
    lab.another_clone("second")
    again = lab.open("second")
    lab.commit(again)
    with pytest.raises(RackbenchError) as caught:
        worktree.add(again, place, BRANCH)
    assert (caught.value.code, caught.value.next_path) == ("publish_target_dirty", str(place))
    assert whole(place)


def test_a_program_that_the_clone_of_a_stranger_names_is_not_run(
    lab: House, repository: Repository, place: Path
) -> None:
    """A run directory that was handed on, with a worktree whose clone lies in it and has a filter."""
    lab.another_clone("second")
    strange = lab.open("second")
    lab.commit(strange)
    worktree.add(strange, place, BRANCH)
    ran = place.parent / "ran"
    git(strange.git.repo, "config", "filter.x.clean", f"touch {ran}; cat")
    write(place, {".gitattributes": b"* filter=x\n"})
    changed = place / BRANCH / next(iter(FILES))
    changed.write_bytes(bytes(len(changed.read_bytes())))
    with pytest.raises(RackbenchError) as caught:
        worktree.add(repository, place, BRANCH)
    assert caught.value.code == "publish_target_dirty"
    assert not ran.exists()
    # It would have been, by any question to git.
    git(place, "status", "--porcelain")
    assert ran.exists()


def test_a_failure_in_the_middle_leaves_nothing(lab: House, repository: Repository, place: Path) -> None:
    blob = git(lab.clone, "hash-object", "-w", "--stdin", stdin=b"x")
    entries_of_tree = f"100644 blob {blob}\ta\n100644 blob {blob}\t{'n' * 300}\n"
    tree = git(lab.clone, "mktree", stdin=entries_of_tree.encode())
    git(lab.clone, "branch", "long", git(lab.clone, "commit-tree", tree, "-m", "A name that no disk takes"))
    before = seen(lab.clone)
    with pytest.raises(RackbenchError):
        worktree.add(repository, place, "long")
    assert (place.exists(), entries(lab), seen(lab.clone)) == (False, [], before)
