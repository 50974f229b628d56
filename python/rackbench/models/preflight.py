# SPDX-License-Identifier: Apache-2.0
"""`preflight/summary.json`: what the host was asked, what it answered, and what follows for each adapter."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from rackbench.models.common import Document, Model
from rackbench.models.journal import UnavailableFamily


class Probe(Model):
    """What the module preflight found on a machine; null is what nobody knows."""

    commands: dict[str, str | None] = Field(description="path of each command, or null when it is not there")
    package_manager: str | None = None
    python: str | None = None
    user: str | None = None
    root: bool | None = Field(default=None, description="whether the user is root or can become root")
    free_bytes: int | None = Field(default=None, description="where ~/.rackbench is, or would be")
    memory_bytes: int | None = Field(default=None, description="of the machine")
    stored: list[str] = Field(
        default_factory=list, description="SHA-256 of the chosen bundles that are there already"
    )


class Cause(Model):
    """Why the host was not asked."""

    code: str
    message: str


class PlannedFamily(Model):
    """A family that the run takes, or would take if it went on to execute."""

    family: str
    summary: str
    time_limit_s: float
    executions: list[str]
    cpus: str | None = Field(default=None, description="CPUs of its own, as a list; null: all")
    agents: int | None = Field(default=None, description="of a benchmark that runs agents")


class Preflight(Document):
    """The preflight of one host."""

    KIND: ClassVar[str] = "preflight"
    VERSION: ClassVar[str] = "1.2"

    host: str
    checked: bool = Field(default=True, description="whether the host was asked")
    failure: Cause | None = None
    platform: dict[str, Any]
    probe: Probe | None
    controller_probe: Probe | None = Field(
        default=None, description="of the controller, where a benchmark runs on it"
    )
    readiness: list[dict[str, Any]]
    packaging: dict[str, dict[str, Any]]
    planned_families: dict[str, list[PlannedFamily]] = Field(default_factory=dict)
    unavailable_families: dict[str, list[UnavailableFamily]] = Field(
        default_factory=dict, description="by adapter: what the host cannot run, and why"
    )
