# SPDX-License-Identifier: Apache-2.0
"""The clone that a publish target names: whether results can go into it, and what its base branch and remote are."""

from __future__ import annotations

import os
import re
import shlex
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rackbench.errors import RackbenchError
from rackbench.publish.git import LOCK_WAIT_S, SSH_OPTIONS, Git, GitError
from rackbench.publish.target import same_remote, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rackbench.publish.target import Target

_ASK_LIMIT_S = 60.0
_FETCH_LIMIT_S = 600.0
_FETCH_TRIES = 3
_LOCKS = ("index.lock", "HEAD.lock", "packed-refs.lock", "config.lock", "shallow.lock")
_UNFINISHED = {
    "MERGE_HEAD": "a merge",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
}
# A message names this many files at most.
_NAMED = 5
_LOCK_IN_THE_WAY = re.compile(r"Unable to create '([^']+\.lock)': File exists")
_WANTS_AUTH = re.compile(
    r"could not read (?:Username|Password)|terminal prompts disabled|Authentication failed|Permission denied"
    r"|[Tt]oo many authentication failures|returned error: 40[137]|Permission to \S+ denied"
    r"|not allowed to (?:push|download|upload) code"
)
_SAYS_LITTLE = (
    "fatal: Could not read from remote repository",
    "Please make sure you have the correct access rights",
    "and the repository exists",
)
_HOST_KEY = re.compile(r"Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED")


@dataclass(frozen=True, slots=True)
class Base:
    """The commit that results are put on.

    `problem` says why the remote could not be asked for it; `tip` is the commit that the remote has on the branch of
    the results, if it was asked for one and has it. The objects of both are in the clone.
    """

    commit: str
    problem: RackbenchError | None
    tip: str | None = None


class Repository:
    """A clone that was looked at by `open_repository`. `common` is its git directory, shared by all its worktrees."""

    def __init__(self, target: Target, git: Git, common: Path) -> None:
        self.target = target
        self.git = git
        self.common = common

    def command(self, *arguments: str) -> str:
        """Return a git command in this clone, for people to paste."""
        return shlex.join(["git", "-C", str(self.target.repo), *arguments])

    def refs(self, *names: str) -> dict[str, str]:
        """Return the commits of those refs of the clone that exist, by full name."""
        lines = self.git.text("for-each-ref", "--format=%(objectname) %(refname)", *names).splitlines()
        found = {name: commit for commit, _space, name in (line.partition(" ") for line in lines)}
        return {name: found[name] for name in names if name in found}

    @property
    def tracking(self) -> str:
        """Return the name of the remote-tracking ref of the base branch."""
        return f"refs/remotes/{self.target.remote}/{self.target.base_branch}"

    @property
    def local(self) -> str:
        """Return the name of the clone's own ref of the base branch."""
        return f"refs/heads/{self.target.base_branch}"

    def remote_url(self) -> str | None:
        """Return the address that is fetched from, or None when the clone has no such remote."""
        urls = self._urls()
        return urls[0] if urls else None

    def written_url(self) -> str | None:
        """Return the address as it is written in the clone, which `url.*.insteadOf` may send elsewhere; or None."""
        try:
            urls = self.git.text("config", "--get-all", f"remote.{self.target.remote}.url").splitlines()
        except GitError as error:
            if error.returncode == 1:  # it is not set
                return None
            raise
        return urls[0] if urls else None

    def remote_problem(self) -> RackbenchError | None:
        """Return why nothing may be pushed to the clone's remote (publish_remote_missing, publish_remote_mismatch)."""
        name = self.target.remote
        urls = self._urls()
        if not urls:
            return self.error("publish_remote_missing", f"has no remote {name}", "remote", "--verbose")
        wanted = self.target.remote_url
        if wanted is not None and not same_remote(urls[0], wanted):
            finding = f"has {shown(urls[0])} as its remote {name}, and remote_url names {shown(wanted)}"
            return self.error("publish_remote_mismatch", finding, "remote", "--verbose")
        for pushed in self._urls("--push"):
            if not same_remote(pushed, urls[0]):
                finding = f"fetches its remote {name} from {shown(urls[0])}, but pushes it to {shown(pushed)}"
                return self.error("publish_remote_mismatch", finding, "remote", "--verbose")
        return None

    def base(self, branch: str | None = None) -> Base:
        """Return the base branch's commit as the remote has it, fetched if need be, and the remote's tip of `branch`.

        When the remote cannot be used or does not answer, it is the commit that the clone knows, with the problem.
        Raises `RackbenchError`: publish_base_missing, publish_target_unsupported, publish_target_locked.
        """
        problem = self.remote_problem()
        try:
            found = None if problem else self._fetched(branch)
        except RackbenchError as error:
            if error.code not in {"publish_remote_unreachable", "publish_remote_auth"}:
                raise
            problem, order = error, (self.tracking, self.local)
        else:
            if found:
                self.check_supported(found.commit)
                return found
            order = (self.local, self.tracking)
        known = self.refs(*order)
        commit = next((known[name] for name in order if name in known), None)
        if commit is None:
            raise self._base_missing()
        self.check_supported(commit)
        return Base(commit, problem)

    def remote_heads(self, *branches: str) -> dict[str, str]:
        """Return the commits of those branches that the remote has now, read from the remote itself.

        Raises `RackbenchError`: publish_remote_unreachable, publish_remote_auth.
        """
        names = [f"refs/heads/{branch}" for branch in branches]
        try:
            answer = self.git.run(
                "ls-remote", self.target.remote, *names, env=self.remote_environment(), timeout=_ASK_LIMIT_S
            )
        except GitError as error:
            raise self.remote_failure(error) from error
        # A pattern of ls-remote matches the ends of names, also of those that are in no encoding.
        found = {
            name: commit
            for commit, _tab, name in (line.partition("\t") for line in os.fsdecode(answer).split("\n"))
        }
        return {name.removeprefix("refs/heads/"): found[name] for name in names if name in found}

    def fetch(self, *refspecs: str) -> None:
        """Fetch from the remote exactly what the refspecs say. Raises `RackbenchError`, as `remote_heads` does."""
        options = (
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-prune",
            "--no-recurse-submodules",
            "--refmap=",
        )
        for left in reversed(range(_FETCH_TRIES)):
            try:
                self.git.run(
                    "fetch",
                    *options,
                    self.target.remote,
                    *refspecs,
                    env=self.remote_environment(),
                    timeout=_FETCH_LIMIT_S,
                )
            except GitError as error:
                # Another fetch moved the remote-tracking ref while ours ran.
                if "cannot lock ref" in error.stderr and left and not _LOCK_IN_THE_WAY.search(error.stderr):
                    continue
                raise self.locked(error) or self.remote_failure(error) from error
            return

    def remote_environment(self) -> Mapping[str, str | None]:
        """Return what a call that goes to the remote needs: the clone's own way of calling ssh, without questions."""
        try:
            command = self.git.text("config", "--get", "core.sshCommand")
        except GitError as error:
            if error.returncode != 1:  # 1: it is not set
                raise
            return {}
        return {"GIT_SSH_COMMAND": f"{command} {SSH_OPTIONS}"}

    def remote_failure(self, error: GitError) -> RackbenchError:
        """Return what a failed call to the remote means for a person."""
        remote = f"the remote {self.target.remote} ({shown(self.remote_url() or 'no address')})"
        more = self.command("ls-remote", self.target.remote)
        said = _last_words(error)
        if _HOST_KEY.search(error.stderr):
            return self._remote_error(
                "publish_remote_unreachable",
                f"The host key of {remote} is not known, or another one than is known",
                "Compare the host's key and record it in known_hosts, then publish again; the commit is kept.",
                more,
                error,
            )
        if _WANTS_AUTH.search(error.stderr):
            finding = f"{remote} asks who we are, or does not let us in: {said}"
            return self._remote_error("publish_remote_auth", _sentence(finding), None, more, error)
        finding = f"{remote} " + ("took too long" if error.returncode is None else f"did not answer: {said}")
        return self._remote_error("publish_remote_unreachable", _sentence(finding), None, more, error)

    def check_supported(self, commit: str) -> None:
        """Raise `RackbenchError` (publish_target_unsupported) for submodules and filters (LFS) in a commit's files."""
        attributes: list[tuple[str, str]] = []
        for entry in self.git.run("ls-tree", "-r", "-z", commit).split(b"\0"):
            if entry.startswith(b"160000 "):
                name = entry.partition(b"\t")[2].decode(errors="replace")
                raise self._unsupported(f"has the submodule {name}")
            if entry.endswith(b".gitattributes") and entry.startswith(b"100"):
                head, _tab, name_bytes = entry.partition(b"\t")
                if name_bytes.rpartition(b"/")[2] == b".gitattributes":
                    attributes.append((head.split()[2].decode(), name_bytes.decode(errors="replace")))
        for (_blob, name), content in zip(
            attributes, self.blobs([blob for blob, _name in attributes]), strict=True
        ):
            if given := _filter_in(content):
                raise self._unsupported(f"has {given} in {name}, which Git LFS and others use")

    def blobs(self, objects: list[str]) -> Iterator[bytes]:
        """Yield the contents of objects, in their order."""
        if not objects:
            return
        output = self.git.run("cat-file", "--batch", input="".join(f"{one}\n" for one in objects).encode())
        position = 0
        for _one in objects:
            end = output.index(b"\n", position)
            size = int(output[position:end].split()[2])
            yield output[end + 1 : end + 1 + size]
            position = end + 1 + size + 1

    def locked(self, error: GitError) -> RackbenchError | None:
        """Return the error that names the lock of another git, if that is why git failed."""
        match = _LOCK_IN_THE_WAY.search(error.stderr)
        return self._locked(Path(match[1])) if match else None

    def error(self, code: str, finding: str, *command: str) -> RackbenchError:
        """Return an error whose message is `<repo> <finding>.`, with the git command that shows more."""
        where = str(self.target.repo)
        return RackbenchError(
            code, f"{where} {finding}.", where=where, next_command=self.command(*command) if command else None
        )

    def wait_for_locks(self, git_dir: Path) -> None:
        """Wait until no other git holds a lock of the clone; raise publish_target_locked after a while."""
        ends = time.monotonic() + LOCK_WAIT_S
        while held := [
            path for name in _LOCKS for path in {git_dir / name, self.common / name} if path.exists()
        ]:
            if time.monotonic() >= ends:
                raise self._locked(held[0])
            time.sleep(0.05)

    def check_clean(self, git_dir: Path) -> None:
        """Raise `RackbenchError` (publish_target_dirty) when somebody's work in the clone is not committed."""
        for name, what in _UNFINISHED.items():
            if (git_dir / name).exists():
                raise self.error("publish_target_dirty", f"is in the middle of {what}", "status")
        if not self._changed({}):
            return
        # Line ends and filters of the user's own configuration may be why a file seems to differ.
        changed = self._changed(
            {"GIT_CONFIG_GLOBAL": None, "GIT_CONFIG_NOSYSTEM": None, "GIT_CONFIG_COUNT": None}
        )
        if changed:
            more = f" and {len(changed) - _NAMED} more" if len(changed) > _NAMED else ""
            finding = f"has changes that are not committed: {', '.join(changed[:_NAMED])}{more}"
            raise self.error("publish_target_dirty", finding, "status")

    def _changed(self, env: Mapping[str, str | None]) -> list[str]:
        answer = self.git.run(
            "status",
            "--porcelain",
            "-z",
            "--no-renames",
            "--untracked-files=no",
            "--ignore-submodules=all",
            env=env,
        )
        return [entry[3:].decode(errors="replace") for entry in answer.split(b"\0") if entry]

    def _fetched(self, branch: str | None) -> Base:
        """Return the remote's base branch and its tip of `branch`, with their objects brought here where they lack."""
        base_branch = self.target.base_branch
        heads = self.remote_heads(base_branch, *([branch] if branch else []))
        if base_branch not in heads:
            raise self._base_missing()
        tip = heads.get(branch) if branch else None
        wanted = []
        if self.refs(self.tracking).get(self.tracking) != heads[base_branch]:
            wanted.append(f"+{self.local}:{self.tracking}")
        if branch and tip and self.refs(f"refs/heads/{branch}").get(f"refs/heads/{branch}") != tip:
            wanted.append(f"refs/heads/{branch}")
        if wanted:
            self.fetch(*wanted)
        return Base(heads[base_branch], None, tip)

    def _urls(self, *options: str) -> list[str]:
        try:
            urls = self.git.text("remote", "get-url", "--all", *options, self.target.remote).splitlines()
        except GitError as error:
            if error.returncode == 2:  # no such remote
                return []
            raise
        # git takes a relative path from the top of the clone.
        return [
            str((self.target.repo / url).resolve()) if url.startswith(("./", "../")) else url for url in urls
        ]

    def _base_missing(self) -> RackbenchError:
        branch, remote = self.target.base_branch, self.target.remote
        finding = f"has no branch {branch}, and none of its remote {remote}"
        return self.error("publish_base_missing", finding, "branch", "--all")

    def _unsupported(self, finding: str) -> RackbenchError:
        return self.error("publish_target_unsupported", f"{finding}, on its branch {self.target.base_branch}")

    def _locked(self, lock: Path) -> RackbenchError:
        finding = f"is locked by another git: {lock} was there for {LOCK_WAIT_S} seconds"
        error = self.error("publish_target_locked", finding)
        error.next_path = str(lock)
        return error

    def _remote_error(
        self, code: str, finding: str, next_step: str | None, command: str, error: GitError
    ) -> RackbenchError:
        return RackbenchError(
            code,
            f"{finding}.",
            where=str(self.target.repo),
            next_step=next_step,
            next_command=command,
            detail=error.stderr.strip() or None,
        )


def open_repository(target: Target) -> Repository:
    """Return the clone of a target, after a look that changes nothing and asks no remote.

    Raises `RackbenchError`: publish_not_a_repository, publish_target_bare, publish_target_empty,
    publish_base_missing, publish_target_unsupported, publish_target_locked, publish_target_dirty, git_missing.
    """
    git = Git(target.repo)
    bare, inside, prefix, git_dir, common = _look(git, target)
    if bare == "true":
        raise _refused("publish_target_bare", target, "is a bare repository")
    if inside != "true":
        raise _refused("publish_not_a_repository", target, "is the inside of a git directory, and no clone")
    if prefix:
        raise _refused("publish_not_a_repository", target, "is a directory inside another repository")
    repository = Repository(target, git, Path(common))
    known = repository.refs(repository.local, repository.tracking)
    if not known:
        if not git.run("for-each-ref", "--count=1"):
            raise _refused("publish_target_empty", target, "has no commits")
        raise repository._base_missing()  # noqa: SLF001 - the same module
    repository.wait_for_locks(Path(git_dir))
    for commit in set(known.values()):
        repository.check_supported(commit)
    repository.check_clean(Path(git_dir))
    return repository


def _look(git: Git, target: Target) -> list[str]:
    questions = (
        "--is-bare-repository",
        "--is-inside-work-tree",
        "--show-prefix",
        "--git-dir",
        "--git-common-dir",
    )
    if not target.repo.is_dir():
        raise _refused("publish_not_a_repository", target, "is no directory")
    try:
        return git.text("rev-parse", "--path-format=absolute", *questions).split("\n")
    except GitError as error:
        owner = "dubious ownership" in error.stderr
        finding = "belongs to another user, and git refuses that" if owner else "is no git repository"
        raise _refused("publish_not_a_repository", target, finding, error.stderr.strip()) from error


def _refused(code: str, target: Target, finding: str, detail: str | None = None) -> RackbenchError:
    where = str(target.repo)
    return RackbenchError(code, f"{where} {finding}.", where=where, detail=detail)


def _filter_in(attributes: bytes) -> str | None:
    """Return the first `filter=NAME` that a .gitattributes file gives, or None."""
    for line in attributes.decode(errors="replace").splitlines():
        if not line.lstrip().startswith("#"):
            for word in line.split()[1:]:
                if word.startswith("filter="):
                    return word
    return None


def _last_words(error: GitError) -> str:
    """Return the line of git's message that says most."""
    lines = [line.strip() for line in error.stderr.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(_SAYS_LITTLE)]
    telling = [
        line for line in lines if line.startswith(("fatal: ", "error: ", "ERROR: ", "remote: ", "ssh: "))
    ]
    words = [*telling[:1], *lines[-1:], f"git ended with status {error.returncode}"]
    return words[0][:300].rstrip(".")


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
