# SPDX-License-Identifier: Apache-2.0
"""Each run directory has one writer at a time: the sign of the one at work, and taking over when nobody is any more."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shlex
from typing import TYPE_CHECKING

from rackbench import clock
from rackbench.errors import RackbenchError
from rackbench.files import open_below
from rackbench.ledger import documents, journal, liveness, rundir

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

# A controller on another machine, which cannot be asked from here, counts as gone after this silence. Its callback
# touches its sign many times in it.
SILENCE_S = 300.0
SIGN_INTERVAL_S = 5.0
# No heartbeat is called so, and whoever looks for heartbeats looks for *.json.
_SIGN = f"{rundir.LIVE}/.controller"


class Sign:
    """A file of the run that its recorder keeps locked and touches: nobody else may write to the run meanwhile.

    The lock is a POSIX record lock: forked workers do not inherit it, and the kernel lets it go with the process.
    Such a lock is lost when its process closes any descriptor of the file, and does not exclude its own process.
    """

    def __init__(self, run_dir: Path) -> None:
        """Make and lock it. Raises `RackbenchError`: `run_busy` or `ledger_write_failed`."""
        self._touched_mono = float("-inf")
        try:
            self._handle: int | None = open_below(run_dir, _SIGN, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise journal.write_failed(run_dir / _SIGN, error) from error
        if not _lock(self._handle, fcntl.LOCK_EX):
            self.close()
            raise busy(run_dir, "Another process still writes to it.")

    def give(self, now_mono: float) -> None:
        """Touch the file now and then. That it cannot be touched costs nothing."""
        if self._handle is None or now_mono - self._touched_mono < SIGN_INTERVAL_S:
            return
        self._touched_mono = now_mono
        with contextlib.suppress(OSError):
            os.utime(self._handle)

    def close(self) -> None:
        """Let others write."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


@contextlib.contextmanager
def claim(run_dir: Path) -> Iterator[documents.Loaded]:
    """Hold the directory in the block, and give what it holds. The journal's next record is to name the new owner.

    Raises `RackbenchError("run_busy")` while a controller is at work on it or another process claims it,
    `ledger_write_failed`, and what `rundir.check_layout` and `documents.load` raise.
    """
    rundir.check_layout(run_dir)
    with contextlib.ExitStack() as stack:
        try:
            handle = open_below(run_dir, rundir.CLAIM, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise journal.write_failed(run_dir / rundir.CLAIM, error) from error
        stack.callback(os.close, handle)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise busy(run_dir, "Another process is taking it over at this moment.") from error
        loaded = documents.load(run_dir)
        check_free(loaded, clock.utc_now())
        # A closed run is free, but its controller may still have something to tell of it. One that is not opened yet
        # is left alone, since its recorder may be about to lock it.
        if loaded.state.opened and _is_locked(run_dir):
            raise busy(run_dir, "Another process still writes to it.")
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
        next_command=shlex.join(("rackbench", "status", "--run-dir", str(run_dir))),
    )


def _last_sign(run_dir: Path) -> float:
    """Return when a file that a controller keeps writing was last changed, in seconds since the epoch."""
    times = [0.0]
    signs = (run_dir / name for name in (rundir.EVENTS, rundir.STATUS, _SIGN))
    for path in (*signs, *(run_dir / rundir.LIVE).glob("*.json")):
        with contextlib.suppress(OSError):
            times.append(path.stat().st_mtime)
    return max(times)


def _is_locked(run_dir: Path) -> bool:
    """Return whether another process keeps the run's sign locked."""
    try:
        handle = open_below(run_dir, _SIGN, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not _lock(handle, fcntl.LOCK_SH)
    finally:
        os.close(handle)


def _lock(handle: int, kind: int) -> bool:
    """Lock a file and return True; False when another process has it locked. Some file systems know no locks."""
    try:
        fcntl.lockf(handle, kind | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in {errno.EACCES, errno.EAGAIN}
    return True
