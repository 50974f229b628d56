# SPDX-License-Identifier: Apache-2.0
"""One entry of the setting `lab_publish_targets`: the clone that results of an adapter are committed to."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from rackbench.models.common import StrictModel

# What git takes for an option, a command to run or a revision is no name here.
RefName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_+@%-]*(?:[./][A-Za-z0-9_+@%-]+)*$", max_length=200),
]
Folder = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*$")]

_PASSWORD = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://[^/@]*:[^/]*@")
_HELPER = re.compile(r"^[A-Za-z0-9+.-]+::")


def _remote_url(url: str) -> str:
    if _PASSWORD.match(url):
        # The word itself must not reach a message: pydantic would show the input.
        raise ValueError("it holds a password; leave it out, and set a credential helper in the clone")
    if _HELPER.match(url):
        raise ValueError("it names a helper program and no address")
    return url


class PublishTarget(StrictModel):
    """Where results go. `remote_url` is what the clone's remote must be; `directory` is the place in the repository."""

    repo: str = Field(min_length=1, pattern=r"^[^\x00-\x1f]+$")
    remote: RefName = "origin"
    remote_url: Annotated[str, AfterValidator(_remote_url)] | None = Field(
        default=None, pattern=r"^[^\x00-\x20-][^\x00-\x20]*$"
    )
    base_branch: RefName = "main"
    directory: Folder = "results"
    forge: Literal["github", "gitlab", "gitea", "plain"] | None = None
    push_local: bool = False
    create_pr_local: bool = False

    @model_validator(mode="after")
    def _pull_requests_need_a_pushed_branch(self) -> Self:
        if self.create_pr_local and not self.push_local:
            raise ValueError("create_pr_local needs push_local: a pull request is made of a pushed branch")
        if self.create_pr_local and self.forge not in {None, "github"}:
            raise ValueError(f"create_pr_local works with GitHub only, and forge is {self.forge}")
        return self
