# SPDX-License-Identifier: Apache-2.0
"""The one writer of a run's journal, ledgers and projections, as the callback drives it."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from typing import TYPE_CHECKING, Any

from rackbench import clock
from rackbench.errors import RackbenchError
from rackbench.files import open_below, read_regular
from rackbench.ledger import (
    checkpoint,
    claim,
    control,
    documents,
    journal,
    monitoring,
    outcome,
    projections,
    rundir,
    steps,
)
from rackbench.ledger import state as states

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

# A status document at most this often, and all open runs together at most so many a second.
STATUS_INTERVAL_S = 0.25
STATUS_WRITES_PER_S = 20.0
# The journal keeps at most one beat of an execution or a step in this time; status shows each one at once.
BEAT_INTERVAL_S = 5.0

# Which document a record changes. Those named here are written at the next step border.
_CHANGES: dict[str, tuple[str, ...]] = {
    "run.opened": tuple(documents.STATIC),
    "run.resumed": tuple(documents.STATIC),
    "platform": (rundir.RUN_MANIFEST, rundir.INVENTORY_SNAPSHOT),
    "packaging": (rundir.RUN_MANIFEST,),
    "families": (rundir.RUN_MANIFEST,),
    "artifact": (rundir.ARTIFACT_MANIFEST,),
    "publish": (rundir.PUBLISH_LEDGER,),
    "run.closed": (rundir.RUN_MANIFEST,),
    "ledger.incomplete": (rundir.RUN_MANIFEST,),
}
_BORDERS = frozenset(
    {"run.opened", "run.resumed", "step.began", "step.ended", "run.closed", "ledger.incomplete", "notified"}
)


def status_interval(open_runs: int) -> float:
    """Return the least seconds between two status documents of one run when so many runs are open."""
    return max(STATUS_INTERVAL_S, open_runs / STATUS_WRITES_PER_S)


class Recorder:
    """Appends to one run's journal, keeps its state, and writes its documents when they are due.

    `record` is quick: one write and one step of the fold. Documents are written at step borders; `status.json` in
    between by `tick`, which another thread may call. After a failed write every call raises the same failure.
    """

    def __init__(self, run_dir: Path) -> None:
        """Open the journal of a run directory and fold what it holds.

        Raises `RackbenchError`: `ledger_write_failed`, `run_busy` while another process writes to it, or
        `not_a_run_directory` when it cannot be read.
        """
        self.run_dir = run_dir
        self._prefix = f"{run_dir}/"
        self._lock = threading.RLock()
        self._failure: RackbenchError | None = None
        self._sign = claim.Sign(run_dir)
        try:
            self._journal = journal.JournalWriter(run_dir / rundir.EVENTS)
        except BaseException:
            self._sign.close()
            raise
        self._ledgers: dict[str, int] = {}
        try:
            for name in (rundir.COMMAND_LEDGER, rundir.TRANSFER_LEDGER):
                self._ledgers[name] = _open_ledger(run_dir / name)
            self._loaded = documents.load(run_dir)
        except BaseException:
            self.close()
            raise
        self.state = self._loaded.state
        self._fold_kept_at = self._loaded.folded_from
        self._dirty: set[str] = set()
        self._status_due = False
        self._status_written = float("-inf")
        self._beats: dict[str, _Beat] = {}

    @property
    def is_open(self) -> bool:
        """Return whether the run was opened and not closed."""
        return bool(self.state.opened) and self.state.closed is None

    def record(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Append one record, apply it, and at a step border write the documents that changed.

        A field `step` that the kind has and the caller leaves out is the step that is running. Raises `RackbenchError`:
        `ledger_write_failed`, or `illegal_transition` for a step that may not change so (nothing is recorded then).
        """
        with self._lock:
            self._check()
            if kind in {"step.began", "step.ended"}:
                self._check_step(kind, fields)
            elif fields.get("step") is None and "step" in journal.KINDS[kind]:
                active = self.state.active_step
                fields["step"] = active.step.step_id if active else None
            try:
                return self._record(kind, fields)
            except RackbenchError as error:
                self._failure = error
                raise

    def resume(self, fields: Mapping[str, Any]) -> None:
        """Record that the run goes on, which answers what was asked of its earlier part. Raises as `record` does."""
        self._read_requests()
        self.record("run.resumed", **fields)

    def close_run(self) -> None:
        """Record that the run is closed, with the outcome of its steps as they stand. Raises as `record` does."""
        self.record("run.closed", **outcome.outcome_of(self.state).as_dict())

    def tick(self, now_mono: float, interval_s: float) -> bool:
        """Take up requests and changed live beats, and write status.json when it is due; return whether it was written.

        `interval_s` is the least time between two of them. Raises `RackbenchError("ledger_write_failed")`.
        """
        with self._lock:
            if self._failure is not None or not self.is_open:
                return False
            self._sign.give(now_mono)
            try:
                self._read_requests()
                self._read_beats(now_mono)
                if not self._status_due or now_mono - self._status_written < interval_s:
                    return False
                self._write_status()
            except RackbenchError as error:
                self._failure = error
                raise
            return True

    def status(self) -> dict[str, Any]:
        """Return the status document of this moment."""
        with self._lock:
            return projections.status_document(
                self.state, clock.utc_now(), self._live(), alive=True, exists=self._exists
            )

    def close(self) -> None:
        """Close the files. What is not written yet can be computed from the journal at any time."""
        with self._lock:
            self._journal.close()
            for handle in self._ledgers.values():
                os.close(handle)
            self._ledgers.clear()
            self._sign.close()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _check_step(self, kind: str, fields: Mapping[str, Any]) -> None:
        step_id = str(fields.get("step"))
        if step_id not in self.state.steps:
            raise RackbenchError("illegal_transition", f"The run has no step {step_id}.", where=step_id)
        new = steps.RUNNING if kind == "step.began" else str(fields.get("state"))
        steps.check_transition(step_id, self.state.steps[step_id].state, new)

    def _record(self, kind: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        border = kind in _BORDERS
        if kind == "transfer":
            fields = {name: self._relative(value) for name, value in fields.items()}
        record = self._journal.append(kind, fields, sync=border)
        states.apply(self.state, record)
        if kind == "command":
            self._append(rundir.COMMAND_LEDGER, projections.command_line(record))
        elif kind == "transfer":
            self._append(rundir.TRANSFER_LEDGER, projections.transfer_line(record))
        self._dirty.update(_CHANGES.get(kind, ()))
        self._status_due = True
        self._loaded.lines += 1
        if border:
            self._write_border(kind, record)
        self._keep_fold()
        return record

    def _keep_fold(self) -> None:
        """Now and then keep the fold of a long journal, so that its readers need not fold it from its beginning."""
        if self._journal.size - self._fold_kept_at >= documents.LONG_BYTES:
            self._fold_kept_at = self._journal.size
            checkpoint.save(self._loaded)

    def _relative(self, value: Any) -> Any:
        """Return a path below the run directory relative to it, and anything else as it is."""
        return value.removeprefix(self._prefix) if isinstance(value, str) else value

    def _append(self, name: str, line: Mapping[str, Any]) -> None:
        data = journal.encode(line)
        try:
            journal.write_whole(self._ledgers[name], data)
        except OSError as error:
            raise journal.write_failed(self.run_dir / name, error) from error

    def _write_border(self, kind: str, record: Mapping[str, Any]) -> None:
        if kind in {"step.began", "step.ended"}:
            step_id = str(record["step"])
            document = projections.step_document(self.state, step_id)
            documents.write_json(
                self.run_dir, rundir.step_document(step_id), document, sync=kind == "step.ended"
            )
        for step_id in record.get("again") or ():
            document = projections.step_document(self.state, step_id)
            documents.write_json(self.run_dir, rundir.step_document(step_id), document, sync=False)
        closes = kind in {"run.closed", "ledger.incomplete"}
        if kind != "step.began":
            for name in sorted(self._dirty):
                document = documents.STATIC[name](self.state)
                documents.write_json(self.run_dir, name, document, sync=kind != "run.opened")
            self._dirty.clear()
            self._write_summary(sync=closes)
        self._write_status(sync=closes)

    def _write_summary(self, *, sync: bool) -> None:
        summary = projections.recovery_summary(
            self.state, clock.utc_now(), self._live(), alive=True, exists=self._exists
        )
        documents.write_text(self.run_dir, rundir.RECOVERY_SUMMARY, summary, sync=sync)

    def _write_status(self, *, sync: bool = False) -> None:
        documents.write_json(self.run_dir, rundir.STATUS, self.status(), sync=sync)
        self._status_written = clock.monotonic()
        self._status_due = False

    def _exists(self, path: str) -> bool:
        return documents.exists_in(self.run_dir, path)

    def _live(self) -> dict[str, dict[str, Any]]:
        return {name: beat.document for name, beat in self._beats.items() if beat.document}

    def _read_requests(self) -> None:
        """Record what was asked of the run from outside, each request once."""
        for request in control.open_requests(self.run_dir, self.state.controls):
            # Anybody can put a file there: what is no text, or no time, is not taken over.
            texts = {
                name: value
                for name in ("id", "action", "by", "reason", "requested_at")
                if isinstance(value := request.get(name), str)
            }
            asked_at = _utc_or_none(texts.pop("requested_at", ""))
            self.record("control", **{"by": "somebody", **texts, "requested_at": asked_at})

    def _read_beats(self, now_mono: float) -> None:
        awaited = self.state.awaited_beats
        for name in [name for name in self._beats if name not in awaited]:
            del self._beats[name]
        for name in awaited:
            beat = self._beats.setdefault(name, _Beat())
            self._status_due |= beat.read(self.run_dir / rundir.live_document(name))
            if beat.unrecorded and now_mono - beat.recorded_mono >= BEAT_INTERVAL_S:
                of = "step" if name in self.state.steps else "execution"
                self._record(f"{of}.beat", {**beat.document, of: name})
                beat.unrecorded, beat.recorded_mono = False, now_mono


class _Beat:
    """The newest live beat of an execution or a step, and whether the journal has it."""

    def __init__(self) -> None:
        self.document: dict[str, Any] = {}
        self.unrecorded = False
        self.recorded_mono = float("-inf")
        self._mtime_ns = 0

    def read(self, path: Path) -> bool:
        """Read the live document if its file is new; return whether the time in it, of who beats, went on."""
        try:
            mtime_ns = path.stat().st_mtime_ns
            if mtime_ns == self._mtime_ns:
                return False
            self._mtime_ns = mtime_ns
            beat = json.loads(read_regular(path))
        except (OSError, ValueError, RecursionError):
            return False
        if not isinstance(beat, dict) or monitoring.same_beat(beat, self.document):
            return False
        self.document = {**beat, "at": clock.utc_text(clock.utc_now())}
        self.unrecorded = True
        return True


def _utc_or_none(text: str) -> str | None:
    try:
        return clock.utc_text(clock.parse_utc(text))
    except (ValueError, OverflowError):
        return None


def _open_ledger(path: Path) -> int:
    """Open an append-only ledger; a torn last line of it is cut off, since the journal has the record."""
    try:
        with contextlib.suppress(FileNotFoundError):
            os.truncate(path, read_regular(path).rfind(b"\n") + 1)
        return open_below(path.parent, path.name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    except OSError as error:
        raise journal.write_failed(path, error) from error


class Recorders:
    """The recorders of all runs of one playbook, by host."""

    def __init__(self) -> None:
        """Start with none."""
        self._by_host: dict[str, Recorder] = {}

    def open(self, host: str, run_dir: Path) -> Recorder:
        """Open a run of a host; an earlier one of the same host is left as it is. Raises as `Recorder` does."""
        earlier = self._by_host.pop(host, None)
        if earlier is not None:
            earlier.close()
        self._by_host[host] = Recorder(run_dir)
        return self._by_host[host]

    def get(self, host: str) -> Recorder | None:
        """Return the recorder of a host whose run is open, or None."""
        recorder = self._by_host.get(host)
        return recorder if recorder is not None and recorder.is_open else None

    def by_host(self) -> Iterable[tuple[str, Recorder]]:
        """Return hosts and their recorders, of closed runs too."""
        return list(self._by_host.items())

    def tick(self) -> None:
        """Write the status documents that are due. Raises `RackbenchError("ledger_write_failed")`."""
        waiting = [recorder for _host, recorder in self.by_host() if recorder.is_open]
        interval = status_interval(len(waiting))
        now = clock.monotonic()
        for recorder in waiting:
            recorder.tick(now, interval)

    def close(self) -> None:
        """Close the files of all runs."""
        for recorder in self._by_host.values():
            with contextlib.suppress(OSError):
                recorder.close()
        self._by_host.clear()
