# SPDX-License-Identifier: Apache-2.0
"""`control/<id>.json`, by which a run is asked for something from outside, and what `rackbench stop` answers."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from rackbench.models.common import Document
from rackbench.models.journal import Utc
from rackbench.models.run_documents import RunStateName


class Control(Document):
    """A request to a run. Whoever can write to its directory may put one there, by rename."""

    KIND: ClassVar[str] = "control"

    id: str = Field(description="the file's name without .json")
    action: Literal["stop"]
    by: str = Field(description="who asks, as user@machine")
    reason: str | None = None
    requested_at: Utc


class StopAnswer(Document):
    """The answer of `rackbench stop`, when the run is closed."""

    KIND: ClassVar[str] = "stop"

    run_dir: str
    run_id: str | None
    exit_status: int = Field(description="0: the run was stopped; 1: it had come to its end by itself")
    state: RunStateName
    request: Control | None = Field(description="null for a run that was closed before")
    answered_after_s: float | None = Field(description="seconds until the journal had the request")
    closed_after_s: float | None = Field(description="seconds until the run was closed")
