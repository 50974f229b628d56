# SPDX-License-Identifier: Apache-2.0
"""The state of a run as a fold of its journal: `fold(records)` is pure, and its memory does not grow with events."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from dataclasses import fields as fields_of
from typing import TYPE_CHECKING, Any

from rackbench.ledger import publish_states, steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

TASK_STATUSES = ("ok", "changed", "failed", "skipped", "unreachable", "ignored")
# A host runs one task at a time; a task whose end was lost must not stay for ever.
MOST_OPEN_TASKS = 8
PLANNED, RUNNING, ENDED = "planned", "running", "ended"


@dataclass
class TaskCounts:
    """How many tasks ended in which way, how long they took together (s) and how often they went to the target."""

    ok: int = 0
    changed: int = 0
    failed: int = 0
    skipped: int = 0
    unreachable: int = 0
    ignored: int = 0
    remote: int = 0
    seconds: float = 0.0

    @property
    def total(self) -> int:
        """Return the number of tasks that ended."""
        return self.ok + self.changed + self.failed + self.skipped + self.unreachable + self.ignored


@dataclass
class StepState:
    """A step and how far it is. Times are those of the journal: `*_at` UTC text, `*_mono` seconds.

    `beat` is the last recorded heartbeat of long work that one of its tasks does; `attempt` counts from 1, and a
    resumed run raises it.
    """

    step: steps.Step
    state: str = steps.PENDING
    began_at: str | None = None
    began_mono: float | None = None
    ended_at: str | None = None
    duration_s: float | None = None
    reason: str | None = None
    failure: dict[str, Any] | None = None
    tasks: TaskCounts = field(default_factory=TaskCounts)
    last_at: str | None = None
    artifacts: list[str] = field(default_factory=list)
    beat: dict[str, Any] | None = None
    attempt: int = 1


@dataclass
class ExecutionState:
    """One execution of a benchmark: planned, running or ended; `beat` is its last recorded heartbeat.

    A superseded one was begun anew under another name after the run was resumed: its results do not count. One that is
    `not_needed` was planned, and its family was precise enough without it.
    """

    execution: str
    adapter: str
    family: str | None = None
    repeat: int | None = None
    time_limit_s: float | None = None
    state: str = PLANNED
    job_dir: str | None = None
    began_at: str | None = None
    ended_at: str | None = None
    outcome: str | None = None
    rc: int | None = None
    signal: int | str | None = None
    duration_s: float | None = None
    failure: dict[str, Any] | None = None
    beat: dict[str, Any] | None = None
    warmup: bool = False
    metric: dict[str, Any] | None = None
    verdict: dict[str, Any] | None = None
    superseded: bool = False
    not_needed: bool = False

    def __post_init__(self) -> None:
        """Raise `ValueError` for an id that is none."""
        steps.check_id(self.execution)


@dataclass
class TransferTotals:
    """What went one way: files, those that were there already, bytes moved, seconds."""

    count: int = 0
    reused: int = 0
    bytes: int = 0
    seconds: float = 0.0


@dataclass
class CommandTotals:
    """Commands that ran, those that did not exit with 0, seconds."""

    count: int = 0
    failed: int = 0
    seconds: float = 0.0


@dataclass
class OpenTask:
    """A task that began and has not ended; `items` of its loop have."""

    task: str
    action: str
    step: str | None
    at: str | None
    items: int = 0


@dataclass
class RunState:
    """Everything that status, manifests, alerts and summaries are computed from."""

    opened: dict[str, Any] = field(default_factory=dict)
    opened_at: str | None = None
    opened_mono: float | None = None
    steps: OrderedDict[str, StepState] = field(default_factory=OrderedDict)
    executions: OrderedDict[str, ExecutionState] = field(default_factory=OrderedDict)
    platform: dict[str, Any] = field(default_factory=dict)
    readiness: dict[str, dict[str, Any]] = field(default_factory=dict)
    packaging: dict[str, dict[str, Any]] = field(default_factory=dict)
    results: OrderedDict[str, dict[str, Any]] = field(default_factory=OrderedDict)
    artifacts: OrderedDict[str, dict[str, Any]] = field(default_factory=OrderedDict)
    publish: dict[str, dict[str, Any]] = field(default_factory=dict)
    exports: list[str] = field(default_factory=list)
    transfers: dict[str, TransferTotals] = field(
        default_factory=lambda: {"upload": TransferTotals(), "download": TransferTotals()}
    )
    commands: dict[str, CommandTotals] = field(
        default_factory=lambda: {"target": CommandTotals(), "controller": CommandTotals()}
    )
    tasks: TaskCounts = field(default_factory=TaskCounts)
    open_tasks: dict[str, OpenTask] = field(default_factory=dict)
    last_began: str | None = None
    closed: dict[str, Any] | None = None
    closed_mono: float | None = None
    incomplete: dict[str, Any] | None = None
    resumed: list[dict[str, Any]] = field(default_factory=list)
    recovered: dict[str, Any] | None = None
    rebuilt: dict[str, Any] | None = None
    stop: dict[str, Any] | None = None
    controls: set[str] = field(default_factory=set)
    lease: dict[str, Any] | None = None
    noise: dict[str, Any] | None = None
    repeats: dict[str, dict[str, Any]] = field(default_factory=dict)
    families: dict[str, dict[str, Any]] = field(default_factory=dict)
    last: dict[str, Any] | None = None
    illegal_transitions: int = 0
    missing_records: int = 0
    unusable_records: int = 0

    @property
    def run_id(self) -> str | None:
        """Return the run's id, or None before it is opened."""
        return _text_or_none(self.opened.get("run_id"))

    @property
    def host(self) -> str | None:
        """Return the host's name in the inventory, or None before the run is opened."""
        return _text_or_none(self.opened.get("host"))

    @property
    def run_dir(self) -> str | None:
        """Return the run directory relative to the project, or None before the run is opened."""
        return _text_or_none(self.opened.get("run_dir"))

    @property
    def check(self) -> bool:
        """Return whether this is a dry run."""
        return bool(self.opened.get("check"))

    @property
    def benchmarks(self) -> list[str]:
        """Return the names of the adapters, in the order in which they run."""
        return [str(name) for name in self.opened.get("benchmarks") or ()]

    @property
    def options(self) -> dict[str, Any]:
        """Return the settings of the run as the plan wrote them down."""
        return dict(self.opened.get("options") or {})

    @property
    def label(self) -> str | None:
        """Return the label that the run was given."""
        return _text_or_none(self.options.get("label"))

    @property
    def tags(self) -> list[str]:
        """Return the names that the run carries."""
        tags = self.options.get("tags")
        return [str(tag) for tag in tags] if isinstance(tags, list) else []

    @property
    def controller(self) -> dict[str, Any]:
        """Return the controller process that owns the run: the one that opened it, or resumed it last."""
        last = self.resumed[-1] if self.resumed else self.opened
        return dict(last.get("controller") or {})

    @property
    def phases(self) -> list[str]:
        """Return the phases that are planned."""
        last = self.resumed[-1] if self.resumed else self.opened
        return [str(name) for name in last.get("phases") or ()]

    @property
    def planned_executions(self) -> dict[str, list[dict[str, Any]]]:
        """Return the executions of each adapter as the plan gives them to its role: those that still count."""
        last = self.resumed[-1] if self.resumed else self.opened
        planned = {str(name): list(entries) for name, entries in (last.get("executions") or {}).items()}
        for name, told in self.families.items():
            if told["executions"] is not None:
                planned[name] = list(told["executions"])
        return planned

    def pending_executions(self, adapter: str) -> list[dict[str, Any]]:
        """Return the planned executions of an adapter that are not over: to be begun, or to be waited for."""
        return [
            planned
            for planned in self.planned_executions.get(adapter, ())
            if (known := self.executions.get(str(planned["execution_id"]))) is None or known.state != ENDED
        ]

    @property
    def reattached(self) -> list[str]:
        """Return the executions that the controller of now found on the host when it came."""
        return [str(name) for name in self.resumed[-1].get("reattached") or ()] if self.resumed else []

    @property
    def noise_may_be_in_force(self) -> bool:
        """Return whether noise settings of the run may be in force on its host.

        A controller that was killed while it applied them has recorded nothing of it.
        """
        told = (self.noise or {}).get("state")
        if told in {"applied", "verified", "disturbed", "restored"}:
            return bool(told != "restored")
        begun = any(
            entry.step.phase == "execute" and entry.state not in {steps.PENDING, steps.SKIPPED}
            for entry in self.steps.values()
        )
        return begun and bool(self.options.get("noise"))

    @property
    def active_step(self) -> StepState | None:
        """Return the step that is running: the one that began last, or None."""
        if self.last_began is not None and self.steps[self.last_began].state == steps.RUNNING:
            return self.steps[self.last_began]
        return next((entry for entry in reversed(self.steps.values()) if entry.state == steps.RUNNING), None)

    @property
    def active_executions(self) -> list[ExecutionState]:
        """Return the executions that began and have not ended."""
        return [
            entry for entry in self.executions.values() if entry.state == RUNNING and not entry.superseded
        ]

    @property
    def awaited_executions(self) -> list[ExecutionState]:
        """Return the executions that may be running: a task hands its records over only when it ends."""
        active = self.active_step
        if active is None or active.step.phase != "execute":
            return self.active_executions
        adapter = active.step.adapter
        return [
            entry
            for entry in self.executions.values()
            if entry.adapter == adapter
            and entry.state != ENDED
            and not (entry.superseded or entry.not_needed)
        ]

    @property
    def awaited_beats(self) -> list[str]:
        """Return what may have a live beat: the executions that may be running, and the step that is."""
        active = self.active_step
        own = [active.step.step_id] if active else []
        return [entry.execution for entry in self.awaited_executions] + own

    @property
    def failed_steps(self) -> list[StepState]:
        """Return the steps that failed, and those skipped for a failure of their own, in the plan's order."""
        return [
            entry
            for entry in self.steps.values()
            if entry.state == steps.FAILED or (entry.state == steps.SKIPPED and entry.failure)
        ]

    def step_states(self) -> dict[str, str]:
        """Return the state of each step by its id."""
        return {name: entry.state for name, entry in self.steps.items()}

    def execution_began(self, adapter: str | None) -> bool:
        """Return whether an execution of this adapter was started."""
        return any(entry.adapter == adapter and entry.state != PLANNED for entry in self.executions.values())


def attachments_of(packaging: Mapping[str, Any]) -> dict[str, str]:
    """Return the digests of the operator's files that an adapter's entry of `packaging` put on the host, by name."""
    return {
        str(each["name"]): str(each["sha256"])
        for each in packaging.get("attachments") or []
        if each["accepted"] and each["sha256"]
    }


def used_bundle(packaging: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the bundle that an adapter's entry of `packaging` led to: the chosen one, or what was made of it."""
    chosen, made = packaging.get("chosen"), packaging.get("made")
    if not isinstance(chosen, dict):
        return None
    return {**chosen, **(made if isinstance(made, dict) else {})}


def fold(records: Iterable[Mapping[str, Any]]) -> RunState:
    """Return the state after these records. Records that make no sense are counted and skipped, never raised."""
    state = RunState()
    for record in records:
        apply(state, record)
    return state


def apply(state: RunState, record: Mapping[str, Any]) -> None:
    """Bring `state` forward by one record of the journal. Unknown kinds change nothing but the last record seen."""
    seq = record.get("seq")
    previous = state.last["seq"] if state.last else 0
    if isinstance(seq, int):
        if seq <= previous:
            state.unusable_records += 1
            return
        state.missing_records += seq - previous - 1
    state.last = {"seq": seq, "at": record.get("at"), "mono": record.get("mono"), "kind": record.get("kind")}
    handler = _HANDLERS.get(str(record.get("kind")))
    if handler is None:
        return
    try:
        handler(state, record)
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError):
        # A record of another version or a damaged one: the rest of the run must stay readable.
        state.unusable_records += 1


def _run_opened(state: RunState, record: Mapping[str, Any]) -> None:
    if state.opened:
        raise ValueError("opened twice")
    opened = _body(record)
    for name in ("phases", "benchmarks", "steps"):
        opened[name] = _list(opened.get(name))
    for name in ("executions", "controller", "versions", "project", "options", "inventory"):
        opened[name] = _dict(opened.get(name))
    opened["executions"] = _planned(opened["executions"])
    opened["identity"] = _identity(opened.get("identity"))
    planned = [steps.Step.from_dict(fields) for fields in opened["steps"]]
    state.opened = opened
    state.opened_at = _text_or_none(record.get("at"))
    state.opened_mono = _number(record.get("mono"))
    for step in planned:
        state.steps[step.step_id] = StepState(step)
    _plan_executions(state, opened["executions"])


def _planned(executions: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the planned executions of each adapter. Raises `TypeError` or `ValueError` when one is none."""
    planned = {str(name): [_dict(entry) for entry in _list(of)] for name, of in executions.items()}
    for entries in planned.values():
        for entry in entries:
            steps.check_id(entry.get("execution_id"))
    return planned


def _identity(value: Any) -> dict[str, Any] | None:
    found = _dict(value)
    return {**found, "adapters": _dict(found.get("adapters"))} if found else None


def _plan_executions(state: RunState, planned: Mapping[str, Any]) -> None:
    for adapter, executions in planned.items():
        for fields in executions:
            name = str(fields["execution_id"])
            if name not in state.executions:
                state.executions[name] = ExecutionState(
                    execution=name,
                    adapter=str(adapter),
                    family=_text_or_none(fields.get("family")),
                    repeat=_whole_or_none(fields.get("repeat")),
                    time_limit_s=_number(fields.get("time_limit_s")),
                    warmup=bool(fields.get("warmup")),
                )


def _run_resumed(state: RunState, record: Mapping[str, Any]) -> None:
    body = _body(record)
    for name in ("phases", "reattached"):
        body[name] = _list(body.get(name))
    body["executions"] = _planned(_dict(body.get("executions")))
    body["identity"] = _identity(body.get("identity"))
    if _dict(body.get("controller")).get("boot_id") != state.controller.get("boot_id"):
        # The monotonic clock of another machine or boot has nothing to do with that of the beginning.
        state.opened_mono = None
    planned = [steps.Step.from_dict(fields) for fields in _list(body.get("steps"))]
    again = {str(name) for name in _list(body.get("again"))}
    known = state.steps
    state.steps = OrderedDict((step.step_id, known.get(step.step_id) or StepState(step)) for step in planned)
    # A step that the plan no longer has stays: what happened is not forgotten. What did not complete is left for later.
    for name, entry in known.items():
        if name not in state.steps:
            state.steps[name] = entry if entry.state == steps.COMPLETED else StepState(entry.step)
    for name in again & known.keys():
        earlier = known[name]
        fresh = StepState(earlier.step, attempt=earlier.attempt + 1, tasks=earlier.tasks)
        state.steps[name] = replace(fresh, artifacts=earlier.artifacts)
    _plan_executions(state, body["executions"])
    for name in map(str, _list(body.get("superseded"))):
        if name in state.executions:
            state.executions[name].superseded = True
            _repeat_again(state, state.executions[name])
        state.results.pop(name, None)
    state.resumed.append({"at": record.get("at"), **body})
    # What they meant on the host is in the plan that was just made.
    for told in state.families.values():
        told["executions"] = None
    state.closed, state.closed_mono, state.stop, state.recovered = None, None, None, None
    # What was put back may be applied again.
    state.noise = None if (state.noise or {}).get("state") == "restored" else state.noise
    state.last_began = None
    state.open_tasks.clear()


def _run_recovered(state: RunState, record: Mapping[str, Any]) -> None:
    state.recovered = {"at": record.get("at"), **_body(record)}
    if _dict(record.get("controller")).get("boot_id") != state.controller.get("boot_id"):
        # What follows is told by another machine's clock, or by the same one's after a boot.
        state.opened_mono = None


def _rebuilt(state: RunState, record: Mapping[str, Any]) -> None:
    earlier = (state.rebuilt or {}).get("lost") or []
    lost = [str(words) for words in _list(record.get("lost"))]
    state.rebuilt = {"at": record.get("at"), "lost": list(dict.fromkeys([*earlier, *lost]))}
    # Its clock was not the controller's.
    state.opened_mono = None
    _raise_counts(state.tasks, _dict(record.get("tasks")))
    for name, counts in _dict(record.get("steps")).items():
        if name in state.steps:
            _raise_counts(state.steps[name].tasks, _dict(counts))
    for totals, told in (
        (state.transfers, record.get("transfers")),
        (state.commands, record.get("commands")),
    ):
        for name, counts in _dict(told).items():
            if name in totals:
                _raise_counts(totals[name], _dict(counts))
    for name in map(str, _list(record.get("superseded"))):
        if name in state.executions:
            state.executions[name].superseded = True
        state.results.pop(name, None)
    if record.get("last_step_begun") in state.steps:
        state.last_began = record["last_step_begun"]


def _raise_counts(counts: TaskCounts | TransferTotals | CommandTotals, told: Mapping[str, Any]) -> None:
    """Bring counts up to what documents told; the records that are left may be fewer."""
    for item in fields_of(counts):
        value = _number(told.get(item.name)) or 0
        kind = type(getattr(counts, item.name))
        setattr(counts, item.name, max(getattr(counts, item.name), kind(value)))


def _control(state: RunState, record: Mapping[str, Any]) -> None:
    state.controls.add(str(record["id"]))
    if record.get("action") == "stop" and state.stop is None:
        state.stop = {"at": record.get("at"), **_body(record)}


def _lease(state: RunState, record: Mapping[str, Any]) -> None:
    state.lease = {"at": record.get("at"), **_body(record), "state": str(record["state"])}


def _noise(state: RunState, record: Mapping[str, Any]) -> None:
    state.noise = {"at": record.get("at"), **_body(record), "state": str(record["state"])}


def _verdict(state: RunState, record: Mapping[str, Any]) -> None:
    told = {name: _list(record.get(name)) for name in ("reasons", "unknown")}
    _execution_of(state, record).verdict = {**_body(record), **told, "verdict": str(record["verdict"])}


def _repeats(state: RunState, record: Mapping[str, Any]) -> None:
    adapter, family = str(record["adapter"]), str(record["family"])
    state.repeats[f"{adapter}.{family}"] = _body(record)
    if record.get("stopped_by") == "precise_enough":
        for entry in state.executions.values():
            if (entry.adapter, entry.family) == (adapter, family) and not entry.warmup:
                entry.not_needed = entry.state == PLANNED


def _repeat_again(state: RunState, gone: ExecutionState) -> None:
    """Forget why the repeats of a family ended: one of them does not count any more."""
    if gone.warmup:
        return
    state.repeats.pop(f"{gone.adapter}.{gone.family}", None)
    for entry in state.executions.values():
        if (entry.adapter, entry.family) == (gone.adapter, gone.family):
            entry.not_needed = False


def _task_began(state: RunState, record: Mapping[str, Any]) -> None:
    state.open_tasks[str(record["uuid"])] = OpenTask(
        task=str(record.get("task") or ""),
        action=str(record.get("action") or ""),
        step=_text_or_none(record.get("step")),
        at=_text_or_none(record.get("at")),
    )
    while len(state.open_tasks) > MOST_OPEN_TASKS:
        del state.open_tasks[next(iter(state.open_tasks))]
    _touch(state, record)


def _task_ended(state: RunState, record: Mapping[str, Any]) -> None:
    remote = int(_number(record.get("remote")) or 0)
    seconds = _number(record.get("duration_s")) or 0.0
    is_item = record.get("item") is not None
    status = record.get("status")
    if status not in TASK_STATUSES:
        raise ValueError(status)
    step = state.steps.get(str(record.get("step")))
    for counts in (state.tasks, *((step.tasks,) if step else ())):
        counts.remote += remote
        if not is_item:
            setattr(counts, status, getattr(counts, status) + 1)
            counts.seconds += seconds
    uuid = str(record.get("uuid"))
    if not is_item:
        state.open_tasks.pop(uuid, None)
    elif uuid in state.open_tasks:
        state.open_tasks[uuid].items += 1
    _touch(state, record)


def _touch(state: RunState, record: Mapping[str, Any]) -> None:
    step = state.steps.get(str(record.get("step")))
    if step is not None:
        step.last_at = _text_or_none(record.get("at"))


def _step_of(state: RunState, record: Mapping[str, Any]) -> StepState:
    step_id = str(record["step"])
    if step_id not in state.steps:
        # The journal's opening record was lost: what is known of the step is in its id.
        state.steps[step_id] = StepState(steps.Step.from_dict({"step_id": step_id}))
    return state.steps[step_id]


def _move(state: RunState, entry: StepState, new: str) -> bool:
    if not steps.is_legal(entry.state, new):
        state.illegal_transitions += 1
        return False
    entry.state = new
    return True


def _step_began(state: RunState, record: Mapping[str, Any]) -> None:
    entry = _step_of(state, record)
    at, mono = _text_or_none(record.get("at")), _number(record.get("mono"))
    if _move(state, entry, steps.RUNNING):
        entry.began_at, entry.began_mono, entry.last_at = at, mono, at
        state.last_began = entry.step.step_id


def _step_beat(state: RunState, record: Mapping[str, Any]) -> None:
    entry = state.steps[str(record["step"])]
    if entry.state == steps.RUNNING:
        entry.beat = {"at": _text_or_none(record.get("at")), **_body(record)}


def _step_ended(state: RunState, record: Mapping[str, Any]) -> None:
    entry = _step_of(state, record)
    mono, duration = _number(record.get("mono")), _number(record.get("duration_s"))
    failure = record.get("failure")
    if not _move(state, entry, str(record["state"])):
        return
    entry.ended_at = _text_or_none(record.get("at"))
    entry.reason = _text_or_none(record.get("reason"))
    entry.failure = dict(failure) if isinstance(failure, dict) else None
    if duration is None and entry.began_mono is not None and mono is not None:
        duration = max(0.0, round(mono - entry.began_mono, 3))
    entry.duration_s = duration


def _platform(state: RunState, record: Mapping[str, Any]) -> None:
    state.platform = _body(record)


def _readiness(state: RunState, record: Mapping[str, Any]) -> None:
    state.readiness[str(record["adapter"])] = {"status": None, **_body(record)}


def _families(state: RunState, record: Mapping[str, Any]) -> None:
    adapter = str(record["adapter"])
    executions = record.get("executions")
    if executions is not None:
        executions = _planned({adapter: executions})[adapter]
        _plan_executions(state, {adapter: executions})
    state.families[adapter] = {"executions": executions, "unavailable": _list(record.get("unavailable"))}


def _packaging(state: RunState, record: Mapping[str, Any]) -> None:
    state.packaging[str(record["adapter"])] = {**_dict(record["decision"]), "made": record.get("made")}


def _transfer(state: RunState, record: Mapping[str, Any]) -> None:
    totals = state.transfers[str(record["direction"])]
    seconds, size = _number(record.get("duration_s")) or 0.0, int(_number(record.get("bytes")) or 0)
    totals.count += 1
    totals.seconds += seconds
    if record.get("reused"):
        totals.reused += 1
    else:
        totals.bytes += size
    _touch(state, record)


def _command(state: RunState, record: Mapping[str, Any]) -> None:
    totals = state.commands[str(record.get("where") or "controller")]
    seconds = _number(record.get("duration_s")) or 0.0
    totals.count += 1
    totals.failed += record.get("rc") != 0
    totals.seconds += seconds
    _touch(state, record)


def _execution_of(state: RunState, record: Mapping[str, Any]) -> ExecutionState:
    name = str(record["execution"])
    if name not in state.executions:
        adapter = record.get("adapter") or name.partition(".")[0]
        state.executions[name] = ExecutionState(
            execution=name,
            adapter=str(adapter),
            family=_text_or_none(record.get("family")),
            repeat=_whole_or_none(record.get("repeat")),
        )
    return state.executions[name]


def _execution_began(state: RunState, record: Mapping[str, Any]) -> None:
    entry = _execution_of(state, record)
    if entry.state == PLANNED:
        # Its first heartbeat may have told of it already, and that is nearer to the truth.
        entry.began_at = _text_or_none(record.get("at"))
        entry.state = RUNNING
    entry.job_dir = _text_or_none(record.get("job_dir"))


def _execution_beat(state: RunState, record: Mapping[str, Any]) -> None:
    entry = _execution_of(state, record)
    if entry.state != ENDED:
        if entry.state == PLANNED:
            entry.began_at = _text_or_none(record.get("at"))
        entry.state = RUNNING
        entry.beat = {"at": _text_or_none(record.get("at")), **_body(record)}


def _execution_ended(state: RunState, record: Mapping[str, Any]) -> None:
    entry = _execution_of(state, record)
    entry.duration_s = _number(record.get("duration_s"))
    entry.state = ENDED
    entry.ended_at = _text_or_none(record.get("at"))
    entry.outcome = _text_or_none(record.get("outcome"))
    entry.rc = record.get("rc")
    entry.signal = record.get("signal")
    entry.failure = _dict(record.get("failure")) or None
    entry.metric = _dict(record.get("metric")) or None


def _result(state: RunState, record: Mapping[str, Any]) -> None:
    execution = state.executions.get(str(record["execution"]))
    if execution is not None and execution.superseded:
        return
    headline = [_dict(line) for line in _list(record.get("headline"))]
    told = {name: _text_or_none(record[name]) for name in ("family", "status", "path") if name in record}
    state.results[str(record["execution"])] = {**_body(record), **told, "headline": headline}


def _artifact(state: RunState, record: Mapping[str, Any]) -> None:
    path = str(record["path"])
    size = int(_number(record.get("bytes")) or 0)
    state.artifacts[path] = {"at": record.get("at"), **_body(record), "bytes": size}
    if record.get("artifact_kind") == "export" and path not in state.exports:
        state.exports.append(path)
    step = state.steps.get(str(record.get("step")))
    if step is not None and path not in step.artifacts:
        step.artifacts.append(path)


def _publish(state: RunState, record: Mapping[str, Any]) -> None:
    entry = {"at": record.get("at"), **_body(record), "state": str(record["state"])}
    earlier = state.publish.get(str(record["adapter"])) or {}
    staged = entry.get("payload_sha256")
    # What left the house stays told, until there is another payload.
    if staged is None or staged == earlier.get("payload_sha256"):
        kept = {name: earlier[name] for name in publish_states.CARRIED if earlier.get(name) is not None}
        entry = {**kept, **{name: value for name, value in entry.items() if value is not None}}
    state.publish[str(record["adapter"])] = entry


def _run_closed(state: RunState, record: Mapping[str, Any]) -> None:
    state.closed = {"at": record.get("at"), **_body(record)}
    state.closed_mono = _number(record.get("mono"))
    state.open_tasks.clear()


def _incomplete(state: RunState, record: Mapping[str, Any]) -> None:
    state.incomplete = _body(record)


def _body(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in {"seq", "at", "mono", "kind"}}


def _number(value: Any) -> float | None:
    if value is None or (isinstance(value, (int, float)) and math.isfinite(value)):
        return value
    raise TypeError(value)


def _dict(value: Any) -> dict[str, Any]:
    if value is None or isinstance(value, dict):
        return dict(value or {})
    raise TypeError(value)


def _list(value: Any) -> list[Any]:
    if value is None or isinstance(value, list):
        return list(value or ())
    raise TypeError(value)


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _whole_or_none(value: Any) -> int | None:
    return value if isinstance(value, int) else None


_HANDLERS: dict[str, Callable[[RunState, Mapping[str, Any]], None]] = {
    "run.opened": _run_opened,
    "run.resumed": _run_resumed,
    "run.recovered": _run_recovered,
    "rebuilt": _rebuilt,
    "control": _control,
    "lease": _lease,
    "noise": _noise,
    "verdict": _verdict,
    "repeats": _repeats,
    "task.began": _task_began,
    "task.ended": _task_ended,
    "step.began": _step_began,
    "step.beat": _step_beat,
    "step.ended": _step_ended,
    "platform": _platform,
    "readiness": _readiness,
    "packaging": _packaging,
    "families": _families,
    "transfer": _transfer,
    "command": _command,
    "execution.began": _execution_began,
    "execution.beat": _execution_beat,
    "execution.ended": _execution_ended,
    "result": _result,
    "artifact": _artifact,
    "publish": _publish,
    "run.closed": _run_closed,
    "ledger.incomplete": _incomplete,
}
