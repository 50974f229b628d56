# SPDX-License-Identifier: Apache-2.0
"""What the actions of `rackbench bundle` print with `--json`; `show` prints the sidecar itself."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from rackbench.models.bundle import Digest, Name, Sidecar, Version
from rackbench.models.common import Document, Model


class BuiltBundle(Model):
    """A bundle; `rebuilt` is false when it was up to date."""

    name: Name
    version: Version
    path: str
    sha256: Digest
    rebuilt: bool


class NotBuiltBundle(Model):
    """A benchmark whose bundle cannot be built on this machine, and what would change that."""

    name: Name
    code: str
    message: str
    next_command: str | None


class BundlesBuilt(Document):
    """The answer of `rackbench bundle build`."""

    KIND: ClassVar[str] = "bundles-built"
    VERSION: ClassVar[str] = "1.1"

    bundles: list[BuiltBundle]
    not_built: list[NotBuiltBundle] = Field(default_factory=list)


class ListedBundle(Model):
    """A tarball that was found, with its sidecar, or with what is wrong with it."""

    source: Literal["cache", "captured", "dist"] = "dist"
    path: str
    sidecar: Sidecar | None
    problem: str | None


class Bundles(Document):
    """The answer of `rackbench bundle list`."""

    KIND: ClassVar[str] = "bundles"
    VERSION: ClassVar[str] = "1.1"

    bundles: list[ListedBundle]


class VerifiedBundle(Model):
    """What was found in a bundle; `signer` and `key` are those of a good signature."""

    path: str
    state: Literal["good", "not_good", "unreadable"]
    problems: list[str]
    signer: str | None
    key: str | None


class BundlesVerified(Document):
    """The answer of `rackbench bundle verify`."""

    KIND: ClassVar[str] = "bundles-verified"

    ok: bool
    files: list[VerifiedBundle]


class SignedBundle(Model):
    """A bundle and the file of its signature."""

    path: str
    signature: str


class BundlesSigned(Document):
    """The answer of `rackbench bundle sign`."""

    KIND: ClassVar[str] = "bundles-signed"

    files: list[SignedBundle] = Field(min_length=1)
