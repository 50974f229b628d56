# SPDX-License-Identifier: Apache-2.0
"""`adapter.yml`: everything that Rackbench knows about one benchmark."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from rackbench.models.bundle import MemberPath, Name
from rackbench.models.common import StrictModel

# `all` asks for nothing; the others are CPUs of the host's topology. The last alternative is a list of CPUs.
Selector = Annotated[
    str,
    StringConstraints(
        pattern=r"^(all|physical|p-core|e-core|dense-core|per-socket|per-node|per-l3|\d+(-\d+)?(,\d+(-\d+)?)*)$"
    ),
]
Scalar = bool | int | float | str | None


class BundleReference(StrictModel):
    """Which bundle the benchmark comes in."""

    name: Name
    source: MemberPath | None = Field(
        default=None,
        description="directory that `rackbench bundle build` builds it from, below the project or beside the roles",
    )
    platform: Literal["any", "native"] = "any"
    runs_on: Literal["target", "controller"] = Field(
        default="target", description="where bin/run runs; on the controller it reaches the target by itself"
    )


class CommandRequirement(StrictModel):
    """A command that the benchmark calls on the target."""

    command: str = Field(pattern=r"^[^/\s]+$")
    instead: list[Annotated[str, StringConstraints(pattern=r"^[^/\s]+$")]] = Field(
        default_factory=list, description="other commands that do as well, such as other versions of it"
    )
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
    selector: Selector = Field(
        default="all",
        description="which CPUs it gets: `all`, a pool, one family for each socket or kin, or a list",
    )
    parameters: dict[str, Any] = Field(default_factory=dict, description="handed to bin/run in job.json")
    time_limit_s: float = Field(gt=0, description="seconds until the execution is ended")
    heartbeat_s: float | None = Field(default=None, gt=0, description="seconds between two heartbeats")


class SettingEntry(StrictModel):
    """What a site may set about the benchmark; it becomes a parameter of each of its families."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    summary: str = Field(min_length=1)
    default: Scalar | list[Scalar] = Field(
        default=None, description="its type is the setting's; null takes any scalar"
    )
    choices: list[Scalar] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _default_is_a_choice(self) -> Self:
        if self.choices is not None and self.default not in self.choices:
            raise ValueError(f"the default {self.default!r} is not one of its choices")
        return self


class AttachmentEntry(StrictModel):
    """A tar.gz archive of the operator that goes to the host beside the bundle, and into nothing that is published."""

    setting: str = Field(
        pattern=r"^[a-z][a-z0-9_]*$", description="the setting that holds its path on the controller"
    )
    what: str = Field(min_length=1, description="what it is an archive of, in words")
    entry_point: str = Field(min_length=1, description="regular expression of the path of its program")
    instead: str | None = Field(default=None, description="a setting that makes it unnecessary")

    @field_validator("entry_point")
    @classmethod
    def _is_an_expression(cls, text: str) -> str:
        try:
            re.compile(text)
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from error
        return text


class ProfileEntry(StrictModel):
    """One workload of a benchmark that runs agents."""

    name: Name
    summary: str = Field(min_length=1)
    parameters: dict[str, Any] = Field(default_factory=dict, description="handed to bin/run in job.json")
    time_limit_s: float = Field(gt=0, description="seconds until the execution is ended")


class Split(StrictModel):
    """So many agents, each on so many CPUs."""

    agents: int = Field(ge=1)
    cpus_each: int = Field(ge=1)


class Supplement(StrictModel):
    """Families beside the official ones, under a label of their own. What is left out is that of the official run."""

    label: Name
    profile: Name | None = None
    cpu_pool: str | None = None
    threading: Literal["logical", "physical"] | None = None
    splits: list[Split] = Field(
        default_factory=list, description="each a multi-agent family of its own; none: one agent on each CPU"
    )

    @field_validator("splits")
    @classmethod
    def _each_split_once(cls, splits: list[Split]) -> list[Split]:
        names = [f"{split.agents}x{split.cpus_each}" for split in splits]
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"the split {doubled[0]} is there twice")
        return splits


class AgentSettings(StrictModel):
    """Which families a benchmark that runs agents has on a host."""

    profile: Name = Field(description="of the official families")
    cpu_pool: str = Field(default="all", description="CPUs of the official families, by the topology's names")
    threading: Literal["logical", "physical"] = Field(
        default="logical", description="physical: the first thread of each core"
    )
    single_agent: bool = Field(default=True, description="whether there are families of one agent")
    multi_agent: bool = Field(default=True, description="whether there are families of many agents")
    supplemental: list[Supplement | Name] = Field(
        default_factory=list,
        description="a supplement, or the name of a known one: p-core, e-core, dense-core, physical-only, logical, "
        "socket-local",
    )


class AgentsSection(StrictModel):
    """For a benchmark that runs agents pinned to CPUs: its families follow from settings and the host's topology."""

    profiles: list[ProfileEntry] = Field(min_length=1)
    defaults: AgentSettings = Field(description="what `lab_settings` of a site change")
    heartbeat_s: float | None = Field(default=None, gt=0, description="seconds between two heartbeats")

    @model_validator(mode="after")
    def _profiles_are_there(self) -> Self:
        names = [profile.name for profile in self.profiles]
        if self.defaults.profile not in names:
            raise ValueError(f"defaults.profile {self.defaults.profile} is not one of {', '.join(names)}")
        return self


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

    schema_: Literal["rackbench.adapter/1.0", "rackbench.adapter/1.1"] = Field(alias="schema")
    name: Name
    summary: str = Field(min_length=1, max_length=100)
    description: str = Field(min_length=1)
    publish_target: Name
    bundle: BundleReference | None = None
    requirements: Requirements = Field(default_factory=Requirements)
    capabilities: list[str] = Field(default_factory=list)
    in_default_runs: bool = Field(
        default=True, description="whether a run that names no benchmarks takes this one"
    )
    settings: list[SettingEntry] = Field(default_factory=list)
    attachments: list[AttachmentEntry] = Field(default_factory=list)
    secrets: list[str] = Field(
        default_factory=list,
        description="settings that name a secret: a path on the controller, or `secret:` and an auth reference",
    )
    agents: AgentsSection | None = None
    families: list[FamilyEntry] = Field(default_factory=list)
    default_families: list[Name] = Field(default_factory=list)
    results: ResultMapping = Field(default_factory=ResultMapping)
    artifacts: list[ArtifactEntry] = Field(default_factory=list)

    @field_validator("name")
    @classmethod
    def _not_an_alias(cls, name: str) -> str:
        if name in {"host", "preflight"}:
            raise ValueError("is a name that Rackbench uses itself")
        return name

    @model_validator(mode="after")
    def _has_families(self) -> Self:
        if self.agents is None and not (self.families and self.default_families):
            raise ValueError("a benchmark without agents needs families and default_families")
        if self.agents is not None and (self.families or self.default_families):
            raise ValueError("the families of a benchmark with agents follow from its settings; name none")
        return self

    @field_validator("settings")
    @classmethod
    def _each_setting_once(cls, settings: list[SettingEntry]) -> list[SettingEntry]:
        names = [setting.name for setting in settings]
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"the setting {doubled[0]} is there twice")
        return settings

    @model_validator(mode="after")
    def _names_own_settings(self) -> Self:
        own = {setting.name for setting in self.settings}
        named = [
            *self.secrets,
            *(name for each in self.attachments for name in (each.setting, each.instead) if name),
        ]
        if unknown := sorted(set(named) - own):
            raise ValueError(f"attachments and secrets name {unknown[0]}, which is none of the settings")
        return self

    @field_validator("families")
    @classmethod
    def _each_family_once(cls, families: list[FamilyEntry]) -> list[FamilyEntry]:
        names = [family.name for family in families]
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"the family {doubled[0]} is there twice")
        return families
