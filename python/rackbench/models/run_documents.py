# SPDX-License-Identifier: Apache-2.0
"""Models of the documents in a run directory beside the journal; all of them are computed from it."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from rackbench.models.common import Document, Model
from rackbench.models.journal import (
    Controller,
    ExecutionPlan,
    FailureText,
    Seconds,
    Sha256,
    StepPlan,
    UnavailableFamily,
    Utc,
)

StepStateName = Literal["pending", "running", "completed", "failed", "skipped", "cancelled"]
RunStateName = Literal["unknown", "running", "cancelling", "interrupted", "completed", "failed", "cancelled"]


class TaskCounts(Model):
    """How tasks ended, how often they went to the target, and how long they took together."""

    ok: int
    changed: int
    failed: int
    skipped: int
    unreachable: int
    ignored: int
    remote: int
    seconds: Seconds


class Position(Model):
    """The step that is running, the how manieth of how many, and its newest open task."""

    step: str
    adapter: str | None
    phase: str
    number: int
    of: int
    began_at: Utc | None
    task: str | None
    task_began_at: Utc | None


class Progress(Model):
    """How far the running execution is, by its own heartbeat."""

    execution: str
    adapter: str
    family: str | None
    repeat: int | None
    done: float | None
    total: float | None
    unit: str | None
    label: str | None
    percent: float | None
    elapsed_s: Seconds
    left_s: Seconds | None = Field(default=None, description="An estimate of how long it still takes.")
    left_by: Literal["earlier", "pace"] | None = Field(
        default=None,
        description="What it rests on: how long earlier executions of the family took, or the pace so far.",
    )
    time_limit_s: float | None
    at: Utc | None


class StepRow(Model):
    """A step in status.json."""

    step_id: str
    adapter: str | None
    phase: str
    state: StepStateName
    began_at: Utc | None
    duration_s: Seconds | None
    reason: str | None
    code: str | None
    message: str | None


class ExecutionRow(Model):
    """An execution in status.json and in the document of its step."""

    execution: str
    adapter: str
    family: str | None
    repeat: int | None
    warmup: bool = False
    superseded: bool = Field(
        default=False,
        description="Begun anew under another name after the run was resumed; it does not count.",
    )
    state: Literal["planned", "not_needed", "running", "ended"]
    outcome: str | None
    verdict: Literal["valid", "suspect", "void"] | None = None
    rc: int | None
    signal: int | str | None
    duration_s: Seconds | None
    job_dir: str | None


class HeadlineRow(Model):
    """A headline number of a result."""

    adapter: str | None
    execution: str
    family: str | None
    repeat: int | None
    status: str | None
    label: str | None
    value: Any
    unit: str | None


class RepeatsRow(Model):
    """Why the repeats of a family ended, and how precise its first headline number was then."""

    adapter: str
    family: str
    count: int
    metric: str | None
    half_width_percent: float | None = Field(
        description="Half of the 95 % confidence interval, in percent of the mean; None: not asked for or not known."
    )
    stopped_by: Literal["count", "precise_enough", "maximum"]


class PhaseOverhead(Model):
    """Where the time of a phase went (s)."""

    phase: str
    wall_s: Seconds
    benchmark_s: Seconds
    rest_s: Seconds
    tasks: int
    remote: int


class Overhead(Model):
    """Where the time of the run went (s); `rest_s` is everything that is not the benchmark."""

    wall_s: Seconds
    benchmark_s: Seconds
    rest_s: Seconds
    between_steps_s: Seconds
    tasks: int
    remote: int
    phases: list[PhaseOverhead]


class Heartbeat(Model):
    """The newest sign of life of a running step, fresh or stale by the interval that was recorded."""

    step: str
    execution: str | None
    at: Utc | None
    age_s: Seconds | None
    interval_s: Seconds
    stale_after_s: Seconds
    state: Literal["fresh", "stale"]


class StalledPhase(Model):
    """A running step without a fresh sign of life."""

    step: str
    adapter: str | None
    phase: str
    age_s: Seconds | None
    stale_after_s: Seconds


class Monitoring(Model):
    """Whether the run is alive."""

    state: Literal["idle", "running", "stalled"]
    attention: Literal["stalled", "interrupted"] | None
    summary: str
    active_adapter: str | None
    active_phase: str | None
    active_step: str | None
    heartbeats: list[Heartbeat]
    stalled_phases: list[StalledPhase]


AlertKind = Literal[
    "ledger_damaged",
    "interrupted",
    "stop_unanswered",
    "lease_held",
    "failed_step",
    "stalled_phase",
    "left_behind",
    "blocked_publish",
    "disturbed",
    "ledger_incomplete",
]


class Alert(Model):
    """One thing that needs a person, and what to do about it, in this order; each singular is the first of its list."""

    kind: AlertKind
    code: str
    message: str
    step: str | None
    adapter: str | None
    phase: str | None
    next_action: str | None
    next_actions: list[str]
    next_command: str | None = Field(description="To be called in the project's directory.")
    next_commands: list[str]
    next_path: str | None = Field(description="Relative to the run directory.")
    next_paths: list[str]
    next_install_command: str | None = Field(description="To be called on the host itself.")
    next_install_commands: list[str]
    next_diagnostic_command: str | None
    next_diagnostic_commands: list[str]


class Alerts(Model):
    """Everything that needs a person, the most urgent first."""

    active: bool
    count: int
    primary: Alert | None
    items: list[Alert]
    next_actions: list[str]
    next_commands: list[str]
    next_paths: list[str]
    next_install_commands: list[str]
    next_diagnostic_commands: list[str]


class LedgerHealth(Model):
    """How whole the journal is."""

    complete: bool
    torn: bool
    bad_lines: list[int]
    missing_records: int
    illegal_transitions: int
    unusable_records: int
    incomplete: dict[str, Any] | None
    problems: list[str]


class LastEvent(Model):
    """The last record of the journal."""

    seq: int
    at: Utc | None
    mono: float | None
    kind: str


class Status(Document):
    """status.json: where the run stands."""

    KIND: ClassVar[str] = "status"

    run_id: str | None
    host: str | None
    run_dir: str | None
    at: Utc
    state: RunStateName
    exit_status: int | None
    check: bool
    benchmarks: list[str]
    phases: list[str]
    parent: str | None
    rerun_of: str | None = None
    label: str | None = Field(default=None, description="keeps the results apart from those of other labels")
    template: str | None = Field(default=None, description="The template that it was started with.")
    tags: list[str] = Field(default_factory=list)
    worker: dict[str, Any] | None
    opened_at: Utc | None
    closed_at: Utc | None
    elapsed_s: Seconds | None
    last_event: LastEvent | None
    last_step_begun: str | None
    position: Position | None
    progress: Progress | None
    steps: list[StepRow]
    executions: list[ExecutionRow]
    readiness: dict[str, dict[str, Any]]
    packaging: dict[str, dict[str, Any]]
    results: list[HeadlineRow]
    repeats: list[RepeatsRow] = Field(default_factory=list)
    publish: dict[str, dict[str, Any]]
    exports: list[str]
    artifacts: dict[str, int]
    transfers: dict[str, dict[str, float]]
    commands: dict[str, dict[str, float]]
    tasks: TaskCounts
    overhead: Overhead
    monitoring: Monitoring
    alerts: Alerts
    ledger: LedgerHealth


class RunManifest(Document):
    """run_manifest.json: what was asked for, by whom, on what, with which versions, and how it ended."""

    KIND: ClassVar[str] = "run-manifest"

    run_id: str | None
    host: str | None
    run_dir: str | None
    check: bool
    opened_at: Utc | None
    closed_at: Utc | None
    outcome: str | None
    exit_status: int | None
    benchmarks: list[str]
    phases: list[str]
    options: dict[str, Any]
    parent: str | None
    rerun_of: str | None = None
    label: str | None = None
    identity: dict[str, Any] | None = None
    lease_id: str | None = None
    worker: dict[str, Any] | None
    controller: Controller | dict[str, Any]
    versions: dict[str, Any]
    project: dict[str, Any]
    inventory: dict[str, Any]
    steps: list[StepPlan]
    executions: dict[str, list[ExecutionPlan]]
    unavailable_families: dict[str, list[UnavailableFamily]] = Field(
        default_factory=dict, description="by adapter: what the host cannot run, and why"
    )
    platform: dict[str, Any]
    packaging: dict[str, dict[str, Any]]
    documents: dict[str, str]


class ArtifactRow(Model):
    """A file that a step made; its path is relative to the run directory."""

    path: str
    kind: str | None
    bytes: int
    sha256: Sha256 | None
    step: str | None
    execution: str | None
    publishable: bool
    at: Utc | None


class ArtifactManifest(Document):
    """artifact_manifest.json: every registered file."""

    KIND: ClassVar[str] = "artifact-manifest"

    run_id: str | None
    host: str | None
    count: int
    bytes: int
    artifacts: list[ArtifactRow]


class PublishRow(Model):
    """How far an adapter's results came on their way out."""

    adapter: str
    state: str
    target: str | None
    reason: str | None
    at: Utc | None
    code: str | None = None
    files: int | None = None
    bytes: int | None = None
    payload_sha256: Sha256 | None = None
    branch: str | None = None
    base: str | None = None
    commit: str | None = None
    remote: str | None = None
    forge: str | None = None
    compare_url: str | None = None
    pushed: bool | None = Field(default=None, description="whether the remote was seen to have the commit")
    pull_request: str | None = None
    embargo: dict[str, str] | None = Field(default=None, description="the entry that holds the results back")
    next_command: str | None = Field(
        default=None, description="goes on from here; None: nothing is left to do"
    )
    diagnostic_command: str | None = Field(default=None, description="looks into it")


class PublishLedger(Document):
    """publish_ledger.json: publishing, adapter by adapter. Version 1.0 had the first five fields of a row."""

    KIND: ClassVar[str] = "publish-ledger"
    VERSION: ClassVar[str] = "1.1"

    run_id: str | None
    host: str | None
    adapters: list[PublishRow]


class CommandLine(Document):
    """One line of command_ledger.jsonl; `seq` is the number of its journal record."""

    KIND: ClassVar[str] = "command"

    seq: int
    at: Utc
    argv: list[str] | None
    rc: int | None
    signal: int | str | None
    where: str | None
    duration_s: Seconds | None
    step: str | None
    execution: str | None
    log: str | None


class TransferLine(Document):
    """One line of transfer_ledger.jsonl; `seq` is the number of its journal record."""

    KIND: ClassVar[str] = "transfer"

    seq: int
    at: Utc
    direction: Literal["upload", "download"]
    source: str | None
    destination: str | None
    bytes: int | None
    sha256: Sha256 | None
    duration_s: Seconds | None
    reused: bool | None
    step: str | None


class StepDocument(Document):
    """state/steps/<step_id>.json: one step."""

    KIND: ClassVar[str] = "step"

    run_id: str | None
    host: str | None
    step_id: str
    adapter: str | None
    phase: str
    role: str
    depends: list[str]
    state: StepStateName
    began_at: Utc | None
    ended_at: Utc | None
    duration_s: Seconds | None
    reason: str | None
    failure: FailureText | None
    tasks: TaskCounts
    artifacts: list[str]
    executions: list[ExecutionRow]


class HostInventorySnapshot(Document):
    """host_inventory_snapshot.json: where the host came from and what it turned out to be."""

    KIND: ClassVar[str] = "host-inventory-snapshot"

    run_id: str | None
    host: str | None
    opened_at: Utc | None
    inventory: dict[str, Any]
    platform: dict[str, Any]


class LiveBeat(Model):
    """state/live/<execution_id or step_id>.json: the newest heartbeat of an execution, or of a long build in a step."""

    schema_: Literal["rackbench.live-beat/1.0"] | None = Field(
        default=None, alias="schema", description="Beats of earlier versions have none."
    )
    execution: str | None = None
    step: str | None = None
    at_target: str | None = Field(default=None, description="When the target made it, by the target's clock.")
    done: float | None = None
    total: float | None = None
    unit: str | None = None
    label: str | None = None
    elapsed_s: float | None = None
    interval_s: float | None = None
