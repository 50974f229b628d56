# SPDX-License-Identifier: Apache-2.0
"""publish-staging/<target>/<adapter>/pull-request.json: a pull request, whether or not it was made."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from rackbench.models.common import Document, Model
from rackbench.models.journal import Sha256


class PullRequestForge(Model):
    """Where the repository is on the web."""

    kind: Literal["github", "gitlab", "gitea", "plain"]
    host: str
    path: str = Field(description="`owner/name`")


class PullRequestFile(Model):
    """A file of the payload; its path is relative to `directory`."""

    path: str
    bytes: int = Field(ge=0)
    sha256: Sha256
    redactions: int = Field(ge=0, description="How many places in it were made unreadable.")


class GhCommand(Model):
    """A command that makes the pull request, to be called in the run directory."""

    argv: list[str]
    text: str = Field(description="The same, for a shell.")


class PullRequestDocument(Document):
    """pull-request.json: all that a pull request needs, computed from the run and the commit alone."""

    KIND: ClassVar[str] = "pull-request"

    run_id: str | None
    host: str | None
    adapter: str
    target: str = Field(description="The key in lab_publish_targets.")
    title: str
    body: str = Field(description="Markdown; the same text is in pull-request.md.")
    head: str = Field(description="The branch.")
    base: str = Field(description="The branch that it is to go into.")
    base_commit: str = Field(description="The commit of it that the results were put on.")
    commit: str
    directory: str = Field(description="Where in the repository the files are.")
    files: list[PullRequestFile]
    forge: PullRequestForge | None = Field(description="None: the remote is nowhere on the web.")
    compare_url: str | None
    gh_command: GhCommand | None = Field(description="None: the remote is not GitHub's.")
