# SPDX-License-Identifier: Apache-2.0
"""Finding runs: one row for each run directory below the directory of all runs, newest first.

What a journal says of its run is remembered in one file for as long as the journal keeps its size and modification
time. Whether the controller of a run that is not closed still lives is looked at afresh in every call.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import rackbench
from rackbench import clock
from rackbench.errors import RackbenchError
from rackbench.files import write_atomic
from rackbench.ledger import documents, journal, liveness, monitoring, rundir

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from rackbench.ledger.state import RunState

# Where the rows are remembered, relative to the project.
CACHE = ".rackbench/runs.json"
# Raise the number whenever a row has other fields, or is made of the journal in another way.
_SCHEMA = "rackbench.runs-cache/1.1"
STATES = ("running", "cancelling", "interrupted", "completed", "failed", "cancelled", "unknown")
# From the best to the worst.
VERDICTS = ("valid", "suspect", "void")

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_STAMP = re.compile(r"\d{8}T\d{6}Z")
_RUN_ID = re.compile(r"((\d{4})(\d\d)(\d\d)T\d{6}Z)-([^/\0]+)")


@dataclass(frozen=True, slots=True)
class Row:
    """What is worth knowing of a run in a list. `by` is who started it, as `user@machine`.

    `verdict` is the worst of its executions', and `headline` holds the first number of each benchmark's first result:
    `adapter`, `family`, `label`, `value` and `unit`.
    """

    run_id: str
    run_dir: str
    host: str
    by: str | None
    opened_at: str | None
    closed_at: str | None
    benchmarks: list[str]
    state: str
    verdict: str | None
    headline: list[dict[str, Any]]
    rerun_of: str | None
    label: str | None = None
    tags: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A directory among the runs that holds none, or that cannot be read."""

    path: str
    message: str


@dataclass(frozen=True, slots=True)
class Listing:
    """The runs that fit, newest first, and what was passed over."""

    rows: list[Row] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def listing(
    project: Path,
    runs: str,
    *,
    hosts: Container[str] = (),
    since: datetime | None = None,
    state: str | None = None,
    by: str | None = None,
) -> Listing:
    """Return the runs of a project below its directory `runs`; dry runs are none.

    `hosts` are the names to keep (none: all), `since` the earliest opening, `by` a user or `user@machine`.
    """
    cache = _Cache(project / CACHE)
    found: list[tuple[str, Row]] = []
    skipped: list[Skipped] = []
    here: set[str] = set()
    for name in _directories(project / runs, skipped):
        here.add(name)
        _day, host, stamp = name.split("/")
        if hosts and host not in hosts:
            continue
        if since and _STAMP.fullmatch(stamp) and stamp < clock.stamp(since):
            continue
        try:
            row = _row(project / runs, name, cache)
        except RackbenchError as error:
            skipped.append(Skipped(_printable(f"{runs}/{name}"), error.message))
            continue
        opened = stamp if _STAMP.fullmatch(stamp) else _stamp_of(row.opened_at)
        if since and opened < clock.stamp(since):
            continue
        if (state and row.state != state) or (by and by not in _names_of(row)):
            continue
        found.append((opened, replace(row, run_dir=_printable(f"{runs}/{name}"))))
    cache.save(here)
    found.sort(key=lambda one: (one[0], one[1].run_dir), reverse=True)
    return Listing([row for _opened, row in found], skipped)


def _directories(root: Path, skipped: list[Skipped]) -> Iterator[str]:
    """Yield `day/host/stamp` of each directory that may be a run's."""
    for day in _subdirectories(root, "", skipped):
        if _DAY.fullmatch(day):
            for host in _subdirectories(root, day, skipped):
                yield from _subdirectories(root, host, skipped)


def _subdirectories(root: Path, below: str, skipped: list[Skipped]) -> list[str]:
    try:
        with os.scandir(root / below) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir())
    except FileNotFoundError:
        return []
    except OSError as error:
        path = _printable(f"{root.name}/{below}".rstrip("/"))
        skipped.append(Skipped(path, f"It cannot be read: {error.strerror}."))
        return []
    return [f"{below}/{name}" if below else name for name in names]


def _row(root: Path, name: str, cache: _Cache) -> Row:
    """Return the row of a run directory as it is now. Raises `RackbenchError("not_a_run_directory")`."""
    key = _key(f"{root}/{name}/{rundir.EVENTS}")
    known = cache.get(name, key)
    if known is None:
        # The key was taken before the journal is read: what is appended meanwhile makes it unfit.
        known = _fold(root / name)
        cache.put(name, key, known)
    row, controller = known
    if row.state in monitoring.AT_WORK and liveness.is_alive(controller) is False:
        return replace(row, state="interrupted")
    return row


def _key(path: str) -> tuple[int, int] | None:
    """Return modification time (ns) and size of a journal, or None when there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116 - a Path for each of thousands costs more than the call
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _fold(run_dir: Path) -> tuple[Row, dict[str, Any]]:
    """Return the row of a run whose controller, which comes with it, is taken to be alive."""
    state = documents.load(run_dir).state
    controller = state.opened.get("controller") or {}
    who = [str(controller[part]) for part in ("user", "hostname") if controller.get(part)]
    row = Row(
        run_id=state.run_id or rundir.run_id_of(run_dir),
        run_dir="",
        host=state.host or run_dir.parent.name,
        by="@".join(who) or None,
        opened_at=state.opened_at,
        closed_at=state.closed["at"] if state.closed else None,
        benchmarks=state.benchmarks,
        state=monitoring.run_state(state, alive=None),
        verdict=_worst_verdict(state),
        headline=_headline(state),
        rerun_of=str(state.opened["rerun_of"]) if state.opened.get("rerun_of") else None,
        label=state.label,
        tags=state.tags,
    )
    return row, journal.plain(state.controller)


def directory_of(runs: Path, run_id: str) -> Path | None:
    """Return the directory of a run, or of a dry run, below the directory of all runs; None when it is not there."""
    found = _RUN_ID.fullmatch(run_id)
    if found is None:
        return None
    stamp, year, month, day, host = found.groups()
    places = (runs / f"{year}-{month}-{day}" / host / stamp, runs / "dry-runs" / host / stamp)
    return next((path for path in places if path.is_dir()), None)


def worst(verdicts: Iterable[str | None]) -> str | None:
    """Return the worst of verdicts, where None is none; None without any."""
    told = set(verdicts)
    return next((verdict for verdict in reversed(VERDICTS) if verdict in told), None)


def _worst_verdict(state: RunState) -> str | None:
    return worst(
        entry.verdict["verdict"]
        for entry in state.executions.values()
        if entry.verdict and not entry.warmup and not entry.superseded
    )


def _headline(state: RunState) -> list[dict[str, Any]]:
    first: dict[str, dict[str, Any]] = {}
    for result in state.results.values():
        adapter = str(result.get("adapter"))
        if adapter in first or result.get("warmup") or not result.get("headline"):
            continue
        line = result["headline"][0]
        first[adapter] = {
            "adapter": adapter,
            "family": result.get("family"),
            **{name: journal.plain(line.get(name)) for name in ("label", "value", "unit")},
        }
    return list(first.values())


def _printable(path: str) -> str:
    """Return a path without the bytes that are no text, which a file name may hold."""
    return path.encode("utf-8", "backslashreplace").decode()


def _stamp_of(opened_at: str | None) -> str:
    try:
        return clock.stamp(clock.parse_utc(opened_at or ""))
    except ValueError:
        return ""


def _names_of(row: Row) -> tuple[str, ...]:
    return (row.by, row.by.partition("@")[0]) if row.by else ()


class _Cache:
    """Rows by `day/host/stamp`, each with the key of the journal it was made of.

    The file is only ever replaced as a whole, and it can be missing: one that is not exactly what we wrote is begun
    anew, one that cannot be written is done without. Of two callers at once the later one wins.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries = self._read()
        self._changed = False

    def get(self, name: str, key: tuple[int, int] | None) -> tuple[Row, dict[str, Any]] | None:
        """Return the row and the controller of a run, or None when its journal is not the one they were made of."""
        entry = self._entries.get(name)
        if entry is None or key is None or (entry[0], entry[1]) != key:
            return None
        return Row(**entry[2]), entry[3]

    def put(self, name: str, key: tuple[int, int] | None, known: tuple[Row, Mapping[str, Any]]) -> None:
        """Remember a row and a controller. Without a journal there is nothing that they could be held against."""
        if key is not None:
            self._entries[name] = [*key, asdict(known[0]), dict(known[1])]
            self._changed = True

    def save(self, names: Container[str]) -> None:
        """Write what is new, without the runs that are not among `names` any more."""
        kept = {name: entry for name, entry in self._entries.items() if name in names}
        if not self._changed and len(kept) == len(self._entries):
            return
        body = json.dumps(kept, separators=(",", ":")).encode()
        head = json.dumps(_head(body)).encode()
        try:
            self._path.parent.mkdir(exist_ok=True)
            write_atomic(self._path, head + b"\n" + body, sync=False)
        except OSError:
            return

    def _read(self) -> dict[str, Any]:
        try:
            head, _newline, body = self._path.read_bytes().partition(b"\n")
            if json.loads(head) == _head(body):
                entries: dict[str, Any] = json.loads(body)
                return entries
        except (OSError, ValueError, RecursionError):
            pass
        return {}


def _head(body: bytes) -> dict[str, Any]:
    """Return what the first line says: which program made the rows, and a sum that tells damage."""
    return {"schema": _SCHEMA, "rackbench": rackbench.__version__, "crc32": zlib.crc32(body)}
