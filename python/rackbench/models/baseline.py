# SPDX-License-Identifier: Apache-2.0
"""The baseline file, its audit trail, the results file of `rackbench baseline collect`, and what the verb prints."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from rackbench.models.common import Document, Model

Positive = Annotated[float, Field(gt=0)]


def _measured(value: Any) -> Any:
    """Return a number above 0, a placeholder text or None as it is. Raises `ValueError` for anything else."""
    if value is None or isinstance(value, str):
        return value
    return _positive(value)


def _positive(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or not _fits(value) or not value > 0:
        raise ValueError(f"{_shown(value)} is no finite number above 0")
    return value


def _without_comments(value: Any) -> Any:
    """Return an object without what is a comment in it: a name that begins with `_` and holds no object."""
    if not isinstance(value, dict):
        return value
    return {
        name: one
        for name, one in value.items()
        if isinstance(one, dict) or not (isinstance(name, str) and name.startswith("_"))
    }


# Among names that people give to their scenarios stand their comments too.
_COMMENTS_ASIDE = BeforeValidator(_without_comments)
_MAY_BE_COMMENTS: dict[str, Any] = {"patternProperties": {"^_": {}}}


def _fits(value: float) -> bool:
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


Measured = Annotated[Positive | str | None, BeforeValidator(_measured)]
Ratio = Annotated[Positive, BeforeValidator(_positive)]
Sizes = Annotated[
    list[Annotated[int, Field(ge=1)]],
    Field(
        description="how many samples each execution gave, in their order; empty: they are of one, or nobody knows"
    ),
]


def _check_sizes(executions: list[int], samples: list[float]) -> None:
    if executions and sum(executions) != len(samples):
        raise ValueError(f"executions have {sum(executions)} samples together, and there are {len(samples)}")


class Commented(BaseModel):
    """A part of a file that people edit: names that begin with `_` are theirs, any other unknown name is a mistake."""

    model_config = ConfigDict(
        extra="allow",
        allow_inf_nan=False,
        populate_by_name=False,
        json_schema_extra={"patternProperties": {"^_": {}}, "additionalProperties": False},
    )

    @model_validator(mode="after")
    def _no_mistakes(self) -> Self:
        known = sorted(field.alias or name for name, field in type(self).model_fields.items())
        for name in self.model_extra or {}:
            if not name.startswith("_"):
                raise ValueError(f"{name!r} is not known here; known are {', '.join(known)}, and _comment...")
        return self


class ScenarioTolerance(Commented):
    """What holds for one scenario alone; what it does not say is as for all."""

    p50_max_ratio: Ratio | None = Field(default=None, ge=1)
    p95_max_ratio: Ratio | None = Field(default=None, ge=1)
    p99_max_ratio: Ratio | None = Field(default=None, ge=1)
    ips_min_ratio: Ratio | None = Field(default=None, le=1)


class ToleranceEntry(ScenarioTolerance):
    """How far the ratio of results to baseline may go. Defaults: 1.2, 1.3, 1.5 and 0.8."""

    scenarios: Annotated[dict[str, ScenarioTolerance], _COMMENTS_ASIDE] = Field(
        default_factory=dict, json_schema_extra=_MAY_BE_COMMENTS
    )


class ScenarioEntry(Commented):
    """The numbers of a scenario: a number above 0; a text (such as TODO) or null is a number that is still to come.

    Times are in microseconds, in the fields with `_us`. With another `unit` the fields have no suffix. Where higher is
    better, `ips` is the median rate in `unit`, and there is nothing else.
    """

    unit: str | None = Field(default=None, min_length=1)
    direction: Literal["lower", "higher"] = "lower"
    p50_us: Measured = None
    p95_us: Measured = None
    p99_us: Measured = None
    p50: Measured = None
    p95: Measured = None
    p99: Measured = None
    ips: Measured = None
    samples_us: list[Ratio] = Field(default_factory=list)
    samples: list[Ratio] = Field(default_factory=list)
    executions: Sizes = Field(default_factory=list)
    missing_since: str | None = Field(default=None, alias="_missing_since")

    @model_validator(mode="after")
    def _one_unit(self) -> Self:
        given = self.model_fields_set
        with_suffix = given & {"p50_us", "p95_us", "p99_us", "samples_us"}
        without = given & {"p50", "p95", "p99", "samples"}
        if with_suffix and (without or self.unit not in {None, "us"}):
            raise ValueError(
                f"mixed units: {min(with_suffix)} is in microseconds, and "
                + (f"{min(without)} is not" if without else f"the unit is {self.unit}")
            )
        if without and self.unit in {None, "us"}:
            raise ValueError(f"{min(without)} needs another `unit` beside it; times are in {min(without)}_us")
        if self.direction == "higher" and self.unit is None:
            raise ValueError("where higher is better, `ips` needs a `unit` beside it")
        _check_sizes(self.executions, self.samples_us or self.samples)
        return self


class GeneratedBy(Model):
    """Where the numbers come from; null is what the results did not tell."""

    commit: str | None = None
    run_id: str | None = None
    fingerprint: str | None = Field(default=None, description="of the machine that was measured")
    source: str | None = Field(default=None, description="the format of the results")


class BaselineFile(Commented):
    """A baseline file: the reviewed numbers of the reference host, and what may vary."""

    schema_version: str = Field(alias="_schema_version", pattern=r"^[01]\.\d+\.\d+(-[0-9A-Za-z.-]+)?$")
    status: Literal["scaffold-placeholder", "active"] = Field(alias="_status")
    generated_at: str | None = Field(default=None, alias="_generated_at")
    generated_by: GeneratedBy | str | None = Field(default=None, alias="_generated_by")
    scenarios: Annotated[dict[str, ScenarioEntry], _COMMENTS_ASIDE] = Field(
        json_schema_extra=_MAY_BE_COMMENTS
    )
    tolerance: ToleranceEntry = Field(default_factory=ToleranceEntry)


class AuditLine(Document):
    """One line of `baseline.audit.jsonl`: who armed the gate of which file, and why."""

    KIND: ClassVar[str] = "baseline-audit-line"

    at: str
    action: Literal["arm"]
    by: str = Field(min_length=1)
    reason: str = Field(min_length=1)
    baseline: str = Field(description="the name of the file")
    before_sha256: str
    after_sha256: str
    scenarios: int = Field(ge=1)
    vanished: list[str] = Field(description="scenarios that the last results did not have")
    generated_at: str | None
    generated_by: GeneratedBy


class SeriesEntry(Model):
    """The samples of a scenario, in `unit`; times are in `us`."""

    name: str = Field(min_length=1)
    unit: str = Field(min_length=1)
    direction: Literal["lower", "higher"]
    samples: list[Ratio] = Field(min_length=1)
    executions: Sizes = Field(default_factory=list)

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        _check_sizes(self.executions, self.samples)
        return self


class CollectedResults(Document):
    """The results file that `rackbench baseline collect` writes."""

    KIND: ClassVar[str] = "baseline-results"
    VERSION: ClassVar[str] = "1.1"

    generated_at: str
    host: str
    run_id: str
    commit: str | None
    fingerprint: str | None
    remarks: list[str] = Field(
        default_factory=list,
        description="since 1.1: what was disturbed and what gave no number, in sentences",
    )
    scenarios: list[SeriesEntry] = Field(min_length=1)


class CollectedAnswer(Document):
    """What `rackbench baseline collect --json` prints when there is a results file."""

    KIND: ClassVar[str] = "baseline-collected"

    results: str = Field(description="the file")
    run_dir: str
    run_id: str
    commit: str | None
    fingerprint: str | None
    scenarios: int = Field(ge=1)


class Numbers(Model):
    """The numbers of a scenario; null is one that it does not have."""

    p50: float | None
    p95: float | None
    p99: float | None
    ips: float | None


class UpdatedScenario(Model):
    """What an update did to a scenario."""

    name: str
    unit: str | None = Field(description="null for a placeholder that the results do not have")
    change: Literal["moved", "added", "vanished", "returned", "unchanged"]
    before: Numbers | None
    after: Numbers | None


class UpdatedAnswer(Document):
    """What `rackbench baseline update --json` prints."""

    KIND: ClassVar[str] = "baseline-updated"

    baseline: str
    results: str
    changed: bool = Field(description="false: the file was not touched")
    status: Literal["scaffold-placeholder", "active"]
    generated_at: str | None
    generated_by: GeneratedBy
    warnings: list[str]
    scenarios: list[UpdatedScenario]


class ArmedAnswer(Document):
    """What `rackbench baseline arm --json` prints."""

    KIND: ClassVar[str] = "baseline-armed"

    baseline: str
    audit: str
    entry: AuditLine


class ShownScenario(Model):
    """A scenario as it stands in the file."""

    name: str
    state: Literal["complete", "missing", "placeholder"]
    missing: list[str] = Field(description="the numbers that it should have and has not")
    vanished: bool
    unit: str | None
    direction: Literal["lower", "higher"] | None
    numbers: Numbers | None
    samples: int = Field(ge=0)
    tolerance: dict[str, float]


class ShownAnswer(Document):
    """What `rackbench baseline show --json` prints."""

    KIND: ClassVar[str] = "baseline-shown"

    baseline: str
    schema_version: str
    status: Literal["scaffold-placeholder", "active"]
    generated_at: str | None
    generated_by: GeneratedBy
    scenarios: list[ShownScenario]
    audit: list[AuditLine]
