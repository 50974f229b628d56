# SPDX-License-Identifier: Apache-2.0
"""Reading a file that somebody named: a baseline or results."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

# What a shell hands over for `<(command)` and for standard input are pipes that somebody writes to.
_HANDLES = (Path("/dev/fd"), Path("/proc/self/fd"))
_STDIN = Path("/dev/stdin")


def content_of(path: Path) -> bytes:
    """Return the bytes of a file.

    Raises `OSError`, also for a named pipe or a device, which might never end; not for `/dev/fd/N` and `/dev/stdin`.
    """
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or path == _STDIN or path.parent in _HANDLES):
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return path.read_bytes()
