# SPDX-License-Identifier: Apache-2.0
"""Giving a run directory back what can be had back: documents that are missing, damaged or of an older form, and the
journal itself out of the documents, when that is what is lost. The host is not asked here.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rackbench import clock
from rackbench.errors import INTERRUPTED, RackbenchError
from rackbench.files import open_below, sync_directory
from rackbench.ledger import claim, documents, journal, projections, remains, rundir, steps
from rackbench.ledger import state as states

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rackbench.ledger.state import ExecutionState, RunState

UNREACHABLE = "unreachable"
# States of `lease` and `noise` in the journal in which the host is not as it was before the run.
_HELD = frozenset({"taken", "stolen"})
_OUTCOMES = frozenset({"passed", "partial", "failed", "timeout", "killed", "cancelled", "lost"})
_APPLIED = frozenset({"applied", "verified", "disturbed"})
_LEDGERS = (rundir.COMMAND_LEDGER, rundir.TRANSFER_LEDGER)
# Where a damaged journal is kept, below logs/.
_KEPT = "events-before-recovery"


@dataclass
class Restored:
    """A directory whose documents are whole: what it holds, the paths that were rebuilt, and in words what is lost."""

    loaded: documents.Loaded
    rebuilt: list[str] = field(default_factory=list)
    not_rebuilt: list[str] = field(default_factory=list)


def is_known(state: RunState) -> bool:
    """Return whether the journal tells which run it is of."""
    return state.run_id is not None


def restore(run_dir: Path) -> Restored:
    """Rebuild what is missing, damaged or of an older form; the rest is written anew from the journal.

    The caller holds the claim. Raises `RackbenchError`: `ledger_damaged` when the directory is not laid out as ours
    are, `run_busy`, `ledger_write_failed`, and what `documents.load` raises.
    """
    rundir.check_layout(run_dir)
    is_mended = _mend_journal(run_dir)
    loaded = documents.load(run_dir)
    if loaded.torn:
        # Opening it for writing moves the torn line away.
        journal.JournalWriter(run_dir / rundir.EVENTS).close()
        is_mended, loaded = True, documents.load(run_dir)
    rebuilt = [rundir.EVENTS] if is_mended else []
    if is_known(loaded.state):
        rebuilt += wanting(loaded)
        loaded = documents.write_all(run_dir)
    return Restored(loaded, rebuilt, lost(loaded))


def lost(loaded: documents.Loaded) -> list[str]:
    """Return in words what of this run is gone for good, as far as the directory tells."""
    if not is_known(loaded.state):
        return ["Everything: neither the journal nor a document tells of a run."]
    told = list((loaded.state.rebuilt or {}).get("lost") or ())
    for path, entry in loaded.state.artifacts.items():
        found = remains.size_of(loaded.run_dir / path)
        if found is None:
            told.append(f"{path}: the file is gone.")
        elif found != entry["bytes"]:
            told.append(f"{path}: it has {found} bytes and not the {entry['bytes']} that were registered.")
    return told


def wanting(loaded: documents.Loaded) -> list[str]:
    """Return the documents of a run that are missing, damaged, or of an older form than those written today."""
    state = loaded.state
    found = [
        name
        for name, document_of in documents.STATIC.items()
        if _is_wanting(loaded.run_dir / name, document_of(state))
    ]
    for step_id, entry in state.steps.items():
        name = rundir.step_document(step_id)
        there = os.path.lexists(loaded.run_dir / name)
        if (there or entry.state != steps.PENDING) and _is_wanting(
            loaded.run_dir / name, projections.step_document(state, step_id)
        ):
            found.append(name)
    found += [
        name
        for name in (*_LEDGERS, rundir.RECOVERY_SUMMARY)
        if remains.size_of(loaded.run_dir / name) is None
    ]
    if _is_wanting(loaded.run_dir / rundir.STATUS, documents.status_of(loaded, clock.utc_now())):
        found.append(rundir.STATUS)
    return found


def may_have_left_something(state: RunState) -> bool:
    """Return whether a run may have something on its host still: a job, noise settings, or the lease."""
    if state.check or not is_known(state):
        return False
    if state.recovered is not None:
        told = state.recovered
        return UNREACHABLE in (told.get("lease"), told.get("noise"), *_dict(told.get("jobs")).values())
    finished = state.steps.get("host.finalize")
    if state.closed is None or state.active_executions or may_have_noise(state):
        return True
    if (state.lease or {}).get("state") in _HELD:
        return True
    # The journal is lost that would tell of a lease; a run that came to its end has given it back.
    return state.rebuilt is not None and (finished is None or finished.state != steps.COMPLETED)


def may_be_at_work(state: RunState) -> list[ExecutionState]:
    """Return the executions that a machine may be at work on still, as far as the journal tells.

    They run one after another, and the task tells of one only when it ends, unless a heartbeat did. What an earlier
    recovery could not end is among them.
    """
    names = {entry.execution for entry in state.active_executions or state.awaited_executions[:1]}
    before = _dict((state.recovered or {}).get("jobs"))
    names.update(name for name, ended in before.items() if ended == UNREACHABLE)
    return [entry for entry in state.executions.values() if entry.execution in names]


def may_have_noise(state: RunState) -> bool:
    """Return whether noise settings of a run may still be in force on its host."""
    if state.rebuilt is None:
        return state.noise_may_be_in_force
    finished = state.steps.get("host.finalize")
    is_over = finished is not None and finished.state == steps.COMPLETED
    return bool(state.options.get("noise") or not state.options) and not is_over


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


@dataclass
class OnHost:
    """What was done on the host of a run; None is what was not looked at."""

    lease: str | None = None
    noise: str | None = None
    jobs: dict[str, str] = field(default_factory=dict)
    failures: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_reached(self) -> bool:
        """Return whether nothing is left on the host, as far as is known."""
        return UNREACHABLE not in (self.lease, self.noise, *self.jobs.values())


def unreached(state: RunState, failure: dict[str, Any]) -> OnHost:
    """Return what is known of a host that nothing could be asked of: all that the run had there it has still."""
    return OnHost(
        lease=UNREACHABLE,
        noise=UNREACHABLE if may_have_noise(state) else None,
        jobs={entry.execution: UNREACHABLE for entry in may_be_at_work(state)},
        failures=[failure],
    )


def record(restored: Restored, on_host: OnHost | None) -> documents.Loaded:
    """Write into the journal what was recovered, close a run that is open, and write all documents; return them.

    `on_host` is None when there was nothing to do there. Nothing is written when there is nothing new to tell.
    Raises `RackbenchError("ledger_write_failed")`.
    """
    from rackbench.ledger import control, identity  # here and not above: `rackbench status` needs none of it

    run_dir, state = restored.loaded.run_dir, restored.loaded.state
    told: dict[str, Any] = {
        "by": control.who(),
        "controller": identity.controller(os.getpid()),
        "lease": on_host.lease if on_host else None,
        "noise": on_host.noise if on_host else None,
        "jobs": on_host.jobs if on_host else {},
        "rebuilt": restored.rebuilt,
        "not_rebuilt": restored.not_rebuilt,
    }
    before = state.recovered or {}
    new = [name for name in ("lease", "noise", "jobs") if told[name] and told[name] != before.get(name)]
    is_less = restored.not_rebuilt != (before.get("not_rebuilt") or [])
    # Documents are computed from the journal: that they were written anew is not worth a record of it.
    if not is_known(state) or not (
        new
        or is_less
        or rundir.EVENTS in restored.rebuilt
        or state.closed is None
        or (state.incomplete is not None and state.recovered is None)
    ):
        return restored.loaded
    last = (state.last or {}).get("mono")
    writer = journal.JournalWriter(run_dir / rundir.EVENTS)
    try:
        if on_host is None:
            # What was given back before stays so.
            told.update(
                {name: before.get(name) for name in ("lease", "noise")}, jobs=_dict(before.get("jobs"))
            )
        for name, outcome in (on_host.jobs if on_host else {}).items():
            entry = state.executions.get(name)
            if outcome in _OUTCOMES and entry is not None and entry.state == states.RUNNING:
                ended = {"execution": name, "outcome": outcome, "rc": None, "signal": None}
                states.apply(state, writer.append("execution.ended", ended))
        writer.append("run.recovered", told)
        if state.closed is None:
            _close(writer, state, told["by"], last)
        writer.sync()
    finally:
        writer.close()
    return documents.write_all(run_dir)


def _close(writer: journal.JournalWriter, state: RunState, by: str, last: Any) -> None:
    """Cancel every step that is not over, and close the run. `last` is when the journal tells of it last."""
    for step_id, entry in state.steps.items():
        if entry.state not in {steps.PENDING, steps.RUNNING}:
            continue
        # The time that passed since is none of the step's own.
        seconds = None
        if entry.began_mono is not None and isinstance(last, (int, float)):
            seconds = max(0.0, round(last - entry.began_mono, 3))
        fields = {"step": step_id, "state": steps.CANCELLED, "reason": f"{by} recovered the run"}
        states.apply(state, writer.append("step.ended", {**fields, "duration_s": seconds}))
    failed = [entry.step.step_id for entry in state.failed_steps]
    writer.append("run.closed", {"outcome": "cancelled", "failed_steps": failed, "exit_status": INTERRUPTED})


def first_touch(loaded: documents.Loaded) -> Restored | None:
    """Restore a directory that nobody works on, when something is wanting; None when nothing was done.

    Raises `RackbenchError` when the directory cannot be written or is not laid out as ours are.
    """
    try:
        claim.check_free(loaded, clock.utc_now())
        if not _is_damaged(loaded) and not wanting(loaded):
            return None
        with claim.claim(loaded.run_dir):
            restored = restore(loaded.run_dir)
    except RackbenchError as error:
        if error.code == "run_busy":
            # A run that somebody works on is nobody else's to restore, and nothing is wrong with that.
            return None
        raise
    return restored if restored.rebuilt else None


def keep_fold(loaded: documents.Loaded) -> None:
    """Keep the fold of a long journal to which nobody writes, for whoever asks next."""
    if not documents.is_long(loaded.run_dir, since=loaded.folded_from):
        return
    from rackbench.ledger import checkpoint

    with contextlib.suppress(RackbenchError):
        rundir.check_layout(loaded.run_dir)
        claim.check_free(loaded, clock.utc_now())
        checkpoint.save(loaded)


def _is_wanting(path: Path, today: dict[str, Any]) -> bool:
    """Return whether a document is missing or damaged, or has another schema or fewer fields than today's."""
    document = remains.read_json(path)
    if not isinstance(document, dict) or document.get("schema") != today["schema"]:
        return True
    return any(
        name not in document or type(document[name]) is not type(today[name]) for name in _solid(today)
    )


def _solid(document: dict[str, Any]) -> Iterator[str]:
    """Yield the fields whose type never changes: those that hold an object or a list."""
    return (name for name, value in document.items() if isinstance(value, (dict, list)))


def _is_damaged(loaded: documents.Loaded) -> bool:
    """Return whether the journal has lost records that documents may know of. A torn last line is no such loss."""
    state = loaded.state
    return not is_known(state) or bool(loaded.health.bad_lines) or state.missing_records > 0


def _mend_journal(run_dir: Path) -> bool:
    """Rebuild a lost or damaged journal out of itself and of the documents; return whether it was.

    What is left of the old one is kept below logs/. A journal that was rebuilt before and is whole since is left alone.
    """
    from rackbench.ledger import (
        reconstruct,
    )  # here and not above: pydantic is slow to import, and seldom needed

    loaded = documents.load(run_dir)
    if not _is_damaged(loaded):
        return False
    present: Counter[tuple[str, ...]] = Counter()
    kept = None
    for record in _records(run_dir):
        kept = kept or record
        key = reconstruct.key_of(record)
        if key is not None:
            present[key] += 1
    left = remains.read_documents(run_dir)
    if not present and not (left.status or left.manifest or left.steps or left.artifacts):
        return False
    rebuilt = reconstruct.rebuild(left, present, _problems(loaded), kept)
    if not any(record["kind"] == "run.opened" for record in rebuilt.records) and not is_known(loaded.state):
        return False
    # A journal that tells whose run it is tells too who may still be at work on it.
    mended = states.fold(reconstruct.merged(_records(run_dir), rebuilt.records))
    claim.check_free(documents.Loaded(run_dir, mended), clock.utc_now())
    path = run_dir / rundir.EVENTS
    temporary = path.with_name(f".{rundir.EVENTS}.recovery")
    try:
        (run_dir / rundir.LOGS).mkdir(exist_ok=True)
        # What is there may be a link, and must not be written through.
        temporary.unlink(missing_ok=True)
        handle = open_below(run_dir, temporary.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        with os.fdopen(handle, "wb") as stream:
            for record in reconstruct.merged(_records(run_dir), rebuilt.records):
                stream.write(journal.encode(record))
            stream.flush()
            os.fsync(stream.fileno())
        if path.exists():
            _keep(path, run_dir / rundir.LOGS)
        temporary.replace(path)
        sync_directory(run_dir)
    except OSError as error:
        raise journal.write_failed(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    return True


def _keep(path: Path, folder: Path) -> None:
    """Link a damaged journal into `folder` under a name that is free."""
    number = 1
    while True:
        try:
            os.link(path, folder / f"{_KEPT}-{number}.jsonl")
        except FileExistsError:
            number += 1
        else:
            return


def _records(run_dir: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of what is left of the journal, in their order, each number once."""
    last = 0
    for _number, record, _torn in journal.lines(run_dir / rundir.EVENTS):
        if record is None or record["seq"] <= last:
            continue
        last = record["seq"]
        # One that opens no run would keep the true one out.
        if record["kind"] != "run.opened" or isinstance(record.get("run_id"), str):
            yield record


def _problems(loaded: documents.Loaded) -> list[str]:
    """Return in words what the journal itself has lost."""
    told = []
    if loaded.health.missing or not loaded.state.last:
        told.append("The records of single tasks, heartbeats, leases, noise settings and requests.")
    else:
        if not is_known(loaded.state):
            told.append("The journal's first record; what it held is taken from the documents.")
        gone = len(loaded.health.bad_lines) or loaded.state.missing_records
        told.append(f"{gone} records of the journal, but for what documents tell of them.")
    return told
