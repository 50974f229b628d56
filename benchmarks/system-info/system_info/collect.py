# SPDX-License-Identifier: Apache-2.0
"""Runs the captures, a few at a time, each with its own time limit."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import threading
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from system_info.captures import Capture
    from system_info.redact import Redactor

WORKERS = 3
_POLL_S = 0.05
# How long to wait for a killed process to let go of its pipes.
_KILL_GRACE_S = 2.0

CAPTURED = "captured"
SKIPPED = "skipped"
FAILED = "failed"


@dataclass
class Stop:
    """Set by the SIGTERM handler. A plain flag: a lock taken in a handler could be one that is already held."""

    requested: bool = False


@dataclass(frozen=True)
class Settings:
    """How to collect. `deadline` is on the monotonic clock; limits are in seconds."""

    out: Path
    redactor: Redactor
    capture_time_limit_s: float
    deadline: float


@dataclass(frozen=True)
class Outcome:
    """What became of one capture. `bytes` and `sha256` describe the stored file, after any redaction."""

    capture: Capture
    status: str
    duration_s: float = 0.0
    rc: int | None = None
    bytes: int | None = None
    sha256: str | None = None
    reason: str | None = None


class _UnavailableError(Exception):
    """The capture cannot be made here, and that is no fault."""


class _BrokenError(Exception):
    """The capture was tried and gave nothing usable."""


@dataclass(frozen=True)
class _Output:
    """What a command or file gave. A command that failed may have written something worth keeping."""

    data: bytes
    rc: int | None = None
    fault: str | None = None


def collect(
    captures: tuple[Capture, ...], settings: Settings, stop: Stop, on_done: Callable[[Outcome], None]
) -> list[Outcome]:
    """Makes all captures and returns their outcomes in the order of `captures`.

    `on_done` is called in this thread after each capture, about in the order in which they end. A capture that
    fails is an outcome, never an exception.
    """
    for capture in captures:
        (settings.out / capture.path).parent.mkdir(exist_ok=True)
    outcomes: dict[str, Outcome] = {}
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        pending = {pool.submit(_make, capture, settings, stop) for capture in captures}
        while pending:
            # Never without a timeout: a signal that comes just before this thread goes to sleep would have its
            # handler run only after it wakes, which is when the next capture ends.
            done, pending = wait(pending, timeout=_POLL_S, return_when=FIRST_COMPLETED)
            for outcome in (future.result() for future in done):
                outcomes[outcome.capture.name] = outcome
                on_done(outcome)
    return [outcomes[capture.name] for capture in captures]


def _make(capture: Capture, settings: Settings, stop: Stop) -> Outcome:
    began = time.monotonic()
    limit = min(settings.capture_time_limit_s, settings.deadline - began)
    if stop.requested:
        return Outcome(capture, SKIPPED, reason="stopped by SIGTERM before it began")
    if limit <= 0:
        return Outcome(capture, SKIPPED, reason="the time limit of the job was reached before it began")
    try:
        make = _run_command if capture.argv else _read_file
        output = make(capture, began + limit, limit, stop)
        data = settings.redactor.data(output.data)
        if data or output.fault is None:
            _store(settings.out / capture.path, data)
    except _UnavailableError as error:
        return Outcome(capture, SKIPPED, reason=str(error))
    except _BrokenError as error:
        return Outcome(capture, FAILED, _since(began), reason=str(error))
    if output.fault is not None:
        fault = settings.redactor.text(output.fault)
        size, digest = (len(data), hashlib.sha256(data).hexdigest()) if data else (None, None)
        return Outcome(capture, FAILED, _since(began), output.rc, size, digest, fault)
    return Outcome(capture, CAPTURED, _since(began), output.rc, len(data), hashlib.sha256(data).hexdigest())


def _since(began: float) -> float:
    return round(time.monotonic() - began, 6)


def _run_command(capture: Capture, deadline: float, limit: float, stop: Stop) -> _Output:
    tool = shutil.which(capture.argv[0])
    if tool is None:
        raise _UnavailableError(f"{capture.argv[0]} is not on PATH (Debian package {capture.package})")
    if capture.needs_root and os.geteuid() != 0:
        raise _UnavailableError(f"{capture.argv[0]} needs root, and this program does not use sudo")
    try:
        process = subprocess.Popen(
            [tool, *capture.argv[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C"},
            start_new_session=True,
        )
    except OSError as error:
        raise _BrokenError(f"{tool} cannot be started: {error.strerror}") from error
    while True:
        try:
            stdout, stderr = process.communicate(timeout=_POLL_S)
            break
        except subprocess.TimeoutExpired:
            if stop.requested:
                _kill(process)
                raise _BrokenError("stopped by SIGTERM") from None
            if time.monotonic() >= deadline:
                _kill(process)
                raise _BrokenError(f"no end within its time limit of {limit:g} s") from None
    if process.returncode == 0:
        return _Output(stdout, 0)
    message = stderr.decode("utf-8", "replace").strip().splitlines()
    detail = f": {message[-1].strip()[:200]}" if message else ""
    return _Output(stdout, process.returncode, f"ended with exit status {process.returncode}{detail}")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Ends the command and its children, which share its process group, without waiting for ever."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    # A process stuck inside the kernel outlives the signal; nothing more can be done about it from here.
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=_KILL_GRACE_S)


def _read_file(capture: Capture, deadline: float, limit: float, stop: Stop) -> _Output:
    """Reads a file in a daemon thread, since a read of a kernel file can hang and cannot be interrupted."""
    results: list[bytes | OSError] = []

    def read() -> None:
        try:
            results.append(Path(capture.file).read_bytes())
        except OSError as error:
            results.append(error)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    while True:
        thread.join(_POLL_S)
        if results:
            break
        if stop.requested:
            raise _BrokenError("stopped by SIGTERM")
        if time.monotonic() >= deadline:
            raise _BrokenError(f"no end within its time limit of {limit:g} s")
    content = results[0]
    if isinstance(content, FileNotFoundError):
        raise _UnavailableError(f"{capture.file} does not exist on this machine") from content
    if isinstance(content, OSError):
        raise _BrokenError(f"{capture.file} cannot be read: {content.strerror}") from content
    return _Output(content)


def _store(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        path.unlink(missing_ok=True)  # half of it would look like all of it
        raise _BrokenError(f"the output cannot be stored: {error.strerror}") from error
