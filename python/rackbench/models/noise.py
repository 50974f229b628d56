# SPDX-License-Identifier: Apache-2.0
"""The original settings of a host that a run had quieted: the file noise/<run_id>.json there."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from rackbench.models.common import Document, Model
from rackbench.models.journal import Utc


class NoiseChange(Model):
    """One knob that was changed."""

    setting: str = Field(min_length=1, description="The setting of lab_noise that it belongs to.")
    kind: Literal["file", "turned", "swap", "service"] = Field(
        description="A file of the kernel, one that says the opposite, a swap, or a service."
    )
    path: str = Field(min_length=1, description="The file, the swap's device or file, or the service's name.")
    original: str = Field(
        description="What it held before, which is put back; of a file that says the opposite, the opposite."
    )
    ours: str | None = Field(
        description="What the run set; null if another knob moves it, and it is only put back."
    )


class NoiseOriginals(Document):
    """Written before the first change; while it is there, something that the run set may be in force."""

    KIND: ClassVar[str] = "noise"

    run_id: str = Field(min_length=1)
    saved_at: Utc = Field(description="By the target's clock.")
    boot_id: str | None = Field(
        description="The boot in which they were saved: another one has its own settings."
    )
    sysfs: str = Field(description="Where /sys is.")
    procfs: str = Field(description="Where /proc is.")
    tools: str | None = Field(
        description="The directory of the commands of administrators; null: one of the usual ones."
    )
    changes: list[NoiseChange] = Field(description="In the order in which they were made.")
