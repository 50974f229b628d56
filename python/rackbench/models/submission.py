# SPDX-License-Identifier: Apache-2.0
"""`rackbench.submission-bundle/1.x`, the results of one benchmark of a run, and the answer of `rackbench submit`."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from rackbench.models.bundle import Digest
from rackbench.models.common import Document, Model
from rackbench.models.corpus import Kind, Trust, WholeCorpusFinding


class SubmittedBenchmark(Model):
    """What ran."""

    name: str
    version: str


class SubmittedPlatform(Model):
    """Where it ran. No host name, address or serial number is in it."""

    cpu: str = Field(description="the model of the processor; results of one model are of one platform")
    cpus: int | None = None
    memory_bytes: int | None = None
    machine: str
    kernel: str
    os: str


class SubmittedVerdict(Model):
    """Whether the measurement was disturbed; of several executions the worst."""

    verdict: Literal["valid", "suspect"]
    reasons: list[str]


class SubmittedHeadline(Model):
    """A number that a summary shows."""

    label: str
    value: float
    unit: str


class SubmittedMetric(Model):
    """A series of samples, summed up."""

    name: str
    unit: str
    direction: Literal["lower", "higher", "none"]
    labels: dict[str, Any]
    n: int = Field(ge=1)
    median: float
    min: float
    max: float
    series: int | None = Field(default=None, description="how many label sets are summed up in this one")


class SubmittedExecution(Model):
    """One execution that counts."""

    family: str | None
    repeat: int | None
    status: Literal["passed"]
    verdict: Literal["valid", "suspect"]
    started_at: str
    duration_s: float = Field(ge=0)
    headline: list[SubmittedHeadline]
    skipped: list[str] = Field(default_factory=list, description="parts that the machine has nothing for")
    metrics: list[SubmittedMetric] = Field(min_length=1)


class SubmittedProvenance(Model):
    """What made the result: versions of the tools, and the bundle that carried the benchmark."""

    versions: dict[str, Any]
    bundle: dict[str, Any] | None
    state_digest: str | None = Field(description="of the state of the host that was measured")


class SubmissionBundle(Document):
    """A bundle of results as people submit it to a corpus, `<stem>.json`."""

    KIND: ClassVar[str] = "submission-bundle"

    id: str = Field(pattern=r"^[0-9a-f]{16}$", description="of the run and the adapter; it names no host")
    adapter: str
    benchmark: SubmittedBenchmark
    measured_at: str
    duration_s: float = Field(ge=0, description="of all executions together")
    platform: SubmittedPlatform
    verdict: SubmittedVerdict
    headline: list[SubmittedHeadline]
    executions: list[SubmittedExecution] = Field(min_length=1)
    simulated: Literal[False]
    provenance: SubmittedProvenance


class PackedBundle(Model):
    """A bundle of a submission. What it says of itself is empty or None when it could not be read."""

    path: str
    manifest: str | None
    added: bool = Field(description="false: it was there already, with the same content")
    ok: bool
    sha256: Digest | None
    kind: Kind | None
    id: str | None
    benchmark: str | None
    scale: str | None
    platform: str | None
    version: str | None
    measured_at: str | None
    trust: Trust | None


class Submission(Document):
    """The answer of `rackbench submit`; without `ok` nothing was written, and the findings say why."""

    KIND: ClassVar[str] = "submission"

    ok: bool
    output: str
    next_path: str | None = Field(description="the page with the commands that come next")
    bundles: list[PackedBundle]
    findings: list[WholeCorpusFinding]
