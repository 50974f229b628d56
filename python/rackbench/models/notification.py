# SPDX-License-Identifier: Apache-2.0
"""Model of what a webhook is sent."""

from __future__ import annotations

from typing import ClassVar, Literal

from rackbench.models.common import Document, Model


class NotifiedAlert(Model):
    """The primary alert of the run."""

    code: str
    message: str


class Notification(Document):
    """A run on a host finished, failed or stalls."""

    KIND: ClassVar[str] = "notification"

    event: Literal["finished", "failed", "stalled"]
    run_id: str
    host: str
    run_dir: str
    state: Literal["running", "cancelling", "completed", "failed", "cancelled"]
    exit_status: int | None
    summary: str
    alert: NotifiedAlert | None
    next_command: str | None
