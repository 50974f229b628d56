# SPDX-License-Identifier: Apache-2.0
"""What Rackbench keeps for itself to be quick. Such a file may be deleted; nobody else should rely on it."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field, RootModel

from rackbench.models.answers import RunRow
from rackbench.models.common import Document, Model
from rackbench.models.journal import Sha256


class FoldPoint(Model):
    """How far a journal was folded."""

    offset: int = Field(ge=1, description="Bytes.")
    lines: int = Field(ge=1)
    bad_lines: list[int] = Field(description="Which of the lines are no records.")
    last_bytes: int = Field(ge=1, description="Length of the last line, with its newline.")
    last_sha256: Sha256


class Fold(Document):
    """`state/fold.json`: the folded beginning of a long journal, which holds for the code that folded it only."""

    KIND: ClassVar[str] = "fold"

    code: Sha256 = Field(description="Over the code that folds.")
    point: FoldPoint
    state: dict[str, Any] = Field(description="The state, field by field as that code has it.")


class RunsCache(Document):
    """The first line of `.rackbench/runs.json`: what its second line was made by, and its sum."""

    KIND: ClassVar[str] = "runs-cache"
    VERSION: ClassVar[str] = "1.1"

    rackbench: str = Field(description="The version of Rackbench.")
    crc32: int = Field(ge=0)


class RunsCacheRows(RootModel[dict[str, tuple[int, int, RunRow, dict[str, Any]]]]):
    """The second line of `.rackbench/runs.json`.

    By `day/host/stamp` it holds the time (ns) and size of the journal, the row and the controller. The row of a run
    whose controller may live is that of one whose controller does.
    """
