# SPDX-License-Identifier: Apache-2.0
"""What `rackbench export`, `compare` and `hosts diff` print with `--json`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from rackbench.models.common import Document, Model

VerdictName = Literal["valid", "suspect", "void"]
StatusName = Literal["passed", "partial"]


class Number(Model):
    """What a number is: the metric of a family."""

    adapter: str
    family: str
    metric: str
    labels: dict[str, str | int]
    unit: str
    direction: Literal["lower", "higher", "none"]
    together: bool = Field(description="it is of very many label sets, all of their samples together")


class Value(Model):
    """A median and how well it is known."""

    n: int = Field(ge=1)
    n_of: Literal["executions", "samples"] = Field(
        description="what the values are: medians of executions, or samples of the only one"
    )
    median: float
    interval: list[float] | None = Field(
        description="the ends of the interval that holds the median with at least 95 %; None: not available"
    )


class ComparedRun(Model):
    """A run whose results are shown."""

    run_id: str
    host: str
    label: str | None
    state_digest: str | None = Field(description="of the state of its host; None: nobody knows it")
    verdict: VerdictName | None = Field(description="the worst of its executions'")


class RunDifference(Model):
    """Something in which two runs are not alike; None is what nobody knows, or what is not there."""

    what: Literal["host", "label", "state", "bundle", "benchmark", "adapter", "family"]
    name: str
    before: str | None
    after: str | None


class ArticleDifference(Model):
    """Why the numbers of two runs of one host are not put together."""

    before: str
    after: str
    differences: list[RunDifference]


class ArticleRow(Number, Value):
    """One number of one thing: on one host, in one state, under one label, by one program."""

    host: str
    label: str | None
    state_digest: str | None
    status: StatusName
    verdict: VerdictName | None
    simulated: bool
    benchmark_version: str | None
    bundle_version: str | None
    bundle_sha256: str | None
    adapter_digest: str | None
    runs: list[str] = Field(description="the ids of the runs that it is of")


class ArticleAnswer(Document):
    """The answer of `rackbench export`; `remarks` are to be read before the rows."""

    KIND: ClassVar[str] = "article"

    method: str
    remarks: list[str]
    runs: list[ComparedRun]
    differences: list[ArticleDifference]
    rows: list[ArticleRow]


class ComparedValue(Value):
    """A number of one run."""

    status: StatusName
    verdict: VerdictName | None


class Change(Model):
    """How a number stands to the first run's."""

    ratio: float | None = Field(description="of the medians; None: the first one is zero")
    meaning: Literal["better", "worse", "changed", "within noise", "same", "unknown"]
    within_one: bool = Field(description="an interval is of the samples of one execution")


class ComparedRow(Number):
    """A number that all runs have."""

    values: list[ComparedValue]
    changes: list[Change] = Field(description="one for each run but the first")


class ComparisonAnswer(Document):
    """The answer of `rackbench compare`; `remarks` are to be read before the rows."""

    KIND: ClassVar[str] = "comparison"

    method: str
    remarks: list[str]
    runs: list[ComparedRun]
    differences: list[list[RunDifference]] = Field(description="one list for each run but the first")
    rows: list[ComparedRow]
    only: list[list[Number]] = Field(description="for each run the numbers that not all have")


class FactDifference(Model):
    """A fact of a host that changed; None is what is unknown, for the reason given, or what is not there."""

    name: str
    before: str | None
    after: str | None
    before_reason: str | None
    after_reason: str | None


class HostDiffAnswer(Document):
    """The answer of `rackbench hosts diff`."""

    KIND: ClassVar[str] = "host-diff"

    host: str
    before: str = Field(description="the id of the run")
    after: str
    before_digest: str | None
    after_digest: str | None
    differences: list[FactDifference]
