# SPDX-License-Identifier: Apache-2.0
"""What `rackbench baseline compare` and `rackbench baseline history` print with `--json`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from rackbench.models.common import Document, Model

StatusName = Literal[
    "ok",
    "REGRESSED",
    "IMPROVED",
    "NOISY",
    "MISSING IN BASELINE",
    "MISSING IN RESULTS",
    "PLACEHOLDER",
    "INCOMPARABLE",
]


class GateCheck(Model):
    """One number of a scenario against its limit."""

    number: Literal["p50", "p95", "p99", "ips"]
    before: float
    after: float
    ratio: float = Field(description="of `after` to `before`")
    limit: float = Field(description="what the ratio may be at most, and for `ips` at least")
    interval: list[float] | None = Field(
        description="the ends of the ratio's 95 % interval; None: too few samples, or not asked since it is within"
    )
    meaning: Literal["within", "worse", "better", "noise"]


class GateAgain(Model):
    """What the run that was to confirm a regression says."""

    status: StatusName
    why: str
    samples: list[int]
    ratio_alone: bool
    checks: list[GateCheck]


class GateRow(GateAgain):
    """A scenario of the baseline, the results or both; `samples` is how many each of the two has."""

    name: str
    unit: str
    ratio_alone: bool = Field(description="a number was decided by its ratio alone, for want of samples")
    again: GateAgain | None = Field(description="the same scenario when it was run again; None: it was not")


class GateSide(Model):
    """What was compared; None is what nobody knows."""

    path: str
    fingerprint: str | None
    run_id: str | None
    commit: str | None


class BaselineComparison(Document):
    """The answer of `rackbench baseline compare`; `remarks` are to be read before the rows."""

    KIND: ClassVar[str] = "baseline-comparison"

    gate: Literal["active", "scaffold-placeholder"]
    headline: str
    would_fail: bool = Field(description="whether an active gate fails")
    fails: bool
    seed: int
    level: float = Field(description="how often such an interval holds the true ratio")
    remarks: list[str]
    baseline: GateSide
    results: GateSide
    again: GateSide | None = Field(description="the run of `--confirm`")
    counts: dict[str, int]
    rows: list[GateRow] = Field(description="worst first")


class HistoryStep(Model):
    """A change for good."""

    at: int = Field(ge=1, description="index of the first point behind it")
    point: str = Field(description="which results those are")
    before: float = Field(description="median of the points since the step before")
    after: float
    ratio: float
    interval: list[float]
    meaning: Literal["better", "worse"]


class HistorySeries(Model):
    """A scenario over all results; its points are p50, or for what is better when higher ips."""

    name: str
    fingerprint: str | None = Field(
        description="the kind of machine that was measured; None: nobody knows it"
    )
    unit: str
    direction: Literal["lower", "higher"]
    number: Literal["p50", "ips"]
    points: list[str] = Field(description="which results have it, oldest first")
    values: list[float]
    enough: bool = Field(description="whether it has the 12 points that a step needs at least")
    steps: list[HistoryStep]


class BaselineHistory(Document):
    """The answer of `rackbench baseline history`."""

    KIND: ClassVar[str] = "baseline-history"

    seed: int
    level: float
    remarks: list[str]
    series: list[HistorySeries]
