# SPDX-License-Identifier: Apache-2.0
"""Taking one merge out of a corpus again: all that it brought and nothing else, as a branch for a pull request.

The clone's own files are never touched: the revert is made in a worktree inside the git directory, which is removed
afterwards, and the branch appears when everything is done. What a killed call has left is removed by the next one.
"""

from __future__ import annotations

import fcntl
import os
import posixpath
import re
import shutil
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rackbench.adapters.export import markdown_text
from rackbench.corpus import inventory
from rackbench.corpus.cache import cache_path
from rackbench.corpus.read import INVENTORY_NAME
from rackbench.corpus.validate import check_corpus, display
from rackbench.errors import RackbenchError
from rackbench.files import write_atomic
from rackbench.publish import forge as forges
from rackbench.publish import push as pushing
from rackbench.publish import worktree
from rackbench.publish.git import Git, GitError
from rackbench.publish.repository import Repository, open_repository
from rackbench.publish.target import Target, same_remote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

BRANCH = "published-results"
# Why a merge is taken back -> what its pull request is told.
REASONS = {
    "broken": "its results are broken: they do not say what was measured, and cannot be used",
    "misleading": "its results are misleading: what they say is true, but who compares them is led astray",
}
_NO_REASON = "its results are broken or misleading; a maintainer says here which of them it is"

_PLACE = "rackbench-rollback"
# Ours and not git's, so that the branch is called the same in every clone.
_SHORT = 12
_NAMED = 5
_IN_A_COMMENT = 50
_CALL_IN_A_CLONE = "Call it in a clone of the corpus's repository, or name one with --repo."
# The clone is looked at as publishing looks at its own; what to do about a problem is another thing here.
_NEXT_STEPS = {
    "publish_not_a_repository": _CALL_IN_A_CLONE,
    "publish_target_bare": _CALL_IN_A_CLONE,
    "publish_target_empty": _CALL_IN_A_CLONE,
    "publish_base_missing": "Name the branch that the results are merged into with --branch.",
    "publish_target_dirty": "Commit or put away what `git status` shows there, then call again.",
    "publish_target_locked": "Wait until it ends, then call again. If none runs, remove the lock that is named.",
    "publish_target_unsupported": "Revert the merge by hand with `git revert -m 1`.",
    "publish_branch_taken": "Look at it; rename or delete the branch if it is not needed, then call again.",
    "publish_remote_missing": "Name the remote of the corpus with --remote.",
    "publish_remote_mismatch": "Correct the remote's pushurl, then call again.",
    "publish_remote_unreachable": "Call again when it does; nothing was pushed.",
    "publish_remote_auth": "Load a key into ssh-agent, or set a credential helper in that repository, then call again.",
    "publish_push_rejected": "Read what it says, correct it, then call again; the branch is kept in the clone.",
    "publish_branch_protected": "Let its rules allow branches below rollback/, then call again.",
    "publish_diverged": "Look at what is there; nothing is overwritten. Delete it if it is wrong, then call again.",
}


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file that a merge changed: mode and object before it and with it; a mode of zeros is no file."""

    before: tuple[bytes, bytes]
    merged: tuple[bytes, bytes]


@dataclass(frozen=True)
class Plan:
    """A merge that can be taken back. `base` is the commit of the target branch that the rollback is made on."""

    repository: Repository
    merge: str
    subject: str
    first_parent: str
    base: str
    branch: str
    entries: dict[bytes, _Entry]

    @property
    def ref(self) -> str:
        """Return the full name of the branch that the rollback gets."""
        return f"refs/heads/{self.branch}"

    @property
    def removes(self) -> list[str]:
        """Return the files that the merge added."""
        return self._named(lambda entry: _is_none(entry.before))

    @property
    def changes(self) -> list[str]:
        """Return the files that get the content back that they had before the merge."""
        return self._named(lambda entry: not _is_none(entry.before) and not _is_none(entry.merged))

    @property
    def restores(self) -> list[str]:
        """Return the files that the merge removed."""
        return self._named(lambda entry: _is_none(entry.merged))

    @property
    def pull_request(self) -> int | None:
        """Return the number of the pull request that was merged, as GitHub writes it into the merge's message."""
        found = re.match(r"Merge pull request #(\d{1,9}) ", self.subject)
        return int(found[1]) if found else None

    def _named(self, wanted: Callable[[_Entry], bool]) -> list[str]:
        return [_text(path) for path, entry in sorted(self.entries.items()) if wanted(entry)]


@dataclass(frozen=True, slots=True)
class Rollback:
    """The commit on the plan's branch. `reused`: it was there already. `inventories` were brought up to date."""

    commit: str
    reused: bool
    inventories: list[str]


def look(repo: Path, merge: str, *, remote: str = "origin", branch: str = BRANCH) -> Plan:
    """Fetch the branch of a remote, and return what taking a merge out of it would do. Only the fetch changes anything.

    Raises `RackbenchError`: corpus_merge_unknown, corpus_merge_single, corpus_merge_octopus, corpus_merge_elsewhere,
    corpus_merge_inner, corpus_merge_backwards, corpus_merge_empty, corpus_merge_reverted, corpus_merge_built_on,
    corpus_clone_partial, and what `open_repository` and `Repository.base` raise.
    """
    for option, value in (("--remote", remote), ("--branch", branch)):
        if not value or value.startswith("-"):
            raise RackbenchError("wrong_usage", f"{option} is `{value}`, which is no name.")
    with _for_a_corpus():
        repository = open_repository(_target(repo, remote, branch))
        base = repository.base()
        if base.problem:
            raise base.problem
    _refuse_partial_clones(repository)
    commit = _resolved(repository, merge)
    parents = repository.git.text("rev-list", "--parents", "--max-count=1", commit).split()[1:]
    if len(parents) != 2:
        raise _wrong_number(repository, commit, len(parents))
    later = _later(repository, commit, base.commit)
    subject = repository.git.text("log", "--max-count=1", "--format=%s", commit)
    plan = Plan(
        repository=repository,
        merge=commit,
        subject=subject,
        first_parent=parents[0],
        base=base.commit,
        branch=f"rollback/{commit[:_SHORT]}",
        entries={
            path: entry
            for path, entry in _changes(repository.git, parents[0], commit).items()
            if not _is_inventory(path)
        },
    )
    _refuse_backwards(plan, parents[1])
    if not plan.entries:
        raise _refused("corpus_merge_empty", plan, "brought no files but the inventory")
    _refuse_what_was_built_on(plan, later)
    return plan


def make(plan: Plan, because: str | None = None) -> Rollback:
    """Make the branch of a plan, with one commit that takes the merge back and brings inventories up to date.

    A branch that holds just that is left as it is. Raises `RackbenchError`: corpus_rollback_conflict,
    publish_branch_taken, publish_target_locked; everything is as it was then.
    """
    repository = plan.repository
    with _for_a_corpus(), _worktree(repository, plan.base) as place:
        work = Git(place)
        inventories = _inventories(place, work)
        conflicts = _revert(work, plan)
        if others := sorted(conflicts - inventories):
            raise _conflict(plan, "cannot be taken back without a conflict in", others)
        # One that came with the merge goes with it; a link may stand there then.
        left = sorted(inventories.intersection(work.run("ls-files", "-z").split(b"\0")))
        there = repository.refs(plan.ref).get(plan.ref)
        written = [
            path for path in left if _brought_up_to_date(place, path, work, there) or path in conflicts
        ]
        if left:
            work.run("update-index", "-z", "--stdin", input=b"".join(path + b"\0" for path in left))
        tree = work.text("write-tree")
        _check(plan, tree)
        words = _message(plan, because)
        made = (
            work.run("commit-tree", tree, "-p", plan.base, "-F", "-", input=words.encode()).decode().strip()
        )
        commit, reused = _branched(plan, made)
    return Rollback(commit, reused, [_text(path) for path in written])


def push(plan: Plan, commit: str) -> None:
    """Push the branch of a plan to its remote, and nothing else; the same branch there is left as it is.

    Raises `RackbenchError`: publish_push_rejected, publish_branch_protected, publish_diverged and what has to do with
    the remote.
    """
    with _for_a_corpus():
        standing = pushing.push(plan.repository, plan.repository.target, plan.branch, commit)
        if standing.problem:
            raise standing.problem


def comment(plan: Plan, because: str | None = None) -> str:
    """Return what the pull request that was merged is told, as Markdown. Names of files make no links in it."""
    branch = plan.repository.target.base_branch
    why = REASONS[because] if because else _NO_REASON
    lines = [
        f"Thank you for this submission. Its merge {plan.merge} is taken back from `{branch}`, because {why}.",
        "",
    ]
    for title, paths in (
        ("These files are removed again", plan.removes),
        ("These files become again what they were", plan.changes),
        ("These files come back", plan.restores),
    ):
        if paths:
            lines += [f"{title}:", "", *(f"- {markdown_text(path)}" for path in paths[:_IN_A_COMMENT])]
            if len(paths) > _IN_A_COMMENT:
                lines.append(f"- and {len(paths) - _IN_A_COMMENT} more")
            lines.append("")
    lines.append(
        "A corrected resubmission is welcome: run the benchmark again, package it with `rackbench submit`, check it "
        f"with `rackbench corpus validate`, and open a new pull request against `{branch}`."
    )
    return "\n".join(lines) + "\n"


def landing(plan: Plan, because: str | None = None) -> tuple[list[str], str | None]:
    """Return the command that brings the pushed branch into the target branch, and the page that does it, if any.

    At GitHub it opens a pull request, so that the checks run. Elsewhere it pushes the branch to the target branch,
    which a remote takes only as long as nothing else has come there.
    """
    target = plan.repository.target
    url = plan.repository.written_url()
    forge = forges.forge_of(url, None) if url else None
    page = forges.compare_url(forge, target.base_branch, plan.branch) if forge else None
    if forge is None or forge.kind != forges.GITHUB:
        refspec = f"{plan.branch}:{target.base_branch}"
        return ["git", "-C", str(target.repo), "push", target.remote, refspec], page
    words = _message(plan, because).partition("\n\n")
    about = ["--title", words[0], "--body", " ".join(words[2].split())]
    where = ["--repo", forge.path, "--base", target.base_branch, "--head", plan.branch]
    return ["gh", "pr", "create", *where, *about], page


@contextmanager
def _for_a_corpus() -> Iterator[None]:
    """Say of problems with a clone what to do about them here."""
    try:
        yield
    except RackbenchError as error:
        error.next_step = _NEXT_STEPS.get(error.code, error.next_step)
        raise


def _target(repo: Path, remote: str, branch: str) -> Target:
    top = repo.resolve()
    with suppress(GitError):  # open_repository says why
        top = Path(Git(top).text("rev-parse", "--show-toplevel"))
    return Target(
        key="corpus",
        repo=top,
        remote=remote,
        remote_url=None,
        base_branch=branch,
        directory=".",
        forge=None,
        push_local=True,
        create_pr_local=False,
    )


def _refuse_partial_clones(repository: Repository) -> None:
    """Refuse clones that lack commits or files: what a merge brought, and the inventory, would be wrong there."""
    if repository.git.text("rev-parse", "--is-shallow-repository") == "true":
        command = repository.command("fetch", "--unshallow", repository.target.remote)
        raise _partial(repository, "is a shallow clone", command)
    try:
        sparse = repository.git.text("config", "--type=bool", "--get", "core.sparseCheckout") == "true"
    except GitError as error:
        if error.returncode != 1:  # 1: it is not set
            raise
        return
    if sparse:
        raise _partial(repository, "is a sparse checkout", repository.command("sparse-checkout", "disable"))


def _partial(repository: Repository, finding: str, command: str) -> RackbenchError:
    where = str(repository.target.repo)
    return RackbenchError("corpus_clone_partial", f"{where} {finding}.", where=where, next_command=command)


def _resolved(repository: Repository, merge: str) -> str:
    try:
        commit = repository.git.text(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{merge}^{{commit}}"
        )
    except (GitError, ValueError):  # a name may hold what no argument can
        commit = ""
    # A branch may have a name that looks like a commit.
    if not commit or (re.fullmatch(r"[0-9a-fA-F]{7,64}", merge) and not commit.startswith(merge.lower())):
        message = f"{repository.target.repo} has no commit {merge}, also after a fetch of its branch."
        raise RackbenchError(
            "corpus_merge_unknown", message, where=str(repository.target.repo), next_command=_log(repository)
        )
    return commit


def _log(repository: Repository) -> str:
    return repository.command("log", "--oneline", "--merges", "--first-parent", repository.tracking)


def _wrong_number(repository: Repository, commit: str, parents: int) -> RackbenchError:
    where = str(repository.target.repo)
    if parents < 2:
        message = f"{commit} is no merge: it has {'one parent' if parents else 'no parent'}."
        return RackbenchError("corpus_merge_single", message, where=where, next_command=_log(repository))
    message = f"{commit} merged {parents - 1} branches at once."
    return RackbenchError("corpus_merge_octopus", message, where=where)


def _later(repository: Repository, commit: str, tip: str) -> list[str]:
    """Return the commits that the branch itself got after a merge, oldest first.

    Raises `RackbenchError` when the merge is not one of the branch's own.
    """
    git, target = repository.git, repository.target
    own = git.text("rev-list", "--first-parent", tip).split()
    if commit in own:
        return own[: own.index(commit)][::-1]
    where = str(target.repo)
    if git.run("rev-list", "--max-count=1", commit, f"^{tip}"):
        message = f"{commit} is not on {target.remote}/{target.base_branch}."
        raise RackbenchError("corpus_merge_elsewhere", message, where=where, next_command=_log(repository))
    inside = set(git.text("rev-list", "--ancestry-path", f"{commit}..{tip}").split())
    outer = [one for one in own if one in inside][-1]
    message = f"{commit} came to {target.base_branch} as a part of {outer}."
    raise RackbenchError(
        "corpus_merge_inner", message, where=where, next_command=f"rackbench corpus rollback {outer[:_SHORT]}"
    )


def _refuse_backwards(plan: Plan, second_parent: str) -> None:
    """Refuse a merge whose second parent is the target branch or holds merges of others.

    Undoing it against its first parent would take what other people submitted.
    """
    git, target = plan.repository.git, plan.repository.target
    branch = re.escape(target.base_branch)
    told = re.match(
        rf"Merge (?:remote-tracking branch '{re.escape(target.remote)}/{branch}'"
        rf"|branch '{branch}' of (?P<url>\S+)|branch '{branch}'(?! into {branch}$))",
        plan.subject,
    )
    url = plan.repository.remote_url()
    if told and (not told["url"] or (url and same_remote(told["url"], url))):
        finding = f"has its parents the wrong way round: `{plan.subject}`"
        raise _refused("corpus_merge_backwards", plan, finding)
    answer = git.text(
        "rev-list", "--first-parent", "--merges", "--parents", second_parent, f"^{plan.first_parent}"
    )
    for line in answer.splitlines():
        inner, _first, *merged = line.split()
        if git.run("rev-list", "--max-count=1", *merged, f"^{plan.first_parent}"):
            finding = f"brought the merge {inner} along, and so more than one submission"
            raise _refused("corpus_merge_backwards", plan, finding)


def _refuse_what_was_built_on(plan: Plan, later: Sequence[str]) -> None:
    """Refuse a merge that is taken back already, or of whose files a later commit changed some."""
    git = plan.repository.git
    touched = _touched(git, later, plan.entries)
    if not touched:
        return
    now = _changes(git, plan.first_parent, plan.base)
    names = ", ".join(
        f"{commit[:_SHORT]} ({_some(paths)})" for commit, paths in list(touched.items())[:_NAMED]
    )
    if not any(path in now for path in plan.entries):
        raise _refused("corpus_merge_reverted", plan, f"was taken back already, by {names}")
    more = f" and {len(touched) - _NAMED} more" if len(touched) > _NAMED else ""
    raise _refused("corpus_merge_built_on", plan, f"brought files that later commits changed: {names}{more}")


def _touched(git: Git, later: Sequence[str], entries: dict[bytes, _Entry]) -> dict[str, list[bytes]]:
    """Return which of the files each of the branch's later commits changed."""
    if not later:
        return {}
    # Each against its first parent alone: what came to the branch with it.
    found: dict[str, list[bytes]] = {}
    lines = git.run("rev-list", "--no-walk=unsorted", "--parents", "--stdin", input="\n".join(later).encode())
    asked = b"".join(b" ".join(line.split()[:2]) + b"\n" for line in lines.splitlines())
    answer = git.run("diff-tree", "--stdin", "-r", "-z", "--raw", "--no-renames", input=asked)
    commit = ""
    parts = iter(answer.split(b"\0"))
    for part in parts:
        if part.startswith(b":"):
            path = next(parts)
            if path in entries:
                found.setdefault(commit, []).append(path)
        else:
            commit = part.decode()
    return found


@contextmanager
def _worktree(repository: Repository, commit: str) -> Iterator[Path]:
    """Check a commit out in a place of its own, alone, and remove that afterwards."""
    place = repository.common / _PLACE
    handle = os.open(repository.common, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = f"Another rollback works in {repository.target.repo}."
            raise RackbenchError(
                "publish_target_locked", message, where=str(repository.target.repo)
            ) from error
        _remove(repository, place)  # what a killed call has left
        try:
            repository.git.run("worktree", "add", "--detach", "--quiet", str(place), commit)
            yield place
        finally:
            _remove(repository, place)
    finally:
        os.close(handle)


def _remove(repository: Repository, place: Path) -> None:
    worktree.remove(repository, place)
    shutil.rmtree(place, ignore_errors=True)


def _inventories(place: Path, work: Git) -> set[bytes]:
    """Return the paths of the inventories that can be made again; of another format there may be some, too."""
    paths = [path for path in work.run("ls-files", "-z").split(b"\0") if _is_inventory(path)]
    return {path for path in paths if isinstance(inventory.read(place / os.fsdecode(path)), dict)}


def _revert(work: Git, plan: Plan) -> set[bytes]:
    """Take the merge back in the worktree, and return the paths that conflict."""
    # Without renames: a directory that the merge renamed takes nothing along that came into it later. The strategy
    # `ort` of older gits looks for them all the same.
    order = (
        "revert",
        "--no-commit",
        "--mainline",
        "1",
        "--strategy=recursive",
        "-X",
        "no-renames",
        plan.merge,
    )
    try:
        work.run(*order)
    except GitError as error:
        unmerged = work.run("ls-files", "--unmerged", "-z").split(b"\0")
        if error.returncode != 1 or unmerged == [b""]:
            raise
        return {line.partition(b"\t")[2] for line in unmerged if line}
    return set()


def _brought_up_to_date(place: Path, path: bytes, work: Git, there: str | None) -> bool:
    """Write an inventory anew if it does not fit the files, and say whether it did not.

    The one that the rollback's branch has already is taken if it fits, so that a second call makes the same commit.
    """
    name = place / os.fsdecode(path)
    before = name.read_bytes() if name.is_file() else None
    if there:
        with suppress(GitError):  # it has none
            write_atomic(name, work.run("cat-file", "blob", f"{there}:{os.fsdecode(path)}"))
    files = check_corpus(name.parent, full=True)
    cache_path(name.parent).unlink(missing_ok=True)  # nobody looks at this directory again
    inventory.write(name.parent, files)
    return name.read_bytes() != before


def _check(plan: Plan, tree: str) -> None:
    """Refuse a result that differs from the branch in anything but what the merge brought, whatever git made of it."""
    now = _changes(plan.repository.git, plan.base, tree)
    wanted = {path: entry.before for path, entry in plan.entries.items()}
    made = {path: entry.merged for path, entry in now.items() if not _is_inventory(path)}
    if wrong := sorted(path for path in {*wanted, *made} if wanted.get(path) != made.get(path)):
        raise _conflict(plan, "cannot be taken back alone; it would also concern", wrong)


def _branched(plan: Plan, made: str) -> tuple[str, bool]:
    """Give the commit its branch. Return the commit that the branch has, and whether an equal one was there already."""
    git = plan.repository.git
    there = plan.repository.refs(plan.ref).get(plan.ref)
    if there is None:
        try:
            git.run("update-ref", "-m", "rackbench corpus rollback", plan.ref, made, "")
        except GitError as error:
            raise plan.repository.locked(error) or _taken(plan) from error
        return made, False
    one, other = (git.run("log", "--max-count=1", "--format=%P %T%n%B", each) for each in (there, made))
    if one != other:
        raise _taken(plan)
    return there, True


def _taken(plan: Plan) -> RackbenchError:
    finding = f"cannot have the branch {plan.branch}: it is there with other content, or on an older commit"
    return plan.repository.error(
        "publish_branch_taken", finding, "log", "--stat", "--max-count=3", plan.branch
    )


def _message(plan: Plan, because: str | None) -> str:
    why = REASONS[because] if because else _NO_REASON.partition(";")[0]
    number = f" (pull request #{plan.pull_request})" if plan.pull_request else ""
    return (
        f"Take the merge {plan.merge[:_SHORT]} back{number}\n\n"
        f"This reverts commit {plan.merge}, reversing\nchanges made to {plan.first_parent}.\n\n"
        f"Why: {why}.\n"
    )


def _changes(git: Git, old: str, new: str) -> dict[bytes, _Entry]:
    """Return the files that differ between two commits or trees."""
    parts = git.run("diff-tree", "-r", "-z", "--raw", "--no-renames", old, new).split(b"\0")
    found = {}
    for head, path in zip(parts[:-1:2], parts[1::2], strict=True):
        old_mode, new_mode, old_object, new_object, _how = head.removeprefix(b":").split()
        found[path] = _Entry((old_mode, old_object), (new_mode, new_object))
    return found


def _is_none(version: tuple[bytes, bytes]) -> bool:
    return version[0] == b"000000"


def _is_inventory(path: bytes) -> bool:
    return posixpath.basename(path) == INVENTORY_NAME.encode()


def _text(path: bytes) -> str:
    return display(os.fsdecode(path))


def _some(paths: Sequence[bytes]) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(_text(path) for path in paths[:_NAMED]) + more


def _refused(code: str, plan: Plan, finding: str) -> RackbenchError:
    command = plan.repository.command("log", "--stat", "--first-parent", f"{plan.first_parent}..{plan.base}")
    message = f"The merge {plan.merge} {finding}."
    return RackbenchError(code, message, where=str(plan.repository.target.repo), next_command=command)


def _conflict(plan: Plan, finding: str, paths: Sequence[bytes]) -> RackbenchError:
    return _refused("corpus_rollback_conflict", plan, f"{finding} {_some(paths)}")
