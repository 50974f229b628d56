# SPDX-License-Identifier: Apache-2.0
"""The run directory: how it is made, and the names of everything in it."""

from __future__ import annotations

import os
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from rackbench.clock import stamp
from rackbench.errors import RackbenchError

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

EVENTS = "events.jsonl"
STATUS = "status.json"
RUN_MANIFEST = "run_manifest.json"
ARTIFACT_MANIFEST = "artifact_manifest.json"
PUBLISH_LEDGER = "publish_ledger.json"
COMMAND_LEDGER = "command_ledger.jsonl"
TRANSFER_LEDGER = "transfer_ledger.jsonl"
RECOVERY_SUMMARY = "recovery_summary.md"
INVENTORY_SNAPSHOT = "host_inventory_snapshot.json"

STEPS = "state/steps"
LIVE = "state/live"
CLAIM = "state/claim"
CONTROL = "control"
LOGS = "logs"
PREFLIGHT = "preflight"
PREFLIGHT_REPORT = f"{PREFLIGHT}/summary.json"
PREFLIGHT_SUMMARY = f"{PREFLIGHT}/summary.md"
TOPOLOGY = f"{PREFLIGHT}/topology.json"
BENCHMARKS = "benchmarks"
PUBLISH_STAGING = "publish-staging"
PUBLISH_WORKTREES = "publish-worktrees"
EXPORTS = "exports"
REPORT = "report.html"
EVIDENCE = "evidence"
STATEMENT = f"{EVIDENCE}/statement.json"
STATEMENT_SIGNATURE = f"{STATEMENT}.sig"
JOURNAL_DIGESTS = f"{EVIDENCE}/journal.digests"

DIRECTORIES = (STEPS, LIVE, CONTROL, LOGS, PREFLIGHT, BENCHMARKS, PUBLISH_STAGING, PUBLISH_WORKTREES, EXPORTS)
# Any one of these makes a directory one of ours, however damaged the rest is.
LANDMARKS = (EVENTS, STATUS, RUN_MANIFEST, ARTIFACT_MANIFEST, COMMAND_LEDGER, STEPS)

# Two runs of one host in one second take the next second; this many in a row is a runaway caller.
_TRIES = 120


def create(root: Path, host: str, now: datetime, *, dated: bool = True) -> Path:
    """Make `root/<YYYY-MM-DD>/<host>/<YYYYMMDDTHHMMSSZ>/` with its sub-directories and return its path.

    Without `dated` the directory of the day is left out, as it is below `dry-runs/`.
    Two callers never share a directory: the later one takes the next second. Raises
    `RackbenchError("run_directory_failed")` when it cannot be made.
    """
    if not host or host in {".", ".."} or "/" in host or "\0" in host:
        raise RackbenchError(
            "run_directory_failed", f"The host name {host!r} cannot name a directory.", where=host
        )
    moment = now.astimezone(UTC)
    try:
        for _ in range(_TRIES):
            day = root / moment.strftime("%Y-%m-%d") if dated else root
            path = day / host / stamp(moment)
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                path.mkdir()
            except FileExistsError:
                moment += timedelta(seconds=1)
                continue
            for name in DIRECTORIES:
                (path / name).mkdir(parents=True)
            return path
    except OSError as error:
        raise RackbenchError(
            "run_directory_failed",
            f"The run directory below {root} cannot be made: {error.strerror or error}.",
            where=str(error.filename or root),
            detail=str(error),
        ) from error
    raise RackbenchError(
        "run_directory_failed", f"{_TRIES} run directories of {host} in a row were taken.", where=str(root)
    )


def run_id_of(run_dir: Path) -> str:
    """Return the id of the run that has this directory: its stamp and its host."""
    return f"{run_dir.name}-{run_dir.parent.name}"


def step_document(step_id: str) -> str:
    """Return the path of a step's document, relative to the run directory."""
    return f"{STEPS}/{step_id}.json"


def live_document(execution_id: str) -> str:
    """Return the path of an execution's live beat, relative to the run directory."""
    return f"{LIVE}/{execution_id}.json"


def is_run_directory(path: Path) -> bool:
    """Return whether a directory is a run's, however damaged."""
    return path.is_dir() and any((path / name).exists() for name in LANDMARKS)


def check_layout(run_dir: Path, *more: str) -> None:
    """Raise `RackbenchError`: `not_a_run_directory`, or `ledger_damaged` when writing here could write elsewhere.

    `more` are further directories below it.
    """
    if not is_run_directory(run_dir):
        raise RackbenchError("not_a_run_directory", f"{run_dir} holds no run.", where=str(run_dir))
    for name in (EVENTS, "state", EVIDENCE, *DIRECTORIES, *more):
        path = run_dir / name
        if path.is_symlink():
            problem = "is a symbolic link"
        elif not os.path.lexists(path):
            continue
        elif name == EVENTS and not path.is_file():
            problem = "is no file"
        elif name != EVENTS and not path.is_dir():
            problem = "is no directory"
        else:
            continue
        raise RackbenchError(
            "ledger_damaged",
            f"{path} {problem}, so nothing was changed here.",
            where=str(path),
            next_step="Look at what it is, and move it away.",
            next_path=str(path),
        )
