# SPDX-License-Identifier: Apache-2.0
"""The journal `events.jsonl`: one JSON object a line, appended by one `write()`, never changed afterwards."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from rackbench import clock
from rackbench.errors import RackbenchError
from rackbench.files import open_below, open_regular
from rackbench.ledger import publish_states, rundir
from rackbench.words import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SCHEMA = "rackbench.journal/1.0"

# What a record may hold besides seq, at, mono and kind. A field that is not listed never reaches the disk.
KINDS: dict[str, frozenset[str]] = {
    "run.opened": frozenset(
        {
            "schema",
            "run_id",
            "host",
            "run_dir",
            "check",
            "phases",
            "benchmarks",
            "steps",
            "executions",
            "controller",
            "versions",
            "project",
            "options",
            "parent",
            "worker",
            "inventory",
            "identity",
            "lease_id",
            "rerun_of",
        }
    ),
    "run.resumed": frozenset(
        {
            "by",
            "controller",
            "versions",
            "project",
            "inventory",
            "identity",
            "phases",
            "steps",
            "again",
            "executions",
            "reused",
            "reattached",
            "superseded",
            "differences",
        }
    ),
    "run.recovered": frozenset({"by", "controller", "lease", "noise", "jobs", "rebuilt", "not_rebuilt"}),
    "rebuilt": frozenset(
        {"tasks", "steps", "transfers", "commands", "superseded", "last_step_begun", "lost"}
    ),
    "control": frozenset({"id", "action", "by", "reason", "requested_at"}),
    "lease": frozenset({"state", "holder", "expires_in_s", "reason"}),
    "noise": frozenset({"state", "settings", "reason"}),
    "verdict": frozenset({"execution", "verdict", "reasons", "unknown", "inputs"}),
    "repeats": frozenset({"adapter", "family", "count", "metric", "half_width_percent", "stopped_by"}),
    "notified": frozenset({"event", "delivered", "reason"}),
    "play.began": frozenset({"play"}),
    "task.began": frozenset({"task", "action", "uuid", "step"}),
    "task.ended": frozenset({"task", "uuid", "step", "status", "duration_s", "item", "failure", "remote"}),
    "step.began": frozenset({"step"}),
    "step.beat": frozenset({"step", "label", "elapsed_s", "interval_s"}),
    "step.ended": frozenset({"step", "state", "reason", "failure", "duration_s"}),
    "platform": frozenset(
        {
            "machine",
            "os",
            "os_id",
            "os_version",
            "libc",
            "kernel",
            "python",
            "boot_id",
            "host_key",
            "machine_id_digest",
            "cpus",
            "memory_bytes",
            "package_manager",
            "hostname",
            "user",
        }
    ),
    "readiness": frozenset(
        {
            "adapter",
            "status",
            "status_basis",
            "commands",
            "missing",
            "install_command",
            "failure_code",
            "next_command",
            "message",
            "bootstrap",
            "capabilities",
            "requirements",
            "predicted_status",
            "predicted_status_basis",
            "validated_readiness_status",
            "readiness_basis",
        }
    ),
    "packaging": frozenset({"adapter", "decision", "made"}),
    "families": frozenset({"adapter", "executions", "unavailable"}),
    "transfer": frozenset(
        {"direction", "source", "destination", "bytes", "sha256", "duration_s", "reused", "step"}
    ),
    "command": frozenset({"argv", "rc", "signal", "where", "duration_s", "step", "execution", "log"}),
    "execution.began": frozenset(
        {"execution", "adapter", "family", "repeat", "warmup", "job_dir", "reattached"}
    ),
    "execution.beat": frozenset(
        {"execution", "at_target", "done", "total", "unit", "label", "elapsed_s", "interval_s"}
    ),
    "execution.ended": frozenset({"execution", "outcome", "rc", "signal", "duration_s", "failure", "metric"}),
    "result": frozenset(
        {
            "adapter",
            "execution",
            "family",
            "repeat",
            "warmup",
            "status",
            "metrics",
            "headline",
            "path",
            "simulated",
        }
    ),
    "artifact": frozenset({"path", "bytes", "sha256", "artifact_kind", "step", "execution", "publishable"}),
    "publish": frozenset({"adapter", *publish_states.FIELDS}),
    "run.closed": frozenset({"outcome", "failed_steps", "exit_status"}),
    "ledger.incomplete": frozenset({"expected", "seen"}),
}

_DEPTH = 24


class Read(NamedTuple):
    """A journal in memory: its records in order, whether its last line is torn, and which lines are no records."""

    records: list[dict[str, Any]]
    torn: bool
    bad_lines: list[int]


def plain(value: Any, depth: int = 0) -> Any:
    """Return `value` as something that JSON can hold: NaN and infinities become null, strange objects their text."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if depth >= _DEPTH:
        return "(nested too deep)"
    if isinstance(value, dict):
        return {_text(key): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item, depth + 1) for item in value]
    return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - any object may come out of a result, and its __str__ is not ours
        return f"({type(value).__name__} without text)"


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_text)


def encode(record: Mapping[str, Any]) -> bytes:
    """Return a record as one line of UTF-8 JSON with its newline. It never raises and never writes NaN."""
    try:
        text = _ENCODER.encode(record)
    except (ValueError, TypeError, RecursionError):
        text = _ENCODER.encode(plain(record))
    # A lone surrogate (a file name that is not UTF-8) becomes its JSON escape, which a reader gets back as it was.
    return escaped(text).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any] | None:
    """Return the record of a line, or None when the line is none."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or not isinstance(record.get("kind"), str):
        return None
    return record if type(record.get("seq")) is int else None


def lines(path: Path) -> Iterator[tuple[int, dict[str, Any] | None, bool]]:
    """Yield line number, record (None when the line is none) and whether the line is torn; a missing file has no lines.

    Raises `OSError` when the file is there and cannot be read, or is no regular file.
    """
    try:
        stream = open_regular(path)
    except FileNotFoundError:
        return
    with stream:
        for number, line in enumerate(stream, start=1):
            record = decode(line)
            # A whole object without its newline lost nothing.
            yield number, record, record is None and not line.endswith(b"\n")


def read(path: Path) -> Read:
    """Return the journal at `path`; a torn last line and lines that are no records are told and skipped."""
    records: list[dict[str, Any]] = []
    bad: list[int] = []
    torn = False
    for number, record, is_torn in lines(path):
        if record is not None:
            records.append(record)
        elif is_torn:
            torn = True
        else:
            bad.append(number)
    return Read(records, torn, bad)


class JournalWriter:
    """Appends records to a journal. Opening one that ends in a torn line repairs it and goes on with its numbers."""

    def __init__(self, path: Path) -> None:
        """Open the journal, making it when it is missing. Raises `RackbenchError("ledger_write_failed")`."""
        self.path = path
        self._handle = -1
        try:
            self._seq = self._repair()
            self._handle = open_below(path.parent, path.name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            self._size = os.fstat(self._handle).st_size
        except OSError as error:
            self.close()
            raise write_failed(path, error) from error

    @property
    def size(self) -> int:
        """Return how many bytes the journal has."""
        return self._size

    @property
    def seq(self) -> int:
        """Return the number of the last record."""
        return self._seq

    def append(self, kind: str, fields: Mapping[str, Any], *, sync: bool = False) -> dict[str, Any]:
        """Append one record and return it; fields that `KINDS` does not list are dropped.

        With `sync` the journal is on the disk before this returns. Raises `KeyError` for an unknown kind and
        `RackbenchError("ledger_write_failed")` when the record did not reach the file as a whole.
        """
        allowed = KINDS[kind]
        record: dict[str, Any] = {
            "seq": self._seq + 1,
            "at": clock.utc_text(clock.utc_now()),
            "mono": round(clock.monotonic(), 3),
            "kind": kind,
        }
        record.update((name, value) for name, value in fields.items() if name in allowed)
        line = encode(record)
        try:
            write_whole(self._handle, line)
            if sync:
                os.fsync(self._handle)
        except OSError as error:
            # Half a line is taken back, so that the journal stays whole for its readers.
            with contextlib.suppress(OSError):
                os.ftruncate(self._handle, self._size)
            raise write_failed(self.path, error) from error
        self._size += len(line)
        self._seq += 1
        return record

    def sync(self) -> None:
        """Bring every record to the disk. Raises `RackbenchError("ledger_write_failed")`."""
        try:
            os.fsync(self._handle)
        except OSError as error:
            raise write_failed(self.path, error) from error

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _repair(self) -> int:
        """Move a torn last line into logs/torn-<n>.txt and return the highest number of the records."""
        last, torn_bytes = 0, 0
        try:
            stream = open_regular(self.path)
        except FileNotFoundError:
            return 0
        with stream:
            line = b""
            for line in stream:
                record = decode(line)
                if record is not None:
                    last = max(last, record["seq"])
            ends_whole = not line or line.endswith(b"\n")
            torn_bytes = 0 if ends_whole or decode(line) is not None else len(line)
        if ends_whole:
            return last
        if torn_bytes:
            _keep_torn(self.path.parent / rundir.LOGS, line)
            os.truncate(self.path, self.path.stat().st_size - torn_bytes)
        else:
            with self.path.open("ab") as end:
                end.write(b"\n")
        return last


def write_whole(handle: int, line: bytes) -> None:
    """Write a line by one `write()`. Raises `OSError`; a short write counts as a full disk."""
    if os.write(handle, line) != len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _keep_torn(folder: Path, line: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        try:
            with (folder / f"torn-{number}.txt").open("xb") as stream:
                stream.write(line)
        except FileExistsError:
            number += 1
        else:
            return


def write_failed(path: Path, error: OSError) -> RackbenchError:
    """Return the failure of a ledger file that could not be written."""
    return RackbenchError(
        "ledger_write_failed",
        f"{path} cannot be written: {error.strerror or error}.",
        where=str(path),
        detail=str(error),
    )
