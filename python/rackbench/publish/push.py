# SPDX-License-Identifier: Apache-2.0
"""Results reach the remote: never forced, and believed only when the remote has been read back."""

from __future__ import annotations

import random
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rackbench.errors import RackbenchError
from rackbench.publish.commit import same_change
from rackbench.publish.git import GitError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rackbench.publish.repository import Repository
    from rackbench.publish.target import Target

_PUSH_LIMIT_S = 600.0
_AGAIN = 5
_FIRST_WAIT_S = 0.2
# Reasons of a remote that do not hold for long: somebody else writes the same ref or its list right now.
_MAY_PASS = re.compile(
    r"failed to (?:update ref|lock)|cannot lock ref|Unable to create|reference already exists|fetch first"
    r"|non-fast-forward|stale info|incorrect old value|remote failed to report status"
)
_PROTECTED = re.compile(
    r"protected branch|branch \S+ is protected|\bGH006\b|\bGH013\b|rule violations", re.IGNORECASE
)
_REJECTED = re.compile(
    r"^!\t[^\t]*\t\[(?:remote )?(?:rejected|failure|no match)\] ?\(?(.*?)\)?$", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Standing:
    """How the results stand at the remote, and the problem that is in the way.

    `sha` is the commit that the remote has for the branch when it holds the results: another one than was asked for
    when another machine published the same results on another commit of the base branch.
    """

    state: str
    problem: RackbenchError | None
    sha: str | None = None


def look(repository: Repository, target: Target, branch: str, sha: str) -> Standing:
    """Return how the commit `sha` of a branch stands at the remote, as the remote itself says now.

    The states are remote_missing, remote_mismatch, remote_unreachable, push_ready, pushed_local and diverged.
    """
    problem = repository.remote_problem()
    if problem is not None:
        return Standing(problem.code.removeprefix("publish_"), problem)
    try:
        tip = repository.remote_heads(branch).get(branch)
        if tip is None:
            return Standing("push_ready", None)
        if tip != sha:
            repository.fetch(f"refs/heads/{branch}")
            if not same_change(repository, tip, sha):
                finding = f"finds the branch {branch} at its remote {target.remote} with other content"
                command = ("log", "--stat", "--max-count=3", tip)
                return Standing("diverged", repository.error("publish_diverged", finding, *command))
    except RackbenchError as error:
        if error.code not in {"publish_remote_unreachable", "publish_remote_auth"}:
            raise
        return Standing("remote_unreachable", error)
    return Standing("pushed_local", None, tip)


def push(
    repository: Repository,
    target: Target,
    branch: str,
    sha: str,
    *,
    sleep: Callable[[float], object] = time.sleep,
) -> Standing:
    """Push a commit as a branch unless the remote has it, and return how it stands there afterwards.

    What may pass (a lock, another publisher, a broken connection) is tried again up to five times, each time after a
    fresh look and a longer wait; a hook's refusal and a protected branch are not. Other states than those of `look`:
    push_rejected.
    """
    standing = look(repository, target, branch, sha)
    if standing.state != "push_ready":
        return standing
    # The same waits whenever the same is tried, and other ones for other results.
    chance = random.Random(f"{branch} {sha}")  # noqa: S311 - spreads publishers, guards nothing
    for attempt in range(_AGAIN + 1):
        if attempt:
            sleep(_FIRST_WAIT_S * 2 ** (attempt - 1) * (1 + chance.random() / 2))
            standing = look(repository, target, branch, sha)
        may_pass = standing.state == "remote_unreachable"
        if standing.state == "push_ready":
            standing, may_pass = _pushed(repository, target, branch, sha)
        if not may_pass:
            break
    return standing


def _pushed(repository: Repository, target: Target, branch: str, sha: str) -> tuple[Standing, bool]:
    """Push once; return how the results stand then, and whether what went wrong may pass."""
    options = ("--porcelain", "--no-progress", "--no-verify", "--no-follow-tags", "--no-signed")
    refspec = f"{sha}:refs/heads/{branch}"
    try:
        repository.git.run(
            "push",
            *options,
            target.remote,
            refspec,
            env=repository.remote_environment(),
            timeout=_PUSH_LIMIT_S,
        )
    except GitError as error:
        reason = _REJECTED.search(error.stdout)
        if reason is None:
            problem = repository.remote_failure(error)
            return Standing("remote_unreachable", problem), problem.code == "publish_remote_unreachable"
        code = (
            "publish_branch_protected"
            if _PROTECTED.search(error.stderr + reason[1])
            else "publish_push_rejected"
        )
        refusal = repository.error(code, f"could not push {branch}: {_words(error, reason[1])}")
        refusal.detail = error.stderr.strip() or None
        return Standing("push_rejected", refusal), bool(_MAY_PASS.search(reason[1]))
    standing = look(repository, target, branch, sha)
    if standing.state == "push_ready":
        finding = f"pushed {branch} to its remote {target.remote}, which took it and does not have it"
        return Standing("push_rejected", repository.error("publish_push_rejected", finding)), False
    return standing, standing.state == "remote_unreachable"


def _words(error: GitError, reason: str) -> str:
    """Return what the remote said on one line: a hook's own words or git's first line, then git's reason."""
    lines = [
        line.removeprefix("remote:").strip()
        for line in error.stderr.splitlines()
        if line.startswith("remote:")
    ]
    said = [line for line in lines if line]
    words = " ".join(said if "hook" in reason else said[:1])
    return f"{words[:500]} ({reason})" if words else reason
