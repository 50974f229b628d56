# SPDX-License-Identifier: Apache-2.0
"""`adapter.yml`: everything that Rackbench knows about one benchmark."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from rackbench.models.bundle import MemberPath, Name
from rackbench.models.common import StrictModel


class BundleReference(StrictModel):
    """Which bundle the benchmark comes in."""

    name: Name
    source: MemberPath | None = Field(
        default=None, description="directory below the project that `rackbench bundle build` builds it from"
    )
    platform: Literal["any", "native"] = "any"
    runs_on: Literal["target", "controller"] = Field(
        default="target", description="where bin/run runs; on the controller it reaches the target by itself"
    )


class CommandRequirement(StrictModel):
    """A command that the benchmark calls on the target."""

    command: str = Field(pattern=r"^[^/\s]+$")
    packages: dict[Literal["apt", "dnf", "zypper", "pacman", "apk", "default"], str] = Field(min_length=1)
    required: bool = True


class Requirements(StrictModel):
    """What the benchmark needs of a target."""

    commands: list[CommandRequirement] = Field(default_factory=list)
    disk_bytes: int = Field(
        default=0, ge=0, description="free room in the home directory beside that for the bundle, in bytes"
    )
    memory_bytes: int = Field(default=0, ge=0, description="memory of the machine, in bytes")
    root: bool = Field(default=False, description="whether the benchmark must be able to become root")


class FamilyEntry(StrictModel):
    """One way to run the benchmark."""

    name: Name
    summary: str = Field(min_length=1)
    selector: Literal["all"] = Field(default="all", description="which CPUs it gets")
    parameters: dict[str, Any] = Field(default_factory=dict, description="handed to bin/run in job.json")
    time_limit_s: float = Field(gt=0, description="seconds until the execution is ended")
    heartbeat_s: float | None = Field(default=None, gt=0, description="seconds between two heartbeats")


class HeadlineEntry(StrictModel):
    """One number that a summary shows."""

    label: str = Field(min_length=1)
    query: str = Field(min_length=1, description="JMESPath over result.json that gives a number")
    unit: str = Field(min_length=1)


class ResultMapping(StrictModel):
    """How result.json is read."""

    headline: list[HeadlineEntry] = Field(default_factory=list)


class ArtifactEntry(StrictModel):
    """What files that the benchmark leaves beside result.json are."""

    glob: str = Field(min_length=1)
    kind: Name
    publishable: bool = True


class AdapterYml(StrictModel):
    """`roles/<role>/adapter.yml`."""

    schema_: Literal["rackbench.adapter/1.0"] = Field(alias="schema")
    name: Name
    summary: str = Field(min_length=1, max_length=100)
    description: str = Field(min_length=1)
    publish_target: Name
    bundle: BundleReference | None = None
    requirements: Requirements = Field(default_factory=Requirements)
    capabilities: list[str] = Field(default_factory=list)
    families: list[FamilyEntry] = Field(min_length=1)
    default_families: list[Name] = Field(min_length=1)
    results: ResultMapping = Field(default_factory=ResultMapping)
    artifacts: list[ArtifactEntry] = Field(default_factory=list)

    @field_validator("name")
    @classmethod
    def _not_an_alias(cls, name: str) -> str:
        if name in {"host", "preflight"}:
            raise ValueError("is a name that Rackbench uses itself")
        return name

    @field_validator("families")
    @classmethod
    def _each_family_once(cls, families: list[FamilyEntry]) -> list[FamilyEntry]:
        names = [family.name for family in families]
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"the family {doubled[0]} is there twice")
        return families
