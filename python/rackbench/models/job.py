# SPDX-License-Identifier: Apache-2.0
"""`job.json`: what `bin/run` is told to do."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from rackbench.models.common import Document


class Job(Document):
    """One execution of a benchmark."""

    KIND: ClassVar[str] = "job"

    run_id: str
    execution_id: str
    adapter: str
    family: str
    repeat: int = Field(ge=1)
    parameters: dict[str, Any] = Field(default_factory=dict)
    cpus: list[int] | None = Field(default=None, description="CPUs to use; null for all that are allowed")
    time_limit_s: float = Field(gt=0)
