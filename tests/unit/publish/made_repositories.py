# SPDX-License-Identifier: Apache-2.0
"""Repositories of results to publish to: a bare one as the remote, and clones of it; nothing of this machine's git."""

from __future__ import annotations

import os
import shlex
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from rackbench.publish.commit import Commit, commit
from rackbench.publish.repository import Repository, open_repository
from rackbench.publish.target import Target, targets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BRANCH = "results/box/20261121T080000Z-box/latency"
WHEN = datetime(2026, 11, 21, 8, 0, 0, 125000, tzinfo=UTC)
WORDS = "Results of latency on box, run 20261121T080000Z-box\n\nTwo files.\n"
FILES = {
    "provenance.json": b'{"schema": "rackbench.provenance/1.0"}\n',
    "latency.full.1/result.json": b"{}\r\n\n",
}


def git(directory: Path, *arguments: str, stdin: bytes = b"") -> str:
    """Run git with a fixed identity and without the machine's configuration; return what it prints."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    fixed = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}
    identity = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
    options = ("-c", "init.defaultBranch=main", "-c", "protocol.file.allow=always")
    done = subprocess.run(
        ["git", *identity, *options, *arguments],
        cwd=directory,
        env=kept | fixed,
        input=stdin,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def seen(directory: Path) -> tuple[str, ...]:
    """Return all that a refusal must leave as it was: refs, worktrees, and what git thinks of the files."""
    questions = (
        "for-each-ref",
        "worktree list --porcelain",
        "status --porcelain",
        "ls-files --stage --debug",
    )
    return tuple(git(directory, *question.split()) for question in questions)


def write(directory: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(content)
    return directory


def hook(repository: Path, name: str, script: str) -> None:
    """Give a repository a hook."""
    (repository / "hooks").mkdir(exist_ok=True)
    (repository / "hooks" / name).write_text(f"#!/bin/sh\n{script}\n")
    (repository / "hooks" / name).chmod(0o755)


@dataclass
class House:
    """A bare repository with one commit on `main`, and clones of it."""

    root: Path

    @property
    def bare(self) -> Path:
        return self.root / "bare.git"

    @property
    def clone(self) -> Path:
        return self.root / "clone"

    def target(self, clone: str = "clone", **fields: Any) -> Target:
        return targets({"latency": {"repo": clone, **fields}}, self.root)["latency"]

    def open(self, clone: str = "clone", **fields: Any) -> Repository:
        return open_repository(self.target(clone, **fields))

    def another_clone(self, name: str) -> Path:
        git(self.root, "clone", "--quiet", "bare.git", name)
        return self.root / name

    def move_base(self, name: str = "NEWS") -> str:
        """Put one more commit on the remote's `main`, past the clones; return it."""
        tree = git(self.bare, "mktree", stdin=f"100644 blob {self.blob(name)}\t{name}\n".encode())
        made = git(self.bare, "commit-tree", tree, "-p", "main", "-m", name)
        git(self.bare, "update-ref", "refs/heads/main", made)
        return made

    def blob(self, content: str) -> str:
        return git(self.bare, "hash-object", "-w", "--stdin", stdin=content.encode())

    def other_content(self, where: Path, branch: str = BRANCH) -> str:
        """Make the branch somebody else's in a repository; return its commit."""
        made = git(where, "commit-tree", "main^{tree}", "-p", "main", "-m", "somebody else's")
        git(where, "update-ref", f"refs/heads/{branch}", made)
        return made

    def commit(
        self, repository: Repository, files: Mapping[str, bytes] = FILES, branch: str = BRANCH
    ) -> Commit:
        payload = self.root / f"payload-{len(list(self.root.iterdir()))}"
        return commit(
            repository,
            repository.target,
            branch=branch,
            directory=PurePosixPath(branch),
            payload=write(payload, files),
            message=WORDS,
            when=WHEN,
        )


def house(root: Path) -> House:
    """Make a bare repository with one commit and a clone of it below `root`."""
    made = House(root)
    git(root, "init", "--quiet", "--bare", "bare.git")
    tree = git(made.bare, "mktree", stdin=f"100644 blob {made.blob('Results.')}\tREADME\n".encode())
    git(made.bare, "update-ref", "refs/heads/main", git(made.bare, "commit-tree", tree, "-m", "First"))
    made.another_clone("clone")
    return made


HOSTILE = """\
[user]
	name = Mallory
	email = mallory@example.org
	signingKey = nobody
[core]
	hooksPath = {hooks}
	autocrlf = true
	attributesFile = {attributes}
	fsmonitor = {hooks}/marker
	editor = false
	logAllRefUpdates = always
	sharedRepository = world
[commit]
	gpgSign = true
	template = {hooks}/marker
[gpg]
	program = false
[i18n]
	commitEncoding = ISO-8859-1
[push]
	followTags = true
	gpgSign = true
[init]
	templateDir = {hooks}
[url "/nowhere/"]
	insteadOf = /
"""


def hostile_home(home: Path) -> Path:
    """Make a home whose git configuration would change commits, or run things that leave `home/ran` behind."""
    hooks = home / "hooks"
    hooks.mkdir(parents=True)
    for name in ("marker", "pre-commit", "commit-msg", "post-checkout", "reference-transaction", "pre-push"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {shlex.quote(str(home / 'ran'))}\nexit 1\n")
        (hooks / name).chmod(0o755)
    (home / "attributes").write_text("* text eol=crlf ident filter=lfs\n")
    (home / ".gitconfig").write_text(HOSTILE.format(hooks=hooks, attributes=home / "attributes"))
    return home


@contextmanager
def machine(home: Path, *, zone: str, umask: int) -> Iterator[None]:
    """Work as on a machine with this home, time zone and umask, and with git's variables set against us."""
    changes = {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "TZ": zone,
        "GIT_AUTHOR_DATE": "2001-01-01T00:00:00",
        "GIT_COMMITTER_NAME": "Mallory",
        "GIT_DIR": "/nowhere",
        "GIT_INDEX_FILE": "/nowhere/index",
        "GIT_TRACE": str(home / "trace"),
    }
    before = {name: os.environ.get(name) for name in changes}
    mask = os.umask(umask)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.umask(mask)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
