# SPDX-License-Identifier: Apache-2.0
"""Taking over a run directory that nobody works on any more: each has one writer at a time."""

from __future__ import annotations

import contextlib
import fcntl
from typing import TYPE_CHECKING

from rackbench import clock
from rackbench.errors import RackbenchError
from rackbench.ledger import documents, journal, liveness, rundir

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

# A controller on another machine, which cannot be asked from here, counts as gone after this silence. Its callback
# writes status.json or a heartbeat many times in it.
SILENCE_S = 300.0


@contextlib.contextmanager
def claim(run_dir: Path) -> Iterator[documents.Loaded]:
    """Hold the directory in the block, and give what it holds. The journal's next record is to name the new owner.

    Raises `RackbenchError("run_busy")` while a controller is at work on it or another process claims it,
    `ledger_write_failed`, and what `documents.load` raises.
    """
    path = run_dir / rundir.CLAIM
    if not rundir.is_run_directory(run_dir):
        raise RackbenchError("not_a_run_directory", f"{run_dir} holds no run.", where=str(run_dir))
    with contextlib.ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            stream = stack.enter_context(path.open("ab"))
        except OSError as error:
            raise journal.write_failed(path, error) from error
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise busy(run_dir, "Another process is taking it over at this moment.") from error
        loaded = documents.load(run_dir)
        check_free(loaded, clock.utc_now())
        yield loaded


def check_free(loaded: documents.Loaded, now: datetime) -> None:
    """Raise `RackbenchError("run_busy")` when a controller is at work on a run, or may be."""
    controller = loaded.state.controller
    alive = liveness.is_alive(controller)
    if loaded.state.closed is not None or alive is False or not controller:
        return
    place = f"process {controller.get('pid')} of {controller.get('user')} on {controller.get('hostname')}"
    if alive:
        raise busy(loaded.run_dir, f"It is {place}.")
    silence = now.timestamp() - _last_sign(loaded.run_dir)
    if silence < SILENCE_S:
        raise busy(
            loaded.run_dir,
            f"It is {place}, which cannot be asked from here and gave a sign of life {silence:.0f} s ago.",
        )


def busy(run_dir: Path, detail: str) -> RackbenchError:
    """Return the failure of a run that somebody works on."""
    return RackbenchError(
        "run_busy",
        f"A controller is at work on {run_dir}. {detail}",
        where=str(run_dir),
        next_command=f"rackbench status --run-dir {run_dir}",
    )


def _last_sign(run_dir: Path) -> float:
    """Return when a file that a controller keeps writing was last changed, in seconds since the epoch."""
    times = [0.0]
    for path in (run_dir / rundir.EVENTS, run_dir / rundir.STATUS, *(run_dir / rundir.LIVE).glob("*.json")):
        with contextlib.suppress(OSError):
            times.append(path.stat().st_mtime)
    return max(times)
