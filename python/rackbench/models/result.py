# SPDX-License-Identifier: Apache-2.0
"""`result.json`: what a benchmark measured."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, Strict, StringConstraints

from rackbench.models.common import Document, Model

# A text or a boolean is not taken for a number.
Number = Annotated[int, Strict()] | Annotated[float, Strict()]
SnakeCase = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]


class BenchmarkIdentity(Model):
    """The program that measured."""

    name: str = Field(min_length=1)
    version: str = Field(min_length=1)


class MetricEntry(Model):
    """One series of samples in one unit."""

    name: SnakeCase
    unit: str = Field(min_length=1)
    direction: Literal["lower", "higher", "none"] = Field(description="which way is better")
    samples: list[Number] = Field(min_length=1)
    labels: dict[str, Annotated[str, Strict()] | Annotated[int, Strict()]] = Field(default_factory=dict)


class CheckEntry(Model):
    """One thing that the benchmark checked about itself."""

    name: str = Field(min_length=1)
    ok: Annotated[bool, Strict()]
    detail: str = ""


class SkippedEntry(Model):
    """One planned measurement that was not made."""

    name: str = Field(min_length=1)
    reason: str = Field(min_length=1)


class FailureEntry(Model):
    """What the benchmark says went wrong."""

    code: str = Field(min_length=1)
    message: str = Field(min_length=1)


class ResultFile(Document):
    """`result.json`, which every benchmark leaves as its last act."""

    KIND: ClassVar[str] = "result"

    benchmark: BenchmarkIdentity
    status: Literal["passed", "partial", "failed"]
    started_at: str = Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
    duration_s: Number = Field(ge=0)
    metrics: list[MetricEntry]
    checks: list[CheckEntry] = Field(default_factory=list)
    skipped: list[SkippedEntry] = Field(default_factory=list)
    facts: dict[str, Any] = Field(default_factory=dict)
    failure: FailureEntry | None = Field(
        default=None,
        description="what went wrong, for a result that did not pass; a code of docs/reference/errors.md",
    )
    simulated: Annotated[bool, Strict()] = Field(
        default=False,
        description="whether a stand-in for the real benchmark made it; such results are never published",
    )
