# SPDX-License-Identifier: Apache-2.0
"""Journal records out of the documents that are left, when the journal is lost or damaged. Pure.

Documents hold less than the journal: of single tasks and heartbeats they have only counts. What cannot be had back is
told in words. Every record is checked against its model, so that nothing strange gets from a damaged document into the
journal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from rackbench import clock
from rackbench.ledger import journal, publish_states, rundir, steps
from rackbench.models.journal import JournalRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Record = dict[str, Any]
Key = tuple[str, ...]

# What names a record of each kind that documents can give back; the rest of it may differ.
_NAMES: dict[str, tuple[str, ...]] = {
    "run.opened": (),
    "platform": (),
    "step.began": ("step",),
    "step.ended": ("step",),
    "readiness": ("adapter",),
    "packaging": ("adapter",),
    "families": ("adapter",),
    "publish": ("adapter",),
    "execution.began": ("execution",),
    "execution.ended": ("execution",),
    "verdict": ("execution",),
    "repeats": ("adapter", "family"),
    "result": ("execution",),
    "artifact": ("path",),
    "control": ("id",),
    "command": ("at", "argv"),
    "transfer": ("at", "source", "destination"),
    "run.closed": (),
    "ledger.incomplete": (),
}
_ENDED = frozenset({steps.COMPLETED, steps.FAILED, steps.SKIPPED, steps.CANCELLED})
_ADAPTER = TypeAdapter(JournalRecord)
_KIND_IS_LOST = "unknown"
# No run has as many tasks, bytes or seconds.
_MOST = 10**18
# Of records with the same time, those that begin something come first and those that end something last.
_ORDER = {"run.opened": 0, "step.began": 1, "execution.began": 2, "execution.ended": 4, "step.ended": 5}
_LAST = {"run.closed": 7, "ledger.incomplete": 8}


@dataclass(frozen=True)
class Registered:
    """A file of the run directory as it is now: its size and its digest."""

    bytes: int
    sha256: str


@dataclass
class Documents:
    """What is left of a run directory. Contents are as they were read; None and absent is what is lost.

    `files` are those files that documents name as artifacts; `results` has adapter and status of each result.json, and
    `jobs` each job.json, by execution; `export` is exports/results.json.
    """

    run_id: str
    host: str
    run_dir: str
    status: Mapping[str, Any] | None = None
    manifest: Mapping[str, Any] | None = None
    artifacts: Mapping[str, Any] | None = None
    publish: Mapping[str, Any] | None = None
    snapshot: Mapping[str, Any] | None = None
    preflight: Mapping[str, Any] | None = None
    steps: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    commands: list[Mapping[str, Any]] | None = None
    transfers: list[Mapping[str, Any]] | None = None
    controls: list[Mapping[str, Any]] = field(default_factory=list)
    results: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    jobs: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    export: Mapping[str, Any] | None = None
    files: dict[str, Registered] = field(default_factory=dict)


@dataclass(frozen=True)
class Rebuilt:
    """The records that the documents give back, in the order of time, and in words what they cannot give back."""

    records: list[Record]
    lost: list[str]


def key_of(record: Mapping[str, Any]) -> Key | None:
    """Return what names a record among those of its kind; None for a kind that documents cannot give back."""
    kind = str(record.get("kind"))
    names = _NAMES.get(kind)
    return None if names is None else (kind, *(str(record.get(name)) for name in names))


def rebuild(
    left: Documents,
    present: Mapping[Key, int],
    problems: Iterable[str] = (),
    kept: Mapping[str, Any] | None = None,
) -> Rebuilt:
    """Return the records that documents tell of and that are not `present` in what is left of the journal.

    `present` counts the keys of its records, `kept` is any one of them, for its clock, and `problems` say in words what
    is wrong with it. The last record is `rebuilt`: it has the counts of what has no records any more, and what is lost.
    """
    return _Builder(left, present, kept).rebuild(list(problems))


def merged(kept: Iterable[Record], rebuilt: Iterable[Record]) -> Iterator[Record]:
    """Yield the records of a journal and the rebuilt ones in the order of time, with new numbers.

    Records of the journal keep their order among themselves, whatever their times say.
    """
    number = 0
    new = iter(rebuilt)
    waiting = next(new, None)
    for record in kept:
        # The last one counts what all others leave out.
        while waiting is not None and waiting["kind"] != "rebuilt" and _moment(waiting) <= _moment(record):
            number += 1
            yield {**waiting, "seq": number}
            waiting = next(new, None)
        number += 1
        yield {**record, "seq": number}
    while waiting is not None:
        number += 1
        yield {**waiting, "seq": number}
        waiting = next(new, None)


def _moment(record: Mapping[str, Any]) -> tuple[str, int]:
    kind = str(record.get("kind"))
    return str(record.get("at") or ""), _ORDER.get(kind, _LAST.get(kind, 3))


class _Builder:
    """Gathers records and losses."""

    def __init__(self, left: Documents, present: Mapping[Key, int], kept: Mapping[str, Any] | None) -> None:
        self.left = left
        self.present = present
        self.records: list[Record] = []
        self.lost: list[str] = []
        self.status = _mapping(left.status)
        self.manifest = _mapping(left.manifest)
        self.step_rows = self._step_rows()
        self.opened_at = self._first_time(
            self.manifest.get("opened_at"),
            self.status.get("opened_at"),
            _mapping(left.snapshot).get("opened_at"),
            *(row.get("began_at") for row in self.step_rows.values()),
            _time_of(left.run_id),
        )
        # The clock of the journal's own records; without one it is that of the opening.
        clock_of = kept or {}
        self.clock_at = _time(clock_of.get("at")) or self.opened_at
        mono = _numbers({"seconds": clock_of.get("mono")}) if _time(clock_of.get("at")) else {}
        self.clock_mono = float(mono.get("seconds", 0.0))

    def rebuild(self, problems: list[str]) -> Rebuilt:
        """Return everything."""
        self._opened()
        self._platform()
        self._steps()
        self._executions()
        self._by_adapter()
        self._results()
        self._artifacts()
        self._publish()
        self._ledger("command", self.left.commands, rundir.COMMAND_LEDGER)
        self._ledger("transfer", self.left.transfers, rundir.TRANSFER_LEDGER)
        for request in self.left.controls:
            self._add("control", request.get("requested_at"), {**request})
        self._closed()
        counts = self._counts()
        told = [*problems, *dict.fromkeys(self.lost)]
        self.records.sort(key=_moment)
        at = max((record["at"] for record in self.records), default=self.opened_at)
        self.records.append(self._record("rebuilt", at, {**counts, "lost": told}))
        return Rebuilt(self.records, told)

    # -- what was planned ----------------------------------------------------------------------------------------

    def _opened(self) -> None:
        if self.present.get(("run.opened",)):
            return
        manifest, status = self.manifest, self.status
        if not manifest:
            self.lost.append(
                f"The options of the run and the controller's process; {rundir.RUN_MANIFEST} and the journal's first "
                "record are both lost."
            )
        export = _mapping(self.left.export)
        for name in ("versions", "project", "inventory"):
            elsewhere = self.left.snapshot if name == "inventory" else export
            if not manifest.get(name) and not _mapping(elsewhere).get(name):
                self.lost.append(f"The {name} of the run.")
        planned = [_plan_of(row) for row in self.step_rows.values()]
        executions = self._planned_executions()
        phases = _texts(manifest.get("phases")) or _texts(status.get("phases"))
        fields = {
            "schema": journal.SCHEMA,
            "run_id": self.left.run_id,
            "host": self.left.host,
            "run_dir": _text(manifest.get("run_dir")) or _text(status.get("run_dir")) or self.left.run_dir,
            "check": manifest.get("check", status.get("check", False)) is True,
            "phases": phases or [name for name in steps.PHASES if name in {row["phase"] for row in planned}],
            "benchmarks": _texts(manifest.get("benchmarks"))
            or _texts(status.get("benchmarks"))
            or list(dict.fromkeys(row["adapter"] for row in planned if row["adapter"])),
            "steps": planned,
            "executions": executions,
            "controller": self._controller(),
            "versions": {
                name: value
                for name, value in _mapping(manifest.get("versions") or export.get("versions")).items()
                if isinstance(value, str)
            },
            "project": _mapping(manifest.get("project") or export.get("project")),
            "options": _mapping(manifest.get("options")),
            "parent": _text(manifest.get("parent")) or _text(status.get("parent")),
            "worker": _mapping(manifest.get("worker")) or _mapping(status.get("worker")) or None,
            "inventory": _mapping(manifest.get("inventory"))
            or _mapping(_mapping(self.left.snapshot).get("inventory")),
        }
        for name in ("identity", "lease_id", "rerun_of"):
            if manifest.get(name) is not None:
                fields[name] = manifest[name]
        self._add("run.opened", self.opened_at, fields)

    def _controller(self) -> dict[str, Any]:
        known = _mapping(self.manifest.get("controller"))
        return known or {
            "pid": 0,
            "start_ticks": None,
            "boot_id": None,
            "hostname": "unknown",
            "user": "unknown",
        }

    def _planned_executions(self) -> dict[str, list[dict[str, Any]]]:
        planned = {
            adapter: [entry for entry in _mappings(entries) if steps.is_id(entry.get("execution_id"))]
            for adapter, entries in _mapping(self.manifest.get("executions")).items()
        }
        if planned:
            return planned
        found: dict[str, list[dict[str, Any]]] = {}
        for row in self._execution_rows():
            name = str(row.get("execution"))
            job = _mapping(self.left.jobs.get(name))
            entry: dict[str, Any] = {
                "execution_id": name,
                "family": row.get("family"),
                "repeat": row.get("repeat"),
                "warmup": row.get("warmup") is True,
                **{key: job[key] for key in ("parameters", "time_limit_s") if key in job},
            }
            if not job:
                self.lost.append(f"Parameters and time limit of {name}.")
            if isinstance(row.get("adapter"), str):
                found.setdefault(row["adapter"], []).append(entry)
        return found

    def _step_rows(self) -> dict[str, dict[str, Any]]:
        """Return what is known of each step, in the plan's order."""
        rows: dict[str, dict[str, Any]] = {}
        # Older directories have the documents of their steps in status.json only.
        embedded = self.status.get("step_manifests")
        sources: list[Iterable[Any]] = [
            _mappings(self.manifest.get("steps")),
            _mappings(self.status.get("steps")),
            _mapping(self.status.get("steps")).values(),
            _mapping(embedded).values() if isinstance(embedded, Mapping) else _mappings(embedded),
            self.left.steps.values(),
        ]
        for source in sources:
            for row in source:
                name = _mapping(row).get("step_id")
                if isinstance(name, str) and _is_step_id(name):
                    rows.setdefault(name, {}).update({**_mapping(row.get("manifest")), **row})
        # Without a plan the order of the phases is the best there is.
        if not _mappings(self.manifest.get("steps")) and not _mappings(self.status.get("steps")):
            order = sorted(rows, key=lambda name: (str(rows[name].get("began_at") or "~"), name))
            rows = {name: rows[name] for name in order}
        return rows

    # -- what happened -------------------------------------------------------------------------------------------

    def _platform(self) -> None:
        platform = (
            _mapping(self.manifest.get("platform"))
            or _mapping(_mapping(self.left.snapshot).get("platform"))
            or _mapping(_mapping(self.left.preflight).get("platform"))
        )
        if platform:
            self._add("platform", self._end_of("host.discover") or self.opened_at, platform)

    def _steps(self) -> None:
        for name, row in self.step_rows.items():
            state = _text(row.get("state"))
            if state not in _ENDED | {steps.RUNNING}:
                continue
            began = row.get("began_at")
            if began is not None or state == steps.RUNNING:
                self._add("step.began", began, {"step": name})
            if state in _ENDED:
                failure = row.get("failure")
                if failure is None and _text(row.get("code")) and _text(row.get("message")):
                    failure = {"code": row["code"], "message": row["message"]}
                    self.lost.append(f"The details of the failure of {name}.")
                fields = {
                    "step": name,
                    "state": state,
                    "reason": row.get("reason"),
                    "failure": failure,
                    "duration_s": row.get("duration_s"),
                }
                self._add("step.ended", self._end_of(name), fields)

    def _end_of(self, step: str) -> str | None:
        row = self.step_rows.get(step) or {}
        began, seconds = row.get("began_at"), row.get("duration_s")
        if (ended := _time(row.get("ended_at"))) is not None or _time(began) is None:
            return ended or self._first_time(*self._ends_after(step))
        return _later(str(began), seconds)

    def _ends_after(self, step: str) -> Iterator[Any]:
        """Yield times at which a step without times of its own was over: when a later one began, or the run closed."""
        names = list(self.step_rows)
        for name in names[names.index(step) + 1 :] if step in names else ():
            yield self.step_rows[name].get("began_at")
        yield self.manifest.get("closed_at")
        yield self.status.get("closed_at")

    def _execution_rows(self) -> list[Mapping[str, Any]]:
        rows: dict[str, dict[str, Any]] = {}
        sources = [
            _mappings(row.get("executions"))
            for row in self.left.steps.values()
            if isinstance(row.get("executions"), list)
        ]
        for source in [*sources, _mappings(self.status.get("executions"))]:
            for row in source:
                name = row.get("execution")
                if steps.is_id(name):
                    rows.setdefault(name, {}).update(row)
        return list(rows.values())

    def _executions(self) -> None:
        for row in self._execution_rows():
            if _text(row.get("state")) not in {"running", "ended"}:
                continue
            adapter = str(row.get("adapter"))
            step = f"{adapter}.execute"
            began = _time((self.step_rows.get(step) or {}).get("began_at"))
            base = {"execution": row.get("execution")}
            fields = {name: row.get(name) for name in ("adapter", "family", "repeat", "job_dir")}
            self._add("execution.began", began, {**base, **fields, "warmup": row.get("warmup") is True})
            if row["state"] == "ended":
                names = ("outcome", "rc", "signal", "duration_s", "metric")
                ended = {name: row.get(name) for name in names}
                self._add("execution.ended", self._end_of(step), {**base, **ended})
            if isinstance(verdict := row.get("verdict"), str):
                told = {"verdict": verdict, "reasons": [], "unknown": [], "inputs": {}}
                self._add("verdict", self._end_of(step), {**base, **told})
                self.lost.append(
                    "Why verdicts are as they are; conditions.json of each job has what they rest on."
                )
        for row in _mappings(self.status.get("repeats")):
            self._add("repeats", self._end_of(f"{row.get('adapter')}.execute"), row)

    def _by_adapter(self) -> None:
        at = self._end_of("host.preflight") or self.opened_at
        preflight = _mapping(self.left.preflight)
        full = {str(row.get("adapter")): row for row in _mappings(preflight.get("readiness"))}
        shown = _mapping(self.status.get("readiness"))
        for adapter in dict.fromkeys([*full, *shown]):
            row = {**_mapping(full.get(adapter)), **_mapping(shown.get(adapter))}
            if not full.get(adapter):
                self.lost.append(f"What {adapter} looked for on the host, command by command.")
            self._add("readiness", at, {**row, "adapter": adapter})
        decisions = _mapping(self.manifest.get("packaging"))
        looked = _mapping(preflight.get("packaging"))
        used = _mapping(self.status.get("packaging"))
        for adapter in dict.fromkeys([*decisions, *looked, *used]):
            staged = self._end_of(f"{adapter}.stage") or at
            if adapter in decisions:
                decision = dict(_mapping(decisions[adapter]))
                made = decision.pop("made", None)
                self._add("packaging", staged, {"adapter": adapter, "decision": decision, "made": made})
                continue
            self.lost.append(f"What became of the decision about the bundle of {adapter} when it was staged.")
            row = _mapping(used.get(adapter))
            names = ("source", "path", "sha256", "size")
            decision = dict(_mapping(looked.get(adapter))) or {
                "basis": row.get("basis"),
                "chosen": {name: row.get(name) for name in names},
                "candidates": [],
            }
            self._add("packaging", staged, {"adapter": adapter, "decision": decision, "made": None})
        unavailable = _mapping(self.manifest.get("unavailable_families"))
        for adapter, told in {**_mapping(preflight.get("unavailable_families")), **unavailable}.items():
            self._add(
                "families", at, {"adapter": adapter, "executions": None, "unavailable": _mappings(told)}
            )

    def _results(self) -> None:
        shown: dict[str, list[Mapping[str, Any]]] = {}
        for line in _mappings(self.status.get("results")):
            shown.setdefault(str(line.get("execution")), []).append(line)
        known = {str(row.get("execution")): row for row in self._execution_rows()}
        # Without a list of results in status.json there is one wherever a result.json is.
        is_told = isinstance(self.status.get("results"), list)
        names = list(shown) if is_told else list(self.left.results)
        if names:
            numbers = "metrics" if is_told else "headline numbers and metrics"
            self.lost.append(
                f"The {numbers} of results as they were summed up; each result.json has all of them."
            )
        for execution in names:
            lines = shown.get(execution, [])
            row = {**known.get(execution, {}), **(lines[0] if lines else {})}
            left = _mapping(self.left.results.get(execution))
            adapter = row.get("adapter") or left.get("adapter") or execution.partition(".")[0]
            fields = {
                "adapter": adapter,
                "execution": execution,
                "family": row.get("family"),
                "repeat": row.get("repeat"),
                "warmup": row.get("warmup") is True,
                "status": row.get("status") or left.get("status"),
                "metrics": [],
                "headline": [{name: line.get(name) for name in ("label", "value", "unit")} for line in lines],
                "path": f"{rundir.BENCHMARKS}/{adapter}/{execution}/result.json",
            }
            self._add("result", self._end_of(f"{adapter}.collect"), fields)

    def _artifacts(self) -> None:
        listed = {
            row["path"]: row
            for row in _mappings(_mapping(self.left.artifacts).get("artifacts"))
            if isinstance(row.get("path"), str)
        }
        for path, row in listed.items():
            fields = {name: row.get(name) for name in ("path", "bytes", "sha256", "step", "execution")}
            fields.update(artifact_kind=row.get("kind"), publishable=row.get("publishable") is True)
            self._add(
                "artifact", row.get("at") or self._end_of(str(row.get("step"))), {**fields, "path": path}
            )
        if self.left.artifacts is not None:
            return
        exports = set(_texts(self.status.get("exports")))
        for step, document in self.left.steps.items():
            for path in _texts(document.get("artifacts")):
                found = self.left.files.get(path)
                if found is None:
                    self.lost.append(f"{path}: the file, its size and its digest.")
                    continue
                parts = path.split("/")
                of = parts[2] if parts[0] == rundir.BENCHMARKS and len(parts) > 3 else None
                fields = {
                    "path": path,
                    "bytes": found.bytes,
                    "sha256": found.sha256,
                    "artifact_kind": "export" if path in exports else _KIND_IS_LOST,
                    "step": step,
                    "execution": of,
                    "publishable": path in exports,
                }
                self._add("artifact", self._end_of(step), fields)
        self.lost.append(
            f"The kinds of registered files, which of them may be published, and the digests that they had; "
            f"{rundir.ARTIFACT_MANIFEST} is lost too. Sizes and digests are those that the files have now."
        )

    def _publish(self) -> None:
        rows = {
            str(row.get("adapter")): row for row in _mappings(_mapping(self.left.publish).get("adapters"))
        }
        for adapter, shown in _mapping(self.status.get("publish")).items():
            rows.setdefault(adapter, _mapping(shown))
        for adapter, row in rows.items():
            fields = {"adapter": adapter, **{name: row.get(name) for name in publish_states.FIELDS}}
            self._add("publish", row.get("at") or self._end_of(f"{adapter}.publish"), fields)

    def _ledger(self, kind: str, lines: list[Mapping[str, Any]] | None, name: str) -> None:
        if lines is None:
            self.lost.append(f"The lines of {name}; their number and sums are those of {rundir.STATUS}.")
            return
        for line in lines:
            fields = {field: value for field, value in line.items() if field in journal.KINDS[kind]}
            self._add(kind, line.get("at"), fields)

    def _closed(self) -> None:
        at = _time(self.manifest.get("closed_at")) or _time(self.status.get("closed_at"))
        outcome = self.manifest.get("outcome")
        if outcome is None and self.status.get("state") in {"completed", "failed", "cancelled"}:
            outcome = self.status["state"]
        if at is None or outcome is None:
            return
        failed = [
            name
            for name, row in self.step_rows.items()
            if row.get("state") == steps.FAILED
            or (row.get("state") == steps.SKIPPED and (row.get("failure") or row.get("code")))
        ]
        told = self.manifest.get("exit_status", self.status.get("exit_status"))
        self._add("run.closed", at, {"outcome": outcome, "failed_steps": failed, "exit_status": told})
        if incomplete := _mapping(_mapping(self.status.get("ledger")).get("incomplete")):
            self._add("ledger.incomplete", at, {name: incomplete.get(name) for name in ("expected", "seen")})

    def _counts(self) -> dict[str, Any]:
        """Return what only was counted: tasks, and the sums of commands and transfers."""
        of_steps = {
            name: numbers for name, row in self.step_rows.items() if (numbers := _numbers(row.get("tasks")))
        }
        counts: dict[str, Any] = {
            name: {place: _numbers(row) for place, row in _mapping(self.status.get(name)).items()}
            for name in ("transfers", "commands")
        }
        counts["tasks"] = _numbers(self.status.get("tasks"))
        if not counts["tasks"] and of_steps:
            total: Counter[str] = Counter()
            for row in of_steps.values():
                total.update(row)
            counts["tasks"] = dict(total)
            self.lost.append("The counts of tasks outside of steps.")
        counts["steps"] = of_steps
        counts["superseded"] = [
            str(row["execution"]) for row in self._execution_rows() if row.get("superseded") is True
        ]
        counts["last_step_begun"] = _text(self.status.get("last_step_begun"))
        return counts

    # -- how a record is made ------------------------------------------------------------------------------------

    def _record(self, kind: str, at: str, fields: Mapping[str, Any]) -> Record:
        kept = {name: value for name, value in fields.items() if name in journal.KINDS[kind]}
        return {"seq": 1, "at": at, "mono": self._mono(at), "kind": kind, **journal.plain(kept)}

    def _mono(self, at: str) -> float:
        """Return what the clock of the journal's own records must have shown."""
        passed = clock.parse_utc(at) - clock.parse_utc(self.clock_at)
        return round(self.clock_mono + passed.total_seconds(), 3)

    def _add(self, kind: str, at: Any, fields: Mapping[str, Any]) -> None:
        """Keep a record unless the journal has it, and tell of one that is damaged."""
        record = self._record(kind, _time(at) or self.opened_at, fields)
        key = key_of(record)
        if key is not None and self.present.get(key):
            return
        try:
            # As it will be read: texts with halves of characters are none in JSON.
            _ADAPTER.validate_json(journal.encode(record), strict=True)
        except (ValidationError, ValueError, OverflowError, RecursionError):
            named = next((f" of {fields[name]}" for name in _NAMES.get(kind, ()) if fields.get(name)), "")
            self.lost.append(f"The record {kind}{named[:80]}: what documents tell of it cannot be used.")
            return
        self.records.append(record)

    def _first_time(self, *candidates: Any) -> str:
        return next(filter(None, map(_time, candidates)), "1970-01-01T00:00:00.000Z")


def _plan_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a step as it was planned, out of what is known of it."""
    depends = row.get("depends")
    known = {
        "step_id": row["step_id"],
        "role": _text(row.get("role")) or "",
        "depends": _texts(depends),
    }
    if "adapter" in row and (row["adapter"] is None or isinstance(row["adapter"], str)):
        known["adapter"] = row["adapter"]
    return steps.Step.from_dict(known).as_dict()


def _is_step_id(name: str) -> bool:
    """Return whether a name can be a step's of a known phase."""
    owner, dot, phase = name.rpartition(".")
    return bool(owner and dot) and phase in steps.PHASES and steps.is_id(name)


def _later(at: str, seconds: Any) -> str:
    from datetime import timedelta

    try:
        return clock.utc_text(clock.parse_utc(at) + timedelta(seconds=float(seconds or 0)))
    except (TypeError, ValueError, OverflowError):
        return at


def _time(value: Any) -> str | None:
    """Return a time as records have it, or None."""
    if not isinstance(value, str):
        return None
    try:
        return clock.utc_text(clock.parse_utc(value))
    except (ValueError, OverflowError):
        return None


def _time_of(run_id: str) -> str | None:
    """Return the time in a run's id."""
    return _time(run_id.partition("-")[0])


def _numbers(value: Any) -> dict[str, float]:
    """Return the counts in an object that can be counts."""
    return {
        name: number
        for name, number in _mapping(value).items()
        if type(number) in {int, float}
        and 0 <= number < _MOST
        and (name == "seconds" or int(number) == number)
    }


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _texts(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _mapping(value: Any) -> dict[str, Any]:
    return {str(name): item for name, item in value.items()} if isinstance(value, Mapping) else {}


def _mappings(value: Any) -> list[dict[str, Any]]:
    return [_mapping(item) for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
