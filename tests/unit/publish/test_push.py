# SPDX-License-Identifier: Apache-2.0
"""Pushing results: once, never by force, believed when the remote says so, and again when what failed may pass."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rackbench.publish.push import Standing, look, push

from tests.unit.publish.made_repositories import BRANCH, FILES, WORDS, House, git, hook, house, seen, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from rackbench.publish.commit import Commit
    from rackbench.publish.repository import Repository

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]


@pytest.fixture
def lab(tmp_path: Path) -> House:
    return house(tmp_path)


@pytest.fixture
def repository(lab: House) -> Repository:
    return lab.open()


@pytest.fixture
def made(lab: House, repository: Repository) -> Commit:
    return lab.commit(repository)


def never(_seconds: float) -> None:
    raise AssertionError("it was tried again")


def pushed(repository: Repository, sha: str, sleep: Callable[[float], object] = never) -> Standing:
    return push(repository, repository.target, BRANCH, sha, sleep=sleep)


def calls(lab: House) -> int:
    """Return how often the hook of the remote that counts has run."""
    log = lab.bare / "calls"
    return len(log.read_text().splitlines()) if log.exists() else 0


def problem(standing: Standing, state: str, code: str) -> str:
    assert standing.problem is not None
    assert (standing.state, standing.problem.code, standing.sha) == (state, code, None), standing
    return standing.problem.message


def test_a_commit_is_ready_then_pushed_and_not_pushed_twice(
    lab: House, repository: Repository, made: Commit
) -> None:
    hook(lab.bare, "pre-receive", "echo called >> calls")
    assert look(repository, repository.target, BRANCH, made.sha) == Standing("push_ready", None)
    there = Standing("pushed_local", None, made.sha)
    assert pushed(repository, made.sha) == there
    assert pushed(repository, made.sha) == there
    assert look(repository, repository.target, BRANCH, made.sha) == there
    assert git(lab.bare, "rev-parse", BRANCH) == made.sha
    assert calls(lab) == 1


def test_nothing_but_the_branch_is_pushed(lab: House, repository: Repository, made: Commit) -> None:
    git(lab.clone, "config", "push.followTags", "true")
    git(lab.clone, "config", "remote.origin.push", "refs/heads/*:refs/heads/*")
    git(lab.clone, "tag", "--annotate", "-m", "v1", "v1", made.sha)
    git(lab.clone, "branch", "mine")
    before = set(git(lab.bare, "for-each-ref").splitlines())
    pushed(repository, made.sha)
    assert set(git(lab.bare, "for-each-ref").splitlines()) - before == {
        f"{made.sha} commit\trefs/heads/{BRANCH}"
    }


def test_a_hook_of_the_clone_has_no_say(lab: House, repository: Repository, made: Commit) -> None:
    hook(lab.clone / ".git", "pre-push", "exit 1")
    assert pushed(repository, made.sha).state == "pushed_local"


def test_a_missing_remote_is_told(lab: House, repository: Repository, made: Commit) -> None:
    git(lab.clone, "remote", "remove", "origin")
    problem(pushed(repository, made.sha), "remote_missing", "publish_remote_missing")


def test_another_remote_is_told_and_nothing_is_pushed(lab: House, made: Commit) -> None:
    repository = lab.open(remote_url="/elsewhere.git")
    before = git(lab.bare, "for-each-ref")
    problem(pushed(repository, made.sha), "remote_mismatch", "publish_remote_mismatch")
    assert git(lab.bare, "for-each-ref") == before


def test_an_unreachable_remote_is_told(lab: House, repository: Repository, made: Commit) -> None:
    lab.bare.rename(lab.root / "away.git")
    problem(pushed(repository, made.sha), "remote_unreachable", "publish_remote_unreachable")


def test_a_branch_with_other_content_is_diverged_and_left(
    lab: House, repository: Repository, made: Commit
) -> None:
    theirs = lab.other_content(lab.bare)
    before = seen(lab.clone)
    problem(pushed(repository, made.sha), "diverged", "publish_diverged")
    assert git(lab.bare, "rev-parse", BRANCH) == theirs
    assert seen(lab.clone) == before


def test_the_same_results_on_another_base_are_there_already(
    lab: House, repository: Repository, made: Commit
) -> None:
    lab.move_base()
    lab.another_clone("second")
    second = lab.open("second")
    other = lab.commit(second)
    assert other.sha != made.sha
    assert pushed(second, other.sha).state == "pushed_local"
    assert pushed(repository, made.sha) == Standing("pushed_local", None, other.sha)


def test_a_hook_that_rejects_is_told_in_its_own_words_and_asked_once(
    lab: House, repository: Repository, made: Commit
) -> None:
    words = "echo 'No. cannot lock ref.' >&2; echo 'Only on Mondays.' >&2"
    hook(lab.bare, "pre-receive", f"echo called >> calls; {words}; exit 1")
    before = seen(lab.clone)
    standing = pushed(repository, made.sha)
    words = problem(standing, "push_rejected", "publish_push_rejected")
    assert "Only on Mondays" in words
    assert "pre-receive hook declined" in words
    assert calls(lab) == 1
    assert seen(lab.clone) == before


@pytest.mark.parametrize(
    "words",
    [
        "error: GH006: Protected branch update failed for refs/heads/results.",
        "error: GH013: Repository rule violations found for refs/heads/results.",
        "GitLab: You are not allowed to push code to protected branches on this project.",
        "Gitea: Not allowed to push to protected branch results",
    ],
)
def test_a_protected_branch_is_told_and_asked_once(
    lab: House, repository: Repository, made: Commit, words: str
) -> None:
    hook(lab.bare, "update", f"echo called >> calls; echo '{words}' >&2; exit 1")
    assert words.rpartition(": ")[2][:20] in problem(
        pushed(repository, made.sha), "push_rejected", "publish_branch_protected"
    )
    assert calls(lab) == 1


def test_a_remote_that_takes_the_branch_and_drops_it_is_not_believed(
    lab: House, repository: Repository, made: Commit
) -> None:
    hook(lab.bare, "post-receive", f"git update-ref -d refs/heads/{BRANCH}")
    words = problem(pushed(repository, made.sha), "push_rejected", "publish_push_rejected")
    assert "does not have it" in words


def lock_of(lab: House) -> Path:
    """Lock the branch at the remote; return the lock."""
    git(lab.bare, "config", "core.filesRefLockTimeout", "0")
    lock = lab.bare / "refs/heads" / f"{BRANCH}.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    return lock


def test_a_lock_at_the_remote_is_waited_for_ever_longer(
    lab: House, repository: Repository, made: Commit
) -> None:
    lock = lock_of(lab)
    waits: list[float] = []

    def third_time(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            lock.unlink()

    assert pushed(repository, made.sha, third_time).state == "pushed_local"
    assert [0.2 * 2**number <= wait <= 0.3 * 2**number for number, wait in enumerate(waits)] == [True] * 3


def test_a_lock_at_the_remote_that_stays_ends_after_five_more_tries(
    lab: House, repository: Repository, made: Commit
) -> None:
    lock_of(lab)
    waits: list[float] = []
    standing = pushed(repository, made.sha, waits.append)
    assert ".lock" in problem(standing, "push_rejected", "publish_push_rejected")
    again: list[float] = []
    pushed(repository, made.sha, again.append)
    assert len(waits) == 5
    assert waits == again


@pytest.mark.parametrize("same", [True, False])
def test_another_publisher_that_was_faster_is_seen_after_the_wait(
    lab: House, repository: Repository, made: Commit, same: bool
) -> None:
    lock = lock_of(lab)
    theirs = []

    def somebody_pushes(_seconds: float) -> None:
        lock.unlink()
        if same:
            git(lab.clone, "push", "--quiet", "origin", BRANCH)
        else:
            theirs.append(lab.other_content(lab.bare))

    standing = pushed(repository, made.sha, somebody_pushes)
    if same:
        assert standing == Standing("pushed_local", None, made.sha)
    else:
        problem(standing, "diverged", "publish_diverged")
        assert git(lab.bare, "rev-parse", BRANCH) == theirs[0]


def test_a_branch_that_somebody_makes_between_look_and_push_is_not_forced(
    lab: House, repository: Repository, made: Commit
) -> None:
    theirs = git(lab.bare, "commit-tree", "main^{tree}", "-p", "main", "-m", "somebody else's")
    faster = f"git --git-dir={lab.bare} update-ref refs/heads/{BRANCH} {theirs}; git-receive-pack"
    git(lab.clone, "config", "remote.origin.receivepack", faster)
    waits: list[float] = []
    problem(pushed(repository, made.sha, waits.append), "diverged", "publish_diverged")
    assert git(lab.bare, "rev-parse", BRANCH) == theirs
    assert len(waits) == 1


def test_a_connection_that_breaks_is_tried_again(lab: House, repository: Repository, made: Commit) -> None:
    git(lab.clone, "config", "remote.origin.receivepack", "false")

    def mended(_seconds: float) -> None:
        git(lab.clone, "config", "--unset", "remote.origin.receivepack")

    assert pushed(repository, made.sha, mended).state == "pushed_local"


def test_a_remote_that_goes_away_meanwhile_is_asked_again_when_it_is_back(
    lab: House, repository: Repository, made: Commit
) -> None:
    lock = lock_of(lab)
    steps: list[Callable[[], object]] = [
        lambda: lab.bare.rename(lab.root / "away.git"),
        lambda: (lab.root / "away.git").rename(lab.bare),
        lock.unlink,
    ]
    assert pushed(repository, made.sha, lambda _seconds: steps.pop(0)()).state == "pushed_local"
    assert steps == []


# One controller: it waits until all are there, then commits and pushes, and prints what came of it.
PUBLISHER = """
import json, os, sys, time
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from rackbench.publish.commit import commit
from rackbench.publish.push import push
from rackbench.publish.repository import open_repository
from rackbench.publish.target import targets

root, clone, payload, branch, words = Path(sys.argv[1]), *sys.argv[2:]
target = targets({"latency": {"repo": clone}}, root)["latency"]
print(flush=True)
sys.stdin.readline()
repository = open_repository(target)
made = commit(repository, target, branch=branch, directory=PurePosixPath(branch), payload=Path(payload),
              message=words, when=datetime(2026, 11, 21, 8, tzinfo=UTC))
standing = push(repository, target, branch, made.sha)
print(json.dumps([made.sha, standing.state, standing.sha]))
"""


def at_once(lab: House, jobs: list[tuple[str, str]]) -> list[tuple[str, str, str]]:
    """Publish from several processes at once, each from a clone to a branch; return commit, state, commit there."""
    payload = write(lab.root / "payload", FILES)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PUBLISHER, str(lab.root), clone, str(payload), branch, WORDS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "python")},
        )
        for clone, branch in jobs
    ]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(jobs)
    return [tuple(json.loads(answer)) for answer in answers]


@pytest.mark.parametrize("clones", [("clone",) * 3, ("clone", "second", "third")])
def test_different_runs_that_are_published_at_once_all_arrive(lab: House, clones: tuple[str, ...]) -> None:
    for name in set(clones) - {"clone"}:
        lab.another_clone(name)
    lab.move_base()  # so that all of them fetch at once
    jobs = [(clone, f"results/box/run{number}/latency") for number, clone in enumerate(clones)]
    found = at_once(lab, jobs)
    assert [state for _sha, state, _there in found] == ["pushed_local"] * 3
    assert [git(lab.bare, "rev-parse", branch) for _clone, branch in jobs] == [
        sha for sha, _state, _there in found
    ]


@pytest.mark.parametrize("clones", [("clone",) * 3, ("clone", "second", "third")])
def test_the_same_run_that_is_published_at_once_arrives_once(lab: House, clones: tuple[str, ...]) -> None:
    for name in set(clones) - {"clone"}:
        lab.another_clone(name)
    hook(lab.bare, "post-receive", "echo called >> calls")
    lab.move_base()
    found = at_once(lab, [(clone, BRANCH) for clone in clones])
    there = git(lab.bare, "rev-parse", BRANCH)
    assert found == [(there, "pushed_local", there)] * 3
    assert git(lab.bare, "rev-list", "--count", f"main..{BRANCH}") == "1"
