# SPDX-License-Identifier: Apache-2.0
"""The arguments of processes, which every user of a machine can read."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable


class Watch:
    """Reads the arguments of all processes of this machine, again and again, while it is open.

    Tests on other workers have processes too: look for a text that no other test hands to a program. `on_line` is
    called with each line of arguments, joined by NUL, in a thread of the watch.
    """

    def __init__(self, on_line: Callable[[bytes], object] = lambda _line: None) -> None:
        self._on_line = on_line
        self.seen: set[bytes] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_failure: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    line = path.read_bytes()
                except OSError:
                    continue
                self.seen.add(line)
                self._on_line(line)
            self._over.wait(0.02)
