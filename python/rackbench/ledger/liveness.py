# SPDX-License-Identifier: Apache-2.0
"""Whether the controller process that a journal names is still alive."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_PID_NAMESPACE = Path("/proc/self/ns/pid")


def boot_id() -> str | None:
    """Return the id of this boot of this machine, or None where the kernel tells none."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return None


def pid_namespace() -> int | None:
    """Return which pid namespace this process is in, or None where the kernel does not tell."""
    try:
        return _PID_NAMESPACE.stat().st_ino
    except OSError:
        return None


def start_ticks(pid: int) -> int | None:
    """Return when a process started (clock ticks since boot), or None when it is gone or a zombie.

    A pid alone is not enough: it is used again.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The command's name is in parentheses and may hold anything, so count from the last one.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def is_alive(controller: Mapping[str, Any] | None) -> bool | None:
    """Return whether this controller is alive, or None when that cannot be known from this machine."""
    if not controller:
        return None
    pid, ticks, boot = controller.get("pid"), controller.get("start_ticks"), controller.get("boot_id")
    if type(pid) is not int or type(ticks) is not int or not isinstance(boot, str):
        return None
    here = boot_id()
    if here is None:
        return None
    if boot != here:
        # Another boot of this machine ended it; another machine cannot be asked.
        return False if controller.get("hostname") == socket.gethostname() else None
    # A container shares the boot id, and its pids mean nothing outside of it. Older journals do not tell.
    namespace = controller.get("pid_namespace")
    if namespace is not None and namespace != pid_namespace():
        return None
    return start_ticks(pid) == ticks
