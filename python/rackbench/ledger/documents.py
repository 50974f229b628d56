# SPDX-License-Identifier: Apache-2.0
"""Reading a run directory, however damaged, and writing every document that can be computed from its journal."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rackbench import clock
from rackbench.errors import RackbenchError
from rackbench.files import NotRegularError, json_text, open_regular, write_atomic
from rackbench.ledger import alerts, journal, liveness, projections, rundir
from rackbench.ledger import state as states

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from rackbench.ledger.checkpoint import Point
    from rackbench.ledger.monitoring import Live
    from rackbench.ledger.state import RunState


# A journal that is shorter is folded in a moment.
LONG_BYTES = 8 * 1024 * 1024


@dataclass
class Loaded:
    """A run directory as it was read: the folded journal, the live beats, and how whole the journal was.

    The journal has so many `lines` up to the byte `folded_to`; what is before the byte `folded_from` had been folded
    before. `inode` names its file.
    """

    run_dir: Path
    state: RunState
    live: Live = field(default_factory=dict)
    health: alerts.Health = field(default_factory=alerts.Health)
    lines: int = 0
    folded_from: int = 0
    folded_to: int = 0
    inode: int | None = None

    @property
    def torn(self) -> bool:
        """Return whether the journal ends in a torn line."""
        return self.health.torn

    def exists(self, path: str) -> bool:
        """Return whether a path, relative to the run directory, is there."""
        return exists_in(self.run_dir, path)


def exists_in(run_dir: Path, path: str) -> bool:
    """Return whether a path, relative to a run directory, is there; a path that cannot be is not."""
    try:
        return (run_dir / path).exists()
    except (OSError, ValueError):
        return False


def load(run_dir: Path) -> Loaded:
    """Fold the journal of a run directory and read its live beats.

    Missing files, an empty journal, a torn last line and lines that are no records are told in `health` and never
    raised. Raises `RackbenchError`: `not_a_run_directory` when the directory is none of ours or cannot be read,
    `ledger_damaged` when its journal is a link or no file.
    """
    try:
        if not rundir.is_run_directory(run_dir):
            reason = "holds no run" if run_dir.is_dir() else "is no directory"
            raise RackbenchError("not_a_run_directory", f"{run_dir} {reason}.", where=str(run_dir))
        loaded = Loaded(run_dir, states.RunState())
        if kept := _kept(run_dir):
            state, point = kept
            health = alerts.Health(bad_lines=point.bad_lines)
            loaded = Loaded(run_dir, state, {}, health, point.lines, point.offset, point.offset)
        _fold_on(loaded)
    except NotRegularError as error:
        raise RackbenchError(
            "ledger_damaged",
            f"{error.filename} is not read: {error.strerror}.",
            where=str(error.filename),
            next_step="Look at what it is, and move it away.",
            next_path=str(error.filename),
        ) from error
    except OSError as error:
        raise RackbenchError(
            "not_a_run_directory",
            f"{run_dir} cannot be read: {error.strerror or error}.",
            where=str(error.filename or run_dir),
            detail=str(error),
        ) from error
    return loaded


def refreshed(loaded: Loaded) -> Loaded:
    """Return a run directory that was loaded as it is now. Of the journal only what was appended is read.

    A journal that is another file than before, or is not whole up to where it was read, is folded anew. What was loaded
    is not to be used any more. Raises `RackbenchError` as `load` does.
    """
    try:
        # Opened each time: on a network file system, what is known of a file by its name alone may be a minute old.
        with open_regular(loaded.run_dir / rundir.EVENTS) as stream:
            stream.seek(max(0, loaded.folded_to - 1))
            goes_on = os.fstat(stream.fileno()).st_ino == loaded.inode and stream.read(1) == b"\n"
        if goes_on:
            _fold_on(loaded)
            return loaded
    except OSError:
        pass
    return load(loaded.run_dir)


def _fold_on(loaded: Loaded) -> None:
    """Fold what the journal has behind `folded_to`, and read the live beats. Raises `OSError`."""
    torn, bad = False, list(loaded.health.bad_lines)
    try:
        stream = open_regular(loaded.run_dir / rundir.EVENTS)
    except FileNotFoundError:
        loaded.health = alerts.Health(missing=True)
    else:
        with stream:
            loaded.inode = os.fstat(stream.fileno()).st_ino
            stream.seek(loaded.folded_to)
            for line in stream:
                loaded.lines += 1
                loaded.folded_to += len(line)
                if (record := journal.decode(line)) is not None:
                    # A whole object without its newline lost nothing.
                    states.apply(loaded.state, record)
                elif line.endswith(b"\n"):
                    bad.append(loaded.lines)
                else:
                    torn = True
        loaded.health = alerts.Health(torn=torn, bad_lines=tuple(bad))
    loaded.live = read_live(loaded.run_dir, loaded.state.awaited_beats)


def _kept(run_dir: Path) -> tuple[RunState, Point] | None:
    """Return the fold of the journal's beginning that was kept, if the journal is long and there is one that fits."""
    if not is_long(run_dir):
        return None
    from rackbench.ledger import checkpoint  # here and not above: few journals are so long

    return checkpoint.load(run_dir)


def is_long(run_dir: Path, since: int = 0) -> bool:
    """Return whether folding the journal of a run takes long, from the byte `since` on."""
    try:
        return (run_dir / rundir.EVENTS).stat().st_size - since >= LONG_BYTES
    except OSError:
        return False


def read_live(run_dir: Path, names: Iterable[str]) -> Live:
    """Return the live beat of each of these executions and steps that has one; `at` is when its file was renamed."""
    found: Live = {}
    for name in names:
        path = run_dir / rundir.live_document(name)
        try:
            with open_regular(path) as stream:
                written = os.fstat(stream.fileno()).st_mtime
                beat = json.loads(stream.read())
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(beat, dict):
            found[name] = {**beat, "at": clock.utc_text(datetime.fromtimestamp(written, UTC))}
    return found


def current_status(run_dir: Path, now: datetime | None = None) -> dict[str, Any]:
    """Return the status document of a run directory as of `now`, folded afresh from its journal.

    Raises `RackbenchError` as `load` does.
    """
    return status_of(load(run_dir), now or clock.utc_now())


def status_of(loaded: Loaded, now: datetime) -> dict[str, Any]:
    """Return the status document of a run directory that was loaded."""
    alive = liveness.is_alive(loaded.state.controller)
    document = projections.status_document(
        loaded.state,
        now,
        loaded.live,
        alive=alive,
        exists=loaded.exists,
        health=loaded.health,
        run_dir=str(loaded.run_dir),
    )
    if document["run_id"] is None:
        # The opening record is lost: the directory's own name still tells whose run it was.
        path = loaded.run_dir.absolute()
        document.update(run_id=rundir.run_id_of(path), host=path.parent.name)
    return document


# File name and function for each document that depends on the state alone.
STATIC: dict[str, Callable[[RunState], dict[str, Any]]] = {
    rundir.RUN_MANIFEST: projections.run_manifest,
    rundir.ARTIFACT_MANIFEST: projections.artifact_manifest,
    rundir.PUBLISH_LEDGER: projections.publish_ledger,
    rundir.INVENTORY_SNAPSHOT: projections.host_inventory_snapshot,
}


def write_json(run_dir: Path, name: str, document: dict[str, Any], *, sync: bool) -> None:
    """Replace one JSON document of a run directory. Raises `RackbenchError("ledger_write_failed")`."""
    write_text(run_dir, name, json_text(journal.plain(document)), sync=sync)


def write_text(run_dir: Path, name: str, text: str, *, sync: bool) -> None:
    """Replace one text document of a run directory. Raises `RackbenchError("ledger_write_failed")`."""
    path = run_dir / name
    try:
        write_atomic(path, text.encode("utf-8", "backslashreplace"), sync=sync)
    except OSError as error:
        raise journal.write_failed(path, error) from error


def write_all(run_dir: Path, state: RunState | None = None) -> Loaded:
    """Write every document of a run directory anew from its journal, and return what was read.

    `state` is the folded journal when the caller has it already. Only the controller that owns the run may do this, or
    anyone once that controller is gone. Raises `RackbenchError("ledger_write_failed")`, and as `load` does.
    """
    loaded = load(run_dir) if state is None else Loaded(run_dir, state)
    now = clock.utc_now()
    try:
        for name in rundir.DIRECTORIES:
            (run_dir / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise journal.write_failed(run_dir, error) from error
    for name, document_of in STATIC.items():
        write_json(run_dir, name, document_of(loaded.state), sync=True)
    for step_id in loaded.state.steps:
        write_json(
            run_dir,
            rundir.step_document(step_id),
            projections.step_document(loaded.state, step_id),
            sync=True,
        )
    _write_ledgers(run_dir)
    alive = liveness.is_alive(loaded.state.controller)
    summary = projections.recovery_summary(
        loaded.state,
        now,
        loaded.live,
        alive=alive,
        exists=loaded.exists,
        health=loaded.health,
        run_dir=str(loaded.run_dir),
    )
    write_text(run_dir, rundir.RECOVERY_SUMMARY, summary, sync=True)
    write_json(run_dir, rundir.STATUS, status_of(loaded, now), sync=True)
    return loaded


def _write_ledgers(run_dir: Path) -> None:
    """Write the command and transfer ledgers from the journal's records."""
    commands, transfers = bytearray(), bytearray()
    for _number, record, _torn in journal.lines(run_dir / rundir.EVENTS):
        if record is None:
            continue
        if record["kind"] == "command":
            commands += journal.encode(projections.command_line(record))
        elif record["kind"] == "transfer":
            transfers += journal.encode(projections.transfer_line(record))
    for name, content in ((rundir.COMMAND_LEDGER, commands), (rundir.TRANSFER_LEDGER, transfers)):
        write_text(run_dir, name, content.decode(), sync=True)
