# SPDX-License-Identifier: Apache-2.0
"""What is published beside the files themselves, what is staged, and the embargoes that forbid it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from rackbench.clock import parse_utc
from rackbench.models.common import Document, Model, StrictModel
from rackbench.models.journal import Sha256

Word = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]


class EmbargoEntry(StrictModel):
    """An entry of `lab_embargoes`: until when nothing of a host, of a label, or of a processor leaves the house."""

    host: Word | None = None
    label: Word | None = None
    cpu: Annotated[str, Field(min_length=3, max_length=200, pattern=r"\S")] | None = None
    until: datetime = Field(description="A date counts from 00:00 UTC.")
    reason: Word | None = None

    @field_validator("until", mode="before")
    @classmethod
    def _moment(cls, value: Any) -> datetime:
        # YAML makes a date or a time of what has no quotes.
        if isinstance(value, date) and not isinstance(value, datetime):
            return datetime(value.year, value.month, value.day, tzinfo=UTC)
        if not isinstance(value, (datetime, str)):
            raise ValueError("a date, or a time with Z, such as 2027-01-10T08:00:00Z")  # noqa: TRY004 - for pydantic
        text = str(value).strip()
        try:
            return parse_utc(f"{text}T00:00:00Z" if len(text) == len("2027-01-10") else text)
        except ValueError:
            raise ValueError("a date, or a time with Z, such as 2027-01-10T08:00:00Z") from None

    @model_validator(mode="after")
    def _of_something(self) -> Self:
        if self.host is None and self.label is None:
            raise ValueError("`host` or `label` says what is under embargo; one of them is required")
        return self


class ProvenanceBenchmark(Model):
    """The program that measured."""

    name: str
    version: str


class ProvenanceBundle(Model):
    """The bundle that ran. `signature` says what was asked of it; whose it was is not recorded."""

    name: str | None = Field(description="None: it was no bundle of that form.")
    version: str | None
    sha256: str | None
    platform: str | None
    signature: Literal["required", "checked if there is one", "not asked for"]


class ProvenanceHeadline(Model):
    """A headline number."""

    label: str | None
    value: Any
    unit: str | None


class ProvenanceExecution(Model):
    """An execution that counts, and how it came out. `started_at` is the target's clock, `duration_s` seconds."""

    execution: str
    family: str | None
    repeat: int | None
    outcome: str | None
    status: str | None = Field(description="None: it left no result, and none of its files are here.")
    simulated: bool = False
    started_at: str | None
    duration_s: float | None
    verdict: Literal["valid", "suspect", "void"] | None
    reasons: list[str]
    unknown: list[str]
    headline: list[ProvenanceHeadline]


class ProvenancePlatform(Model):
    """What was measured on; sizes in bytes. None: nobody knows it."""

    machine: str | None
    cpu_model: str | None
    sockets: int | None
    cpus: int | None
    virtual: str | None = Field(description="The hypervisor, if there is one.")
    memory_bytes: int | None
    os: str | None
    os_id: str | None
    os_version: str | None
    kernel: str | None


class ProvenanceNoise(Model):
    """The noise settings when the last execution ended, and whether the run had set them itself."""

    state: str
    settings: dict[str, Any]


class PayloadFile(Model):
    """A file as it is published: path in the payload, size, digest, and how many places were redacted."""

    path: str
    bytes: int = Field(ge=0)
    sha256: Sha256
    redactions: int = Field(ge=0)


class Provenance(Document):
    """`provenance.json`: where the files beside it come from."""

    KIND: ClassVar[str] = "provenance"

    run_id: str
    host: str
    label: str | None
    tags: list[str]
    started_at: str | None = Field(description="When the first execution began, by the target's clock.")
    adapter: str
    benchmark: ProvenanceBenchmark | None
    families: list[str]
    executions: list[ProvenanceExecution]
    bundle: ProvenanceBundle | None
    platform: ProvenancePlatform
    versions: dict[str, str] = Field(description="Of Rackbench and of ansible-core.")
    noise: ProvenanceNoise | None
    files: list[PayloadFile]


class PayloadManifest(Document):
    """`manifest.json` beside a payload: which files it holds. It is not published."""

    KIND: ClassVar[str] = "payload"

    run_id: str
    adapter: str
    target: str
    sha256: Sha256 = Field(description="Over path and digest of all files, sorted.")
    files: list[PayloadFile]
