# SPDX-License-Identifier: Apache-2.0
"""Network namespaces: entering them and finding who is inside. Imports stay few: the proxy starts with this."""

from __future__ import annotations

import ctypes
import os

DIRECTORY = "/run/netns"
CLONE_NEWNET = 0x40000000


def enter(path: str) -> None:
    """Move the calling thread into the network namespace at `path`; raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(descriptor, CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
    finally:
        os.close(descriptor)


def path_of(name: str) -> str:
    """The file that stands for a named network namespace."""
    return f"{DIRECTORY}/{name}"


def exists(name: str) -> bool:
    """True when the name stands for a living namespace and not for a file that a crash left behind."""
    return os.path.ismount(path_of(name))


def members(name: str) -> list[int]:
    """The processes that are inside a named network namespace."""
    try:
        wanted = os.stat(path_of(name))  # noqa: PTH116
    except OSError:
        return []
    found = []
    for entry in os.listdir("/proc"):  # noqa: PTH208 -- pathlib would be the proxy's slowest import
        if not entry.isdigit():
            continue
        try:
            seen = os.stat(f"/proc/{entry}/ns/net")  # noqa: PTH116
        except OSError:
            continue
        if (seen.st_ino, seen.st_dev) == (wanted.st_ino, wanted.st_dev):
            found.append(int(entry))
    return found
