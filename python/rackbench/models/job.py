# SPDX-License-Identifier: Apache-2.0
"""The files of one execution on the target: what `bin/run` is told, what the supervisor is told, what it says."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from rackbench.models.common import Document, Model


class Target(Model):
    """How a benchmark that runs on the controller reaches the machine it measures: `ssh -F ssh_config name`."""

    name: str
    connection: Literal["ssh", "local"] = Field(description="local: the target is the controller itself")
    hostname: str
    user: str | None = None
    port: int | None = None
    ssh_config: str | None = Field(default=None, description="null for the connection local")


class AttachedFiles(Model):
    """The unpacked archive of the operator."""

    path: str
    sha256: str


class Job(Document):
    """One execution of a benchmark."""

    KIND: ClassVar[str] = "job"
    VERSION: ClassVar[str] = "1.1"

    run_id: str
    execution_id: str
    adapter: str
    family: str
    repeat: int = Field(ge=1)
    parameters: dict[str, Any] = Field(default_factory=dict)
    cpus: list[int] | None = Field(default=None, description="CPUs to use; null for all that are allowed")
    groups: list[list[int]] | None = Field(
        default=None,
        description="CPUs of each agent, for a benchmark that runs agents; disjoint, all of them in `cpus`",
    )
    time_limit_s: float = Field(gt=0)
    attachments: dict[str, AttachedFiles] | None = Field(
        default=None, description="by the names of the settings that name them"
    )
    target: Target | None = Field(default=None, description="for a benchmark that runs on the controller")


class JobLease(Model):
    """The lease that the supervisor renews while the benchmark runs."""

    path: str
    lease_id: str


class JobSpec(Document):
    """`spec.json`: what the supervisor starts, and for how long; times in seconds."""

    KIND: ClassVar[str] = "job-spec"

    run_id: str
    execution_id: str
    bundle_dir: str
    argv: list[str] = Field(min_length=1)
    inherited: list[str] = Field(
        default_factory=list, description="environment variables that the benchmark takes over"
    )
    lease: JobLease | None = None
    time_limit_s: float = Field(gt=0)
    grace_s: float = Field(ge=0, description="between SIGTERM and SIGKILL")
    interval_s: float = Field(gt=0, description="between two heartbeats")


class JobState(Document):
    """`state.json`: how far the execution is, by its supervisor."""

    KIND: ClassVar[str] = "job-state"

    execution_id: str
    state: Literal["starting", "running", "ended"]
    outcome: str | None = None
    rc: int | None = None
    signal: str | None = None
    pid: int | None = Field(default=None, description="the supervisor's")
    start_ticks: int | None = Field(
        default=None, description="the supervisor's start, in clock ticks after boot"
    )
    boot_id: str | None = None
    unit: str | None = Field(
        default=None, description="the systemd unit that it is; null when it has a session of its own"
    )
    benchmark_pid: int | None = None
    benchmark_start_ticks: int | None = None
    started_at: str | None = None
    ended_at: str | None = None
    duration_s: float | None = None
    reason: str | None = None


class JobHeartbeat(Model):
    """`heartbeat.json`: how far the benchmark says it is, by its supervisor."""

    schema_: Literal["rackbench.job-heartbeat/1.0"] | None = Field(
        default=None, alias="schema", description="heartbeats of earlier versions have none"
    )
    at: str = Field(description="when it was made, by the clock of its machine")
    elapsed_s: float = Field(ge=0)
    # Of the benchmark's last line of progress, in which it may write numbers and short texts as it likes.
    done: Any = None
    total: Any = None
    unit: Any = None
    label: Any = None
    interval_s: float = Field(gt=0, description="until the next one")


class JobStop(Document):
    """`stop.json`: who asked that the execution stops."""

    KIND: ClassVar[str] = "job-stop"

    by: str
    reason: str | None = None
    at: str
