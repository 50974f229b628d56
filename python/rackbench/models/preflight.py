# SPDX-License-Identifier: Apache-2.0
"""`preflight/report.json`: what the host was asked, what it answered, and what follows for each adapter."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from rackbench.models.common import Document, Model


class Probe(Model):
    """What the preflight module found on the host."""

    commands: dict[str, str | None] = Field(description="path of each command, or null when it is not there")
    package_manager: str | None = None
    python: str | None = None
    user: str | None = None
    free_bytes: int | None = Field(default=None, description="in the home directory")


class Preflight(Document):
    """The preflight of one host."""

    KIND: ClassVar[str] = "preflight"

    host: str
    platform: dict[str, Any]
    probe: Probe
    readiness: list[dict[str, Any]]
    packaging: dict[str, dict[str, Any]]
