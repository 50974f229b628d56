# SPDX-License-Identifier: Apache-2.0
"""What `rackbench` prints with `--json` beside the documents that are files too: small answers, and every failure."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from rackbench.models.common import Document, Model
from rackbench.models.journal import FailureText, Utc
from rackbench.models.run_documents import RunStateName, Status


class ErrorAnswer(Document):
    """Why a command gave no other answer."""

    KIND: ClassVar[str] = "error"

    error: FailureText


class NeededCommand(Model):
    """A command that an adapter calls on the host, and the packages that bring it."""

    command: str
    required: bool
    packages: dict[str, str]


class FamilySummary(Model):
    """A family; `default` families are run when none is asked for."""

    name: str
    summary: str
    default: bool
    time_limit_s: float = Field(gt=0)
    parameters: dict[str, Any]


class HeadlineSummary(Model):
    """A number that an adapter measures."""

    label: str
    unit: str


class SettingSummary(Model):
    """What a site may set about a benchmark."""

    name: str
    summary: str
    default: Any
    choices: list[Any] | None


class AdapterSummary(Model):
    """What a benchmark is, needs and measures."""

    name: str
    summary: str
    description: str
    publish_target: str
    bundle: str | None
    capabilities: list[str]
    requirements: list[NeededCommand]
    in_default_runs: bool = True
    settings: list[SettingSummary] = Field(default_factory=list)
    families: list[FamilySummary]
    results: list[HeadlineSummary]


class Adapters(Document):
    """The answer of `rackbench adapters list`."""

    KIND: ClassVar[str] = "adapters"

    adapters: list[AdapterSummary]


class AdapterHelp(Document, AdapterSummary):
    """The answer of `rackbench adapters show`."""

    KIND: ClassVar[str] = "adapter-help"


class Campaigns(Document):
    """The answer of `rackbench campaign list`; `campaign refresh` prints the campaign itself."""

    KIND: ClassVar[str] = "campaigns"

    campaigns: list[str]


class EnrolledMachine(Model):
    """What became of the host key of one machine."""

    name: str
    state: Literal["known", "recorded", "replaced", "declined", "changed", "failed"]
    fingerprint: str | None
    code: str | None
    message: str | None


class HostsEnrolled(Document):
    """The answer of `rackbench hosts enroll`."""

    KIND: ClassVar[str] = "hosts-enrolled"

    machines: list[EnrolledMachine]


class InventoryImported(Document):
    """The answer of `rackbench inventory import`; `unmapped` are the lines of the old file that were not taken over."""

    KIND: ClassVar[str] = "inventory-imported"

    path: str
    unmapped: list[str]


class HostFailure(FailureText):
    """Why no run began on a host."""

    host: str


class RunOutcome(Document):
    """The answer of `rackbench run`: the status of each run, and the hosts where none began."""

    KIND: ClassVar[str] = "run-outcome"

    exit_status: int
    interrupted: bool
    runs: list[Status]
    failures: list[HostFailure]


class RunHeadline(Model):
    """The first number of a benchmark's first result."""

    adapter: str
    family: str | None
    label: str | None
    value: Any
    unit: str | None


class RunRow(Model):
    """A run in a list."""

    run_id: str
    run_dir: str = Field(description="relative to the project")
    host: str
    by: str | None = Field(description="who started it, as user@machine")
    opened_at: Utc | None
    closed_at: Utc | None
    benchmarks: list[str]
    state: RunStateName
    verdict: Literal["valid", "suspect", "void"] | None = Field(description="the worst of its executions'")
    headline: list[RunHeadline]
    rerun_of: str | None
    label: str | None = None
    tags: list[str] = Field(default_factory=list)


class SkippedDirectory(Model):
    """A directory among the runs that holds none, or that cannot be read."""

    path: str
    message: str


class Runs(Document):
    """The answer of `rackbench runs`, the newest run first."""

    KIND: ClassVar[str] = "runs"

    at: Utc
    runs: list[RunRow]
    skipped: list[SkippedDirectory]


class Recovery(Document):
    """The answer of `rackbench recover`: what was done for the directory and on the host, and where the run stands."""

    KIND: ClassVar[str] = "recovery"

    exit_status: int
    rebuilt: list[str] = Field(description="Documents that were missing, damaged or of an older form.")
    not_rebuilt: list[str] = Field(description="What cannot be had back, in words.")
    lease: Literal["released", "absent", "another_holder", "unreachable"] | None = Field(
        description="None when there was nothing to do on the host."
    )
    noise: Literal["restored", "absent", "unreachable"] | None
    jobs: dict[str, str] = Field(description="Execution: how it ended that ran on.")
    failures: list[FailureText]
    status: Status
