# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE. A call in a process of its own, so that the caller can look around while it lasts.

A thread would not do: the call goes through Ansible's connection and shell plugins, which keep state on themselves, and
the caller uses the same ones meanwhile. A forked process has its own copy of them, and its ssh is a second session of
the one master connection. A worker of Ansible has one thread, so a fork of it is whole; what the call prints goes
through the worker's queue, whose lock both processes share. And a process can be ended.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import typing as t

if t.TYPE_CHECKING:
    from types import FrameType

PR_SET_PDEATHSIG = 1
CHUNK_BYTES = 65536


class ForkedCall:
    """Begins `work`, whose answer JSON can hold; leaving the block ends what is still going on."""

    def __init__(self, work: t.Callable[[], dict[str, t.Any]]) -> None:
        parent = os.getpid()
        # Neither end is inherited by programs: the pipe ends with the process that writes to it.
        self._reading, writing = os.pipe()
        self._read = b""
        self._ended = False
        self._pid = os.fork()
        if self._pid == 0:
            _answer(work, writing, parent)
        os.close(writing)

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_failure: object) -> None:
        os.close(self._reading)
        # Not waited for yet, so its number is still its own. Its group is there once it has come so far.
        for end in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError):
                end(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)

    def wait(self, seconds: float) -> bool:
        """Wait for the end of the call so long; return whether it has ended."""
        while not self._ended and select.select([self._reading], [], [], seconds)[0]:
            data = os.read(self._reading, CHUNK_BYTES)
            self._read += data
            self._ended = not data
        return self._ended

    def answer(self) -> dict[str, t.Any]:
        """Return what `work` returned. Raises `RuntimeError` if it raised something, or ended without an answer."""
        try:
            document = json.loads(self._read)
        except ValueError:
            # Nothing, or a part of an answer.
            raise RuntimeError("it was ended from outside") from None
        if "raised" in document:
            raise RuntimeError(document["raised"])
        return t.cast("dict[str, t.Any]", document["answer"])


def die_with_parent(parent: int) -> None:
    """Let the kernel send this process SIGTERM when the process that forked it is gone, however that ends."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


class Terminal:
    """The terminal that this process writes to, if it is one. ansible-runner, and `rackbench` by it, gives us one."""

    def __init__(self) -> None:
        self._poll = select.poll()
        try:
            if os.isatty(1):
                self._poll.register(1, 0)
        except OSError:
            # Standard output is closed.
            return

    def is_gone(self) -> bool:
        """Return whether its other end is gone. Ansible then waits for ever for a worker that could not write."""
        return any(event & select.POLLHUP for _number, event in self._poll.poll(0))


def _answer(work: t.Callable[[], dict[str, t.Any]], writing: int, parent: int) -> t.NoReturn:
    """Do the work in the new process and write its answer; nothing of the caller's own is cleaned up here."""
    try:
        # A group of its own: its ssh goes when it goes.
        os.setpgid(0, 0)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _end_group)
        die_with_parent(parent)
        try:
            text = json.dumps({"answer": work()})
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller raises it
            text = json.dumps({"raised": f"{type(error).__name__}: {error}"})
        with os.fdopen(writing, "w", encoding="ascii") as stream:
            stream.write(text)
    finally:
        os._exit(0)


def _end_group(_number: int, _frame: FrameType | None) -> None:
    os.killpg(0, signal.SIGKILL)
