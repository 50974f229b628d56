# SPDX-License-Identifier: Apache-2.0
"""Results as a commit, the same on every machine: plumbing only, so that no setting, filter or hook has a say."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from rackbench.errors import RackbenchError
from rackbench.publish import worktree
from rackbench.publish.git import GitError

if TYPE_CHECKING:
    from datetime import datetime

    from rackbench.ledger.state import RunState
    from rackbench.publish.payload import Payload
    from rackbench.publish.repository import Base, Repository
    from rackbench.publish.target import Target


@dataclass(frozen=True, slots=True)
class Commit:
    """The commit that holds the results on `branch`; `base` is its parent.

    `reused`: it was there already. `in_base`: the base branch holds the same results (they were merged), `sha` and
    `base` are its commit, and there is nothing to push. `problem`: why the remote was not asked for its base branch.
    """

    sha: str
    base: str
    branch: str
    reused: bool
    problem: RackbenchError | None
    in_base: bool = False


def message(state: RunState, adapter: str, payload: Payload) -> str:
    """Return the commit message, made of nothing that differs from one machine or one publishing to the next."""
    files = f"{len(payload.files)} file{'' if len(payload.files) == 1 else 's'}"
    return (
        f"Results of {adapter} on {state.host}, run {state.run_id}\n\n"
        f"{files}, described in provenance.json.\nPayload: sha256:{payload.sha256}\n"
    )


def commit(
    repository: Repository,
    target: Target,
    *,
    branch: str,
    directory: PurePosixPath,
    payload: Path,
    message: str,
    when: datetime,
) -> Commit:
    """Return the commit of a payload at `directory`, made on the base branch as `branch`, or found there.

    The same payload on the same base gives the same commit on every machine. A branch that changes exactly this is
    reused, on whatever earlier commit of the base it stands; one that stands elsewhere, and only here, is made anew.
    `when` is the date of author and committer.
    Raises `RackbenchError`: publish_branch_taken, publish_diverged, publish_target_locked, publish_target_dirty (the
    worktree of a branch that is made anew), what `Repository.base` raises, and publish_target_invalid when a file
    stands where `directory` should be.
    """
    base = repository.base(branch)
    blobs = _blobs(repository, payload)
    made, changed = _built(repository, base.commit, directory, blobs, message, when)
    if not changed:
        return Commit(base.commit, base.commit, branch, reused=True, problem=base.problem, in_base=True)
    if found := _found(repository, target, branch, made, base):
        return Commit(found, parent(repository, found), branch, reused=True, problem=base.problem)
    sha = _made_branch(repository, branch, base.tip or made)
    if sha is not None:
        reused = base.tip is not None
        return Commit(sha, parent(repository, sha), branch, reused=reused, problem=base.problem)
    # Another process made it in between.
    if found := _found(repository, target, branch, made, base):
        return Commit(found, parent(repository, found), branch, reused=True, problem=base.problem)
    raise repository.error("publish_branch_taken", f"cannot have the branch {branch}", "branch", "--all")


def parent(repository: Repository, sha: str) -> str:
    """Return the commit that a commit of results stands on."""
    return repository.git.text("rev-parse", "--verify", f"{sha}^")


def same_change(repository: Repository, one: str, other: str) -> bool:
    """Return whether two commits have one parent each and change the same files to the same content, with the same
    words, author and dates; on whatever commit they stand."""
    if one == other:
        return True
    first, second = (_words(content) for content in repository.blobs([one, other]))
    if first is None or first != second:
        return False
    return _changes(repository, one) == _changes(repository, other)


def _found(repository: Repository, target: Target, branch: str, made: str, base: Base) -> str | None:
    """Return the commit that the branch has already, at the remote or else here, or None when neither has the branch.

    A branch of our own that stands on something that the remote lacks is made anew. Raises `RackbenchError` when one
    of them has it with other content.
    """
    ref = f"refs/heads/{branch}"
    local = repository.refs(ref).get(ref)
    log = ("log", "--stat", "--max-count=3")
    if base.tip and not (same_change(repository, base.tip, made) and _stands_on(repository, base.tip, base)):
        finding = f"finds the branch {branch} at its remote {target.remote} with other content"
        raise repository.error("publish_diverged", finding, *log, base.tip)
    if local is None:
        return None
    is_ours = same_change(repository, local, made)
    if is_ours and _stands_on(repository, local, base):
        return base.tip or local
    if is_ours and base.tip is None and base.problem is None:
        # It was made while nobody could ask the remote, on commits that the remote does not have.
        worktree.remove_all(repository, branch)
        repository.git.run("update-ref", "-m", "rackbench: publish", ref, made, local)
        return made
    raise repository.error(
        "publish_branch_taken", f"has the branch {branch} with other content", *log, branch
    )


def _stands_on(repository: Repository, commit: str, base: Base) -> bool:
    """Return whether the commit's parent is part of the base branch, so that it brings nothing else along."""
    known = [base.commit]
    if base.problem is not None:  # the base is what happens to be known here; it may be older than the commit
        known += repository.refs(repository.tracking, repository.local).values()
    return not repository.git.run("rev-list", "--max-count=1", f"{commit}^", *(f"^{one}" for one in known))


def _words(commit: bytes) -> tuple[bytes, ...] | None:
    """Return what a commit object says besides its tree and its parent, or None when it has not one parent."""
    head, _gap, text = commit.partition(b"\n\n")
    lines = head.split(b"\n")
    if sum(line.startswith(b"parent ") for line in lines) != 1:
        return None
    return (*(line for line in lines if not line.startswith((b"tree ", b"parent "))), text)


def _changes(repository: Repository, commit: str) -> set[tuple[bytes, ...]]:
    """Return new mode, new object and name of each file that a commit changes."""
    raw = repository.git.run(
        "diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-commit-id", "--full-index", commit
    )
    parts = raw.split(b"\0")
    return {(*head.split()[1:4:2], name) for head, name in zip(parts[:-1:2], parts[1::2], strict=True)}


def _blobs(repository: Repository, payload: Path) -> dict[str, str]:
    """Write the files of a payload as objects; return the object of each name below the payload."""
    names = sorted(_files(payload))
    if not names:
        raise RackbenchError("publish_payload_empty", f"{payload} holds no files.", where=str(payload))
    paths = "".join(f"{payload.resolve() / name}\n" for name in names)
    objects = repository.git.run(
        "hash-object", "-w", "--no-filters", "--stdin-paths", input=os.fsencode(paths)
    )
    return dict(zip(names, objects.decode().split(), strict=True))


def _files(payload: Path) -> list[str]:
    found = []
    for folder, folders, names in os.walk(payload):
        for name in (*folders, *names):
            path = Path(folder, name)
            inner = path.relative_to(payload).as_posix()
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                raise _refused(path, f"{inner} is no plain file")
            # git would take such a file for its own, and a newline ends a name in its lists.
            if name.lower().startswith(".git") or not name.isprintable():
                raise _refused(path, f"a repository cannot hold the name {inner!r}")
            if path.is_file():
                found.append(inner)
    return found


def _refused(path: Path, finding: str) -> RackbenchError:
    return RackbenchError("publish_payload_refused", f"The payload is refused: {finding}.", where=str(path))


def _built(
    repository: Repository,
    parent: str,
    directory: PurePosixPath,
    blobs: dict[str, str],
    message: str,
    when: datetime,
) -> tuple[str, bool]:
    """Write a commit on `parent` whose `directory` holds exactly these files; return it and whether it changes a file.

    No ref is touched, and the clone's index neither.
    """
    git = repository.git
    before = _replaced(repository, parent, directory)
    if before == blobs:
        return parent, False
    with tempfile.TemporaryDirectory(prefix="rackbench-index-") as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder, "index"))}
        git.run("read-tree", parent, env=index)
        gone = [f"0 {'0' * len(parent)}\t{directory / name}\0" for name in before if name not in blobs]
        new = [f"100644 {blob}\t{directory / name}\0" for name, blob in blobs.items()]
        git.run("update-index", "-z", "--index-info", input=os.fsencode("".join(gone + new)), env=index)
        # In a partial clone the other files' objects may be at the remote only.
        tree = git.run("write-tree", "--missing-ok", env=index).decode().strip()
    date = f"@{int(when.timestamp())} +0000"
    dates = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
    sha = git.run("commit-tree", tree, "-p", parent, input=message.encode(), env=dates).decode().strip()
    return sha, True


def _replaced(repository: Repository, parent: str, directory: PurePosixPath) -> dict[str, str]:
    """Return the objects of the files that stand at `directory` in a commit, by name below it.

    What is no plain file has its mode for an object, so that it is never taken for ours. Raises `RackbenchError`
    (publish_target_invalid) when a file stands where a directory should be: git would drop it without a word.
    """
    git = repository.git
    way = [str(part) for part in (*reversed(directory.parents), directory) if str(part) != "."]
    asked = "".join(f"{parent}:{name}\n" for name in way)
    answers = git.run("cat-file", "--batch-check=%(objecttype)", input=asked.encode()).decode().splitlines()
    for name, answer in zip(way, answers, strict=True):
        if answer.endswith(" missing"):
            return {}
        if answer != "tree":
            finding = f"has a file {name} on its branch {repository.target.base_branch}, and no directory"
            raise repository.error("publish_target_invalid", finding)
    found = {}
    for entry in git.run("ls-tree", "-r", "-z", "--full-tree", f"{parent}:{directory}").split(b"\0")[:-1]:
        head, _tab, raw = entry.partition(b"\t")
        mode, _kind, blob = head.decode().split()
        found[os.fsdecode(raw)] = blob if mode == "100644" else mode
    return found


def _made_branch(repository: Repository, branch: str, sha: str) -> str | None:
    """Make the branch and return its commit; None when somebody has made it meanwhile."""
    ref = f"refs/heads/{branch}"
    try:
        repository.git.run("update-ref", "-m", "rackbench: publish", ref, sha, "0" * len(sha))
    except GitError as error:
        if locked := repository.locked(error):
            raise locked from error
        if "already exists" in error.stderr:
            return None
        if "cannot lock ref" in error.stderr:  # a branch `results` leaves no room for `results/...`
            finding = f"cannot have the branch {branch}: {error.stderr.strip().splitlines()[-1]}"
            raise repository.error("publish_branch_taken", finding, "branch", "--all") from error
        raise
    return sha
