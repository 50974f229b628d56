# SPDX-License-Identifier: Apache-2.0
"""What was removed from the targets: the document of `rackbench bundle prune` and `rackbench hosts clean`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from rackbench.models.common import Document, Model


class StoreItem(Model):
    """A file or directory on a target, and why it was removed or stays."""

    kind: Literal["bundle", "job", "upload", "toolchain", "directory", "other"]
    name: str
    path: str
    bytes: int = Field(ge=0)
    reason: str


class StoreHost(Model):
    """A host: `ok` is false if it could not be asked or something could not be removed; the code then says why."""

    host: str
    ok: bool
    code: str | None
    message: str | None
    removed: list[StoreItem]
    kept: list[StoreItem]
    freed_bytes: int = Field(ge=0)


class StoreReport(Document):
    """The hosts in the order of their names. With `check`, `removed` is what would be removed."""

    KIND: ClassVar[str] = "store"

    action: Literal["prune", "clean"]
    check: bool
    hosts: list[StoreHost]
