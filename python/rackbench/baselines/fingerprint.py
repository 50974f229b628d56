# SPDX-License-Identifier: Apache-2.0
"""What kind of machine was measured, as one line that people can read and programs compare. Pure.

It names the machine by what decides its speed and does not change by itself: architecture, processor, sockets, cores,
CPUs and memory. The kernel and the settings are left out on purpose: a change of theirs that makes things slower is
what the gate is there to find. Which box of the same kind it was does not count either.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rackbench.errors import RackbenchError

if TYPE_CHECKING:
    from pathlib import Path

_GIB = 1024**3
# What 64 bits can address.
_MOST_MEMORY = 2.0**64


def fingerprint(
    path: Path,
    *,
    architecture: str | None,
    model: str | None,
    sockets: int | None = None,
    cores: int | None = None,
    cpus: int | None = None,
    memory_bytes: float | None = None,
) -> str | None:
    """Return the line, with what is known in this order; None when not even the processor is.

    Architecture, model and memory may be whatever stands in the results at `path`.
    Raises `RackbenchError("results_unreadable")` for texts that are none, and for memory that no machine has.
    """
    for what, text in (("architecture", architecture), ("model of the processor", model)):
        if not isinstance(text, str | None):
            raise _unreadable(path, f"the {what} is {text!r}, which is no text")
    if memory_bytes is not None and not -math.inf < memory_bytes < _MOST_MEMORY:
        raise _unreadable(path, "the memory is more than 64 bits can address")
    if not model:
        return None
    parts = [architecture, " ".join(model.split())]
    parts += [
        f"{count} {one if count == 1 else many}"
        for count, one, many in (
            (sockets, "socket", "sockets"),
            (cores, "core", "cores"),
            (cpus, "CPU", "CPUs"),
        )
        if count
    ]
    if memory_bytes and memory_bytes > 0:
        parts.append(f"{_installed(memory_bytes / _GIB):g} GiB")
    return ", ".join(part for part in parts if part)


def _unreadable(path: Path, problem: str) -> RackbenchError:
    return RackbenchError("results_unreadable", f"{path}: {problem}.", where=str(path), next_path=str(path))


def _installed(gibibytes: float) -> float:
    """Return what was probably installed: firmware and kernel keep a little back, and not always the same.

    It is rounded up to the next sixteenth of the power of two below it.
    """
    step = 2.0 ** (math.floor(math.log2(gibibytes)) - 4)
    return math.ceil(gibibytes / step) * step
