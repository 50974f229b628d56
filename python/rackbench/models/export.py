# SPDX-License-Identifier: Apache-2.0
"""`exports/results.json`: the results of a run with everything that is needed to compare them."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from rackbench.models.common import Document, Model
from rackbench.models.result import MetricEntry
from rackbench.models.run_documents import RepeatsRow


class ExportedExecution(Model):
    """One execution: what ran, in which bundle, and what came out."""

    execution: str
    adapter: str
    family: str | None
    repeat: int | None
    warmup: bool = Field(default=False, description="it went before the others and does not count")
    outcome: str | None
    status: str | None
    verdict: Literal["valid", "suspect", "void"] | None = None
    simulated: bool = Field(default=False, description="a stand-in for the real benchmark made the result")
    benchmark: dict[str, Any] | None
    bundle: dict[str, Any] | None
    started_at: str | None
    duration_s: float | None
    headline: list[dict[str, Any]]
    metrics: list[MetricEntry]
    checks: list[dict[str, Any]]
    skipped: list[dict[str, Any]]
    path: str | None
    problem: str | None = Field(description="why the result could not be read")


class Export(Document):
    """`exports/results.json` of a run: every result, with what it was measured on."""

    KIND: ClassVar[str] = "export"
    VERSION: ClassVar[str] = "1.1"

    run_id: str | None
    host: str | None
    label: str | None = None
    state_digest: str | None = Field(
        default=None, description="of the state of the host that was measured; None: nobody knows it"
    )
    run_dir: str | None
    opened_at: str | None
    check: bool
    versions: dict[str, Any]
    project: dict[str, Any]
    platform: dict[str, Any]
    executions: list[ExportedExecution]
    repeats: list[RepeatsRow] = Field(default_factory=list)
