# SPDX-License-Identifier: Apache-2.0
"""Repositories of results for tests: a bare one, and clones of it."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.integration import made_up

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.harness import LabProject, Run

KEY = "made-up-results"
ADAPTER = "made-up"


def git(folder: Path, *arguments: str | Path) -> str:
    """Run git in a folder with an identity of its own and nobody's configuration; return what it says."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("GIT_")
    } | {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "A Curator",
        "GIT_AUTHOR_EMAIL": "curator@example.org",
        "GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z",
        "GIT_COMMITTER_NAME": "A Curator",
        "GIT_COMMITTER_EMAIL": "curator@example.org",
        "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z",
        "GIT_TERMINAL_PROMPT": "0",
    }  # fmt: skip
    done = subprocess.run(
        ["git", "-C", str(folder), *map(str, arguments)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (arguments, done.stderr)
    return done.stdout.strip()


@dataclass
class Results:
    """A bare repository with a first commit on `main`, and a clone of it."""

    bare: Path
    clone: Path

    @classmethod
    def made(cls, folder: Path) -> Results:
        """Make both below a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        bare, clone = folder / "results.git", folder / "clone"
        git(folder, "init", "--quiet", "--bare", "--initial-branch=main", bare)
        git(folder, "init", "--quiet", "--initial-branch=main", clone)
        (clone / "README.md").write_text("Results.\n")
        git(clone, "add", "README.md")
        git(clone, "commit", "--quiet", "--message", "Begin")
        git(clone, "remote", "add", "origin", bare)
        git(clone, "push", "--quiet", "origin", "main")
        return cls(bare, clone)

    def clone_again(self, name: str) -> Path:
        """Return another clone, as another machine has it."""
        git(self.bare.parent, "clone", "--quiet", self.bare, name)
        return self.bare.parent / name

    def branches(self) -> dict[str, str]:
        """Return the branches of results that the bare repository has, with their commits."""
        lines = git(
            self.bare, "for-each-ref", "--format=%(refname:short) %(objectname)", "refs/heads/results"
        )
        return dict(line.split() for line in lines.splitlines())

    def target(self, **more: Any) -> dict[str, Any]:
        """Return lab_publish_targets with this clone."""
        return {KEY: {"repo": str(self.clone), **more}}


def add_benchmark(project: LabProject, **changes: Any) -> None:
    """Put a quick benchmark with one family and a table into a checkout."""
    made_up.add(project, families=[made_up.family()], **changes)


def row(run: Run) -> Any:
    """Return what publish_ledger.json says of the benchmark."""
    (found,) = run.document("publish_ledger.json")["adapters"]
    return found


def branch_of(run: Run, host: str = "local") -> str:
    """Return the branch that a run's results go to."""
    return f"results/{host}/{run.status['run_id']}/{ADAPTER}"
