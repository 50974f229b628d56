# SPDX-License-Identifier: Apache-2.0
"""Models of the records of events.jsonl. The first record of a journal names the schema of all of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, RootModel

from rackbench.models.common import Model

TaskStatus = Literal["ok", "changed", "failed", "skipped", "unreachable", "ignored"]
StepEnd = Literal["completed", "failed", "skipped", "cancelled"]
Outcome = Literal["completed", "failed", "cancelled"]
ExecutionOutcome = Literal["passed", "partial", "failed", "timeout", "killed", "cancelled", "lost"]
Utc = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")]
Seconds = Annotated[float, Field(ge=0)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Record(Model):
    """What every record has: its number from 1, when it was written (UTC, and the controller's monotonic seconds)."""

    seq: int = Field(ge=1)
    at: Utc
    mono: float


class FailureText(Model):
    """A failure: its code, what happened, and what to do next."""

    code: str
    message: str
    where: str | None = None
    next_step: str | None = None
    next_command: str | None = None
    next_path: str | None = None
    detail: str | None = None


class StepPlan(Model):
    """A step as it was planned."""

    step_id: str
    adapter: str | None
    phase: Literal["discover", "preflight", "stage", "execute", "collect", "publish", "finalize"]
    role: str
    depends: list[str]


class ExecutionPlan(Model):
    """An execution as it was planned."""

    execution_id: str
    family: str
    repeat: int = Field(ge=1, description="Warm-ups have numbers of their own.")
    warmup: bool = False
    until_percent: float | None = Field(
        default=None,
        description="It is made only while the family's first headline number is less precise than this.",
    )
    time_limit_s: float | None = None
    cpus: list[int] | None = Field(default=None, description="CPUs of its own; None: all that are allowed.")
    groups: list[list[int]] | None = Field(default=None, description="CPUs of each of its agents.")


class UnavailableFamily(Model):
    """A family that the host cannot run, and why."""

    family: str
    code: str
    reason: str


class Controller(Model):
    """The process that drives the run; pid, start_ticks and boot_id together name it for ever."""

    pid: int
    start_ticks: int | None
    boot_id: str | None
    pid_namespace: int | None = Field(
        default=None, description="In which the pid counts. None: not known, as in older journals."
    )
    hostname: str
    user: str


class Identity(Model):
    """What a resumed run is compared by, beside versions, project and platform: digests."""

    adapters: dict[str, str] = Field(description="SHA-256 over each adapter's role.")
    inventory: str | None = Field(description="SHA-256 over the inventory's files; None: it is no file.")


class RunOpened(Record):
    """The run and its plan."""

    kind: Literal["run.opened"]
    schema_: Literal["rackbench.journal/1.0"] = Field(alias="schema")
    run_id: str
    host: str
    run_dir: str = Field(description="Relative to the project.")
    check: bool
    phases: list[str]
    benchmarks: list[str]
    steps: list[StepPlan]
    executions: dict[str, list[ExecutionPlan]]
    controller: Controller
    versions: dict[str, str]
    project: dict[str, Any]
    options: dict[str, Any]
    parent: str | None = None
    worker: dict[str, int] | None = None
    inventory: dict[str, Any]
    identity: Identity = Field(default_factory=lambda: Identity(adapters={}, inventory=None))
    lease_id: str | None = None
    rerun_of: str | None = Field(
        default=None, description="The id of the run whose families this one repeats."
    )


class Difference(Model):
    """Something that is not as it was when the run was opened, and what that means for resuming it."""

    what: str = Field(description="bundle, adapter, host key, boot, inventory, ansible-core, commit, ...")
    adapter: str | None = None
    before: str | None
    now: str | None
    effect: Literal["starts_again", "lost", "said"]


class RunResumed(Record):
    """The run goes on under another controller; the plan of this record replaces the earlier one."""

    kind: Literal["run.resumed"]
    by: str
    controller: Controller
    versions: dict[str, str]
    project: dict[str, Any]
    inventory: dict[str, Any]
    identity: Identity
    phases: list[str]
    steps: list[StepPlan] = Field(description="The whole plan, with the steps that are reused.")
    again: list[str] = Field(description="Steps of the earlier plan that are pending again.")
    executions: dict[str, list[ExecutionPlan]]
    reused: list[str] = Field(description="Steps that stay completed.")
    reattached: list[str] = Field(description="Executions that were begun before and are waited for.")
    superseded: list[str] = Field(description="Executions that do not count any more.")
    differences: list[Difference]


class RunRecovered(Record):
    """The run was given up in order: what was left on the host is put back, as far as it could be reached."""

    kind: Literal["run.recovered"]
    by: str
    controller: Controller | None = None
    lease: str | None = Field(
        description="released, absent, another_holder or unreachable; None: not looked at."
    )
    noise: str | None = Field(description="restored, absent or unreachable; None: not looked at.")
    jobs: dict[str, str] = Field(description="Execution: how it was ended.")
    rebuilt: list[str] = Field(description="Documents that were missing or damaged.")
    not_rebuilt: list[str] = Field(description="What cannot be rebuilt, in words.")


class RebuiltRecord(Record):
    """The journal was lost or damaged, and this one made of the documents: counts of what has no records any more."""

    kind: Literal["rebuilt"]
    tasks: dict[str, Any] = Field(description="As in status.json.")
    steps: dict[str, dict[str, Any]] = Field(description="Counts of tasks by step.")
    transfers: dict[str, dict[str, Any]]
    commands: dict[str, dict[str, Any]]
    superseded: list[str] = Field(default_factory=list, description="Executions that do not count any more.")
    last_step_begun: str | None = None
    lost: list[str] = Field(description="What cannot be rebuilt, in words.")


class ControlRecord(Record):
    """Somebody asked something of the run by a file in control/."""

    kind: Literal["control"]
    id: str
    action: Literal["stop"]
    by: str
    reason: str | None = None
    requested_at: Utc | None = None


class LeaseHolder(Model):
    """Who holds a host."""

    run_id: str
    owner: str
    purpose: str | None = None
    taken_at: Utc | None = None


class LeaseRecord(Record):
    """What became of the host's lease."""

    kind: Literal["lease"]
    state: Literal["taken", "waiting", "refused", "stolen", "released", "lost"]
    holder: LeaseHolder | None = Field(default=None, description="Another one that holds or held it.")
    expires_in_s: Seconds | None = None
    reason: str | None = None


class NoiseRecord(Record):
    """The noise settings of the host: looked at, applied, verified, or put back."""

    kind: Literal["noise"]
    state: Literal["observed", "applied", "verified", "disturbed", "restored"]
    settings: dict[str, Any]
    reason: str | None = None


class VerdictRecord(Record):
    """Whether something disturbed an execution."""

    kind: Literal["verdict"]
    execution: str
    verdict: Literal["valid", "suspect", "void"]
    reasons: list[str]
    unknown: list[str] = Field(description="Inputs that the machine does not tell.")
    inputs: dict[str, Any]


class RepeatsRecord(Record):
    """Why a family's repeats ended. `precise_enough`: those of its executions that have not begun are not needed."""

    kind: Literal["repeats"]
    adapter: str
    family: str
    count: int
    metric: str | None = None
    half_width_percent: float | None = None
    stopped_by: Literal["count", "precise_enough", "maximum"]


class Notified(Record):
    """Somebody was told of the run by the webhook."""

    kind: Literal["notified"]
    event: Literal["finished", "failed", "stalled"]
    delivered: bool
    reason: str | None = None


class PlayBegan(Record):
    """The play that runs, by its name as it stands in the playbook."""

    kind: Literal["play.began"]
    play: str


class TaskBegan(Record):
    """A task on this host, by its name as it stands in the playbook, before templating."""

    kind: Literal["task.began"]
    task: str
    action: str
    uuid: str
    step: str | None = None


class TaskEnded(Record):
    """A task that ended, or with `item` one item of its loop."""

    kind: Literal["task.ended"]
    task: str
    uuid: str
    step: str | None = None
    status: TaskStatus
    duration_s: Seconds = Field(description="Since the task began; for an item too.")
    item: int | None = None
    failure: str | None = Field(default=None, description="The failure's code.")
    remote: int = Field(ge=0, description="How often the task went to the target.")


class StepBegan(Record):
    """A step that began."""

    kind: Literal["step.began"]
    step: str


class StepBeat(Record):
    """A heartbeat of a step whose task takes long, such as a build."""

    kind: Literal["step.beat"]
    step: str
    label: str | None = None
    elapsed_s: Seconds | None = None
    interval_s: float | None = Field(default=None, description="None when nothing more is to be expected.")


class StepEnded(Record):
    """A step that ended, or was skipped without beginning."""

    kind: Literal["step.ended"]
    step: str
    state: StepEnd
    reason: str | None = None
    failure: FailureText | None = None
    duration_s: Seconds | None = None


class Platform(Record):
    """What the host is."""

    kind: Literal["platform"]
    machine: str
    os: str


class Readiness(Record):
    """Whether an adapter can run on this host."""

    kind: Literal["readiness"]
    adapter: str
    status: str
    status_basis: str | None = Field(default=None, description="The evidence that decided.")
    predicted_status: str | None = Field(
        default=None, description="What the last preflight of this host led to expect; none without one."
    )
    predicted_status_basis: str | None = None
    validated_readiness_status: str | None = Field(
        default=None, description="What the host itself showed; none when nobody asked it."
    )
    readiness_basis: Literal["live_probe", "cached_preflight", "none"] | None = None
    failure_code: str | None = Field(
        default=None, description="Why the adapter cannot run; none when it can."
    )
    next_command: str | None = Field(default=None, description="What puts right what stops the adapter.")


class Families(Record):
    """What the families of an adapter mean on this host, now that its topology is known."""

    kind: Literal["families"]
    adapter: str
    executions: list[ExecutionPlan] | None = Field(
        default=None, description="None: what was planned before stands."
    )
    unavailable: list[UnavailableFamily]


class Packaging(Record):
    """Which bundle was chosen for an adapter, and why."""

    kind: Literal["packaging"]
    adapter: str
    decision: dict[str, Any]
    made: dict[str, Any] | None = Field(
        default=None, description="The bundle that the stage step had to make, as the decision said."
    )


class Transfer(Record):
    """A file that went to the target or came from it; `reused` when it was there already."""

    kind: Literal["transfer"]
    direction: Literal["upload", "download"]
    source: str
    destination: str
    bytes: int = Field(ge=0)
    sha256: Sha256 | None = None
    duration_s: Seconds
    reused: bool = False
    step: str | None = None


class Command(Record):
    """A command that ended."""

    kind: Literal["command"]
    argv: list[str]
    rc: int | None = None
    signal: int | str | None = None
    where: Literal["target", "controller"]
    duration_s: Seconds | None = None
    step: str | None = None
    execution: str | None = None
    log: str | None = None


class ExecutionBegan(Record):
    """An execution of a benchmark that was started on the target."""

    kind: Literal["execution.began"]
    execution: str
    adapter: str
    family: str
    repeat: int
    warmup: bool = False
    job_dir: str | None = None
    reattached: bool = Field(
        default=False, description="It had been begun before this controller came to it."
    )


class ExecutionBeat(Record):
    """A heartbeat of an execution, made on the target."""

    kind: Literal["execution.beat"]
    execution: str
    at_target: str | None = None
    done: float | None = None
    total: float | None = None
    unit: str | None = None
    label: str | None = None
    elapsed_s: float | None = None
    interval_s: float | None = None


class ExecutionEnded(Record):
    """An execution that ended."""

    kind: Literal["execution.ended"]
    execution: str
    outcome: ExecutionOutcome
    rc: int | None = None
    signal: int | str | None = None
    duration_s: Seconds | None = None
    failure: FailureText | str | None = None
    metric: dict[str, Any] | None = Field(
        default=None, description="The number by which repeats are judged: id, value, unit."
    )


class Result(Record):
    """What an execution measured."""

    kind: Literal["result"]
    adapter: str
    execution: str
    family: str
    repeat: int
    warmup: bool = False
    status: Literal["passed", "partial", "failed"]
    metrics: list[dict[str, Any]]
    headline: list[dict[str, Any]]
    path: str
    simulated: bool = Field(default=False, description="Whether a stand-in for the real benchmark made it.")


class Artifact(Record):
    """A file that a step made; its path is relative to the run directory."""

    kind: Literal["artifact"]
    path: str
    bytes: int = Field(ge=0)
    sha256: Sha256
    artifact_kind: str
    step: str | None = None
    execution: str | None = None
    publishable: bool


class Publish(Record):
    """How far publishing an adapter's results came."""

    kind: Literal["publish"]
    adapter: str
    state: str = Field(description="one of docs/reference/publish.md")
    target: str | None = Field(default=None, description="the key in lab_publish_targets")
    reason: str | None = None
    code: str | None = None
    files: int | None = Field(default=None, ge=0)
    bytes: int | None = Field(default=None, ge=0)
    payload_sha256: Sha256 | None = None
    branch: str | None = None
    base: str | None = Field(default=None, description="the commit that the results were put on")
    commit: str | None = None
    remote: str | None = Field(
        default=None, description="the address of the remote, without user and password"
    )
    forge: str | None = None
    compare_url: str | None = None
    pushed: bool | None = Field(default=None, description="whether the remote was seen to have the commit")
    pull_request: str | None = None
    embargo: dict[str, str] | None = Field(default=None, description="the entry that holds the results back")


class RunClosed(Record):
    """The end; only `ledger.incomplete`, `notified`, `run.recovered`, `rebuilt` and `run.resumed` may follow."""

    kind: Literal["run.closed"]
    outcome: Outcome
    failed_steps: list[str]
    exit_status: int


class LedgerIncomplete(Record):
    """Ansible counted other results than the ledger saw."""

    kind: Literal["ledger.incomplete"]
    expected: dict[str, int]
    seen: dict[str, int]


AnyRecord = (
    RunOpened
    | RunResumed
    | RunRecovered
    | RebuiltRecord
    | ControlRecord
    | LeaseRecord
    | NoiseRecord
    | VerdictRecord
    | RepeatsRecord
    | Notified
    | PlayBegan
    | TaskBegan
    | TaskEnded
    | StepBegan
    | StepBeat
    | StepEnded
    | Platform
    | Readiness
    | Packaging
    | Families
    | Transfer
    | Command
    | ExecutionBegan
    | ExecutionBeat
    | ExecutionEnded
    | Result
    | Artifact
    | Publish
    | RunClosed
    | LedgerIncomplete
)


class JournalRecord(RootModel[Annotated[AnyRecord, Field(discriminator="kind")]]):
    """One line of events.jsonl."""
