# SPDX-License-Identifier: Apache-2.0
"""Runs BenchBox once in a directory of its own, keeps what it says, and follows how far it is."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchbox_run.job import Job

RESULTS = "benchmark_runs/results"
_POLL_S = 0.2
_BLOCK = 1 << 16
# Variables of the caller that change what Python, BenchBox or its libraries do.
_FOREIGN = ("PYTHON", "BENCHBOX", "XDG_", "DUCKDB")
# Rich wraps its lines at this width, and an error is read from them.
_COLUMNS = "1000"

_WARM_UPS = re.compile(r"Warm-up runs: (\d+)")
_HEADING = re.compile(r"--- (Warm-up|Measurement) Run (\d+)/\d+ ---")
_QUERY = re.compile(r"Query (\d+)/\d+: (\S+) (completed|FAILED)")
_GENERAL = "Benchmark failed: "


@dataclass
class Stop:
    """Set by the SIGTERM handler. A plain flag: a lock taken in a handler could be one that is already held."""

    requested: bool = False


@dataclass(frozen=True)
class Ended:
    """How BenchBox ended: its exit code (below 0 for a signal), or why it was ended before, and its last error."""

    rc: int
    cut_short: str | None
    error: str | None


class Progress:
    """Counts finished queries by what BenchBox prints, and writes a line of progress.ndjson for each."""

    def __init__(self, path: Path, job: Job) -> None:
        self._stream = path.open("ab", buffering=0)
        self._job = job
        self._warm_ups = 1
        self._before = 0

    def close(self) -> None:
        """Closes the file."""
        self._stream.close()

    def see(self, line: str) -> None:
        """Looks at one line of BenchBox's output."""
        if found := _WARM_UPS.search(line):
            self._warm_ups = int(found.group(1))
        elif found := _HEADING.search(line):
            # Of TPC-H it prints no more than this, so a run of all queries counts when the next one begins.
            runs = int(found.group(2)) - 1 + (self._warm_ups if found.group(1) == "Measurement" else 0)
            self._before = runs * len(self._job.queries)
            self._tell(self._before, f"{found.group(1).lower()} run {found.group(2)}")
        elif found := _QUERY.search(line):
            self._tell(self._before + int(found.group(1)), f"{found.group(2)} {found.group(3).lower()}")

    def _tell(self, done: int, label: str) -> None:
        total = (self._warm_ups + self._job.iterations) * len(self._job.queries)
        entry = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "done": done,
            "total": total,
            "unit": "queries",
            "label": label,
        }
        self._stream.write((json.dumps(entry) + "\n").encode())


class LastError:
    """The last error that BenchBox printed: a line that begins with a cross, and those below it up to an empty one.

    Its closing `Benchmark failed: FAILED` counts only when there is no other.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._open = False

    def see(self, line: str) -> None:
        """Looks at one line of BenchBox's output."""
        words = line.strip()
        if words.startswith("❌"):
            words = words.lstrip("❌ ")
            if words.startswith(_GENERAL) and self._lines:
                self._open = False
                return
            self._lines, self._open = [words], True
        elif not words:
            self._open = False
        elif self._open:
            self._lines.append(words)

    @property
    def text(self) -> str | None:
        """The error in one line, or None."""
        return " ".join(" ".join(self._lines).split())[:1000] or None


def command(python: Path, job: Job) -> list[str]:
    """Returns the command line of BenchBox for a job."""
    # Isolated from the caller's own packages and variables, and unbuffered so that progress is seen as it is made.
    line = [str(python), "-Iu", "-m", "benchbox.cli.main", "run", "--non-interactive", "--no-progress"]
    line += ["--platform", job.platform, "--benchmark", job.benchmark, "--scale", f"{job.scale:g}"]
    line += ["--iterations", str(job.iterations)]
    if job.cpus is not None and job.platform == "duckdb":
        line += ["--platform-option", f"threads={len(job.cpus)}"]
    return line


def run(
    argv: list[str], work: Path, log: Path, deadline: float, stop: Stop, see: Callable[[str], None]
) -> Ended:
    """Runs BenchBox in `work`, writes what it says to `log`, and hands each line of that to `see`.

    It is killed at `deadline` (on the monotonic clock) and when a stop is requested.
    """
    (work / "home").mkdir()
    (work / "tmp").mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    # A home of its own: an earlier run of this user leaves settings there that the next one takes over.
    environment.update(
        HOME=str(work / "home"), TMPDIR=str(work / "tmp"), LC_ALL="C.UTF-8", NO_COLOR="1", COLUMNS=_COLUMNS
    )
    error = LastError()
    with log.open("wb", buffering=0) as kept:
        process = subprocess.Popen(
            argv,
            cwd=work,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert process.stdout is not None  # noqa: S101
        lines = Lines(process.stdout, kept)
        cut_short = None
        while process.poll() is None or lines.more():
            if cut_short is None and (cut_short := _reason(deadline, stop)):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            for line in lines.read():
                see(line)
                error.see(line)
        return Ended(process.returncode, cut_short, error.text)


def _reason(deadline: float, stop: Stop) -> str | None:
    if stop.requested:
        return "it was stopped by SIGTERM"
    return "the job's time limit was reached" if time.monotonic() >= deadline else None


class Lines:
    """The whole lines that come out of a pipe; every byte is kept in a file as it comes."""

    def __init__(self, pipe: BinaryIO, kept: BinaryIO) -> None:
        self._pipe = pipe
        self._kept = kept
        self._rest = b""
        self._ended = False

    def more(self) -> bool:
        """Whether anything is there to be read now."""
        return not self._ended and bool(select.select([self._pipe], [], [], 0)[0])

    def read(self) -> list[str]:
        """Waits a moment for output and returns the lines that it completes."""
        if self._ended:
            time.sleep(_POLL_S)
            return []
        if not select.select([self._pipe], [], [], _POLL_S)[0]:
            return []
        block = os.read(self._pipe.fileno(), _BLOCK)
        self._kept.write(block)
        self._ended = not block
        *lines, self._rest = (self._rest + block).split(b"\n")
        if self._ended and self._rest:
            lines, self._rest = [self._rest], b""
        return [line.decode("utf-8", "replace") for line in lines]
