# SPDX-License-Identifier: Apache-2.0
"""Runs Geekbench on a terminal of its own, where it says at once what it does, and hands its lines on."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# How long a program that was asked to end may take: our own time after SIGTERM is ten seconds.
_ENDING_S = 3.0
_LOOK_S = 0.2
_BLOCK_BYTES = 65536
# A line that never ends is no line of Geekbench.
_LINE_BYTES = 1024 * 1024


class Stop:
    """Set when this program is asked to end."""

    def __init__(self) -> None:
        self.requested = False


def run(argv: list[str], take: Callable[[str], None], stop: Stop, limit_s: float | None = None) -> int | None:
    """Runs a command in its directory, calls `take` for each line, and returns its exit code; None if it was ended.

    It is ended when `stop` is requested, and after `limit_s` seconds. The last line may have no end. Raises OSError.
    """
    master, slave = pty.openpty()
    try:
        try:
            process = subprocess.Popen(
                argv,
                cwd=Path(argv[0]).parent,
                stdin=subprocess.DEVNULL,
                stdout=slave,
                stderr=slave,
                close_fds=True,
            )
        finally:
            os.close(slave)
        deadline = None if limit_s is None else time.monotonic() + limit_s
        was_ended = _read(master, process, take, stop, deadline)
        if was_ended:
            _end(process)
        return None if was_ended else process.wait()
    finally:
        os.close(master)


def _read(
    master: int,
    process: subprocess.Popen[bytes],
    take: Callable[[str], None],
    stop: Stop,
    deadline: float | None,
) -> bool:
    """Hands lines on until nobody writes any more; returns whether the program has to be ended before that."""
    rest = b""
    was_ended = False
    while True:
        if stop.requested or (deadline is not None and time.monotonic() > deadline):
            was_ended = True
            break
        if not select.select([master], [], [], _LOOK_S)[0]:
            if process.poll() is not None:
                # What it left behind holds the terminal, and says nothing.
                break
            continue
        try:
            block = os.read(master, _BLOCK_BYTES)
        except OSError:
            # The other end is closed.
            break
        if not block:
            break
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            take(_text(line))
        if len(rest) > _LINE_BYTES:
            rest = b""
    if rest.strip():
        take(_text(rest))
    return was_ended


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r")


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        process.terminate()
    try:
        process.wait(_ENDING_S)
    except subprocess.TimeoutExpired:
        # What it started ends with us: the supervisor kills all that is left.
        process.kill()
        process.wait()
