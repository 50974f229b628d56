# SPDX-License-Identifier: Apache-2.0
"""The worktree in the run directory that shows the branch of one benchmark's results."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from rackbench.errors import RackbenchError
from rackbench.files import read_regular
from rackbench.publish.git import Git, GitError

if TYPE_CHECKING:
    from rackbench.publish.repository import Repository


def add(repository: Repository, path: Path, branch: str) -> None:
    """Make the worktree of a branch at `path`; one that stands there already is left as it is.

    What a killed call, a moved run directory or a clone that is gone has left is put away first. Raises
    `RackbenchError`: publish_target_dirty when other files stand at `path`, or a worktree with somebody's changes or of
    another clone; git_failed for what cannot be checked out. Nothing new is left behind then.
    """
    path = path.resolve()
    ref = f"refs/heads/{branch}"
    registered = _registered(repository)
    entry = registered.get(path)
    if entry and entry.get("branch") == ref and "locked" not in entry and (path / ".git").is_file():
        return
    if entry:
        _remove(repository, path)
    elif path.exists():
        _clear(repository, path)
    for place, other in registered.items():
        if other.get("branch") == ref and place != path and not place.exists():
            _remove(repository, place)
    empty = not path.exists()
    try:
        # Forced: the branch may be checked out elsewhere too, as when two publish from two copies of a run.
        repository.git.run("worktree", "add", "--force", "--quiet", str(path), branch)
    except BaseException:
        if path in _registered(repository):
            _remove(repository, path)
        elif empty:
            shutil.rmtree(path, ignore_errors=True)
        raise


def remove(repository: Repository, path: Path) -> None:
    """Remove the worktree at `path` and what the clone knows of it; nothing happens when there is none."""
    path = path.resolve()
    if path in _registered(repository):
        _remove(repository, path)


def remove_all(repository: Repository, branch: str) -> None:
    """Remove all worktrees of a branch that is made anew; they would show its old files.

    Raises `RackbenchError` (publish_target_dirty) when somebody has changed files in one of them.
    """
    for place, entry in _registered(repository).items():
        if entry.get("branch") != f"refs/heads/{branch}":
            continue
        if (place / ".git").is_file() and _changed(repository, place):
            raise _in_the_way(
                place, "shows a branch that is made anew, and has changes that are in no commit"
            )
        _remove(repository, place)


def _changed(repository: Repository, path: Path) -> bool:
    """Return whether somebody has changed files in what says that it is a worktree; of another clone it is not known.

    git obeys what a clone's settings name, such as filters, and a run directory may be a stranger's and name any clone:
    only that of the target is asked.
    """
    common = Path(repository.git.text("rev-parse", "--path-format=absolute", "--git-common-dir"))
    if _clone_of(path).resolve().parent != (common / "worktrees").resolve():
        return True
    return bool(Git(path).run("status", "--porcelain", "--untracked-files=all", "--ignored"))


def _clone_of(path: Path) -> Path:
    """Return where a clone keeps what it knows of the worktree at `path`.

    Raises `RackbenchError("publish_target_dirty")` when that is no worktree.
    """
    try:
        pointer = os.fsdecode(read_regular(path / ".git")).removesuffix("\n")
    except OSError:
        pointer = ""
    if not pointer.startswith("gitdir: "):
        raise _in_the_way(path, "is no worktree, and stands where the one of the results should be")
    return path / pointer.removeprefix("gitdir: ")


def _clear(repository: Repository, path: Path) -> None:
    """Put away the worktree of a clone that is gone, or one that was copied along with its run.

    Raises `RackbenchError` (publish_target_dirty) for anything else, and when somebody may have changed files in it.
    """
    if path.is_dir() and not any(path.iterdir()):
        return
    # Without its clone nobody can say any more what was changed in it, and the results are in the run.
    if _clone_of(path).exists() and _changed(repository, path):
        raise _in_the_way(path, "is a worktree of another clone, or has changes that are in no commit")
    # That clone forgets it with its next `git worktree prune`.
    shutil.rmtree(path, ignore_errors=True)


def _in_the_way(path: Path, finding: str) -> RackbenchError:
    return RackbenchError(
        "publish_target_dirty",
        f"{path} {finding}.",
        where=str(path),
        next_step="Move what is needed out of it and remove it, then publish again.",
        next_path=str(path),
    )


def _remove(repository: Repository, path: Path) -> None:
    if not (path / ".git").is_file():  # what a killed removal has left; git refuses to go on with it
        shutil.rmtree(path, ignore_errors=True)
    try:
        # Twice: also one that a killed `worktree add` left locked.
        repository.git.run("worktree", "remove", "--force", "--force", str(path))
    except GitError:
        # Another process may have been faster.
        if path in _registered(repository):
            raise


def _registered(repository: Repository) -> dict[Path, dict[str, str]]:
    """Return what the clone knows of each of its worktrees, by path."""
    found: dict[Path, dict[str, str]] = {}
    for block in repository.git.text("worktree", "list", "--porcelain").split("\n\n"):
        fields = dict(line.partition(" ")[::2] for line in block.splitlines())
        if "worktree" in fields:
            found[Path(fields["worktree"])] = fields
    return found
