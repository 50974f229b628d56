# SPDX-License-Identifier: Apache-2.0
"""The end of a build: nothing that its command started lives on."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_ENDINGS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def ended_whole(group: int) -> Iterator[None]:
    """End a process group with the block, or with the signal that ends this program within it."""
    earlier = {number: signal.getsignal(number) for number in _ENDINGS}
    # Python lets only the main thread listen.
    here = threading.current_thread() is threading.main_thread()
    listened = [number for number in _ENDINGS if here and earlier[number] not in {signal.SIG_IGN, None}]

    def pass_on(number: int, frame: FrameType | None) -> None:
        # A worker of Ansible leaves at once, and signals its own process group only.
        _end(group)
        before = earlier[signal.Signals(number)]
        if callable(before):
            before(number, frame)
        else:
            signal.signal(number, before)
            signal.raise_signal(number)

    try:
        for number in listened:
            signal.signal(number, pass_on)
        yield
    finally:
        _end(group)
        for number in listened:
            signal.signal(number, earlier[number])


def _end(group: int) -> None:
    # Nobody is left in it, or only those that became somebody else.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
