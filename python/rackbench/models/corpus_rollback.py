# SPDX-License-Identifier: Apache-2.0
"""What `rackbench corpus rollback` prints with `--json`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from rackbench.models.common import Document, Model


class RollbackTarget(Model):
    """The branch that the merge is taken back from; `commit` is what the remote has there now."""

    remote: str
    branch: str
    commit: str


class ShellCommand(Model):
    """A command, as a list and for a shell."""

    argv: list[str]
    text: str


class CorpusRollback(Document):
    """The answer of `rackbench corpus rollback`; all paths are below the top of the repository."""

    KIND: ClassVar[str] = "corpus-rollback"

    merge: str
    subject: str
    pull_request: int | None = Field(description="the number that GitHub wrote into the merge's message")
    because: Literal["broken", "misleading"] | None
    target: RollbackTarget
    removes: list[str]
    changes: list[str] = Field(description="files that become again what they were before the merge")
    restores: list[str] = Field(description="files that the merge had removed")
    inventories: list[str] = Field(description="those that were written anew")
    branch: str
    commit: str
    reused: bool = Field(description="whether the branch held just this before the call")
    pushed: bool
    push_command: str
    landing_command: ShellCommand = Field(description="brings the pushed branch into the target branch")
    compare_url: str | None
    comment: str = Field(description="Markdown for the pull request that was merged")
