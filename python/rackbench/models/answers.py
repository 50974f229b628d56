# SPDX-License-Identifier: Apache-2.0
"""What `rackbench` prints with `--json` beside the documents that are files too: small answers, and every failure."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from rackbench.models.common import Document, Model
from rackbench.models.journal import FailureText
from rackbench.models.run_documents import Status


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


class AdapterSummary(Model):
    """What a benchmark is, needs and measures."""

    name: str
    summary: str
    description: str
    publish_target: str
    bundle: str | None
    capabilities: list[str]
    requirements: list[NeededCommand]
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
