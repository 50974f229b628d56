# SPDX-License-Identifier: Apache-2.0
"""The index of a shared bundle cache: `index.json`, beside the bundles that it names."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from rackbench.models.bundle import Digest, Sidecar
from rackbench.models.common import Document, Model

# One name without a directory, not hidden, without control characters.
FileName = Annotated[
    str, StringConstraints(pattern=r"^[^./\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]*\.tar\.gz$", max_length=200)
]


class IndexEntry(Model):
    """One bundle of the cache."""

    file: FileName
    sidecar: Sidecar
    signature: Digest | None = Field(
        default=None, description="SHA-256 of the signature beside the sidecar; null when there is none"
    )


class BundleIndex(Document):
    """`index.json`. It names no time, so that it changes only when a bundle does."""

    KIND: ClassVar[str] = "bundle-index"

    bundles: list[IndexEntry]
