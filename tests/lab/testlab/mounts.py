# SPDX-License-Identifier: Apache-2.0
"""The lab's mounts below one directory, found in the kernel's own table."""

from __future__ import annotations

import re
import time
from pathlib import Path

from testlab.commands import run
from testlab.errors import LabError

BUSY_LIMIT_S = 30


def below(directory: Path) -> list[Path]:
    """Mount points at or below a directory, the deepest and latest first."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        escaped = line.split()[4]
        point = Path(re.sub(r"\\(\d{3})", lambda match: chr(int(match[1], 8)), escaped))
        if point == directory or directory in point.parents:
            found.append(point)
    return found[::-1]


def unmount_below(directory: Path) -> None:
    """Take away every mount at or below a directory; raises LabError when one stays in use for half a minute."""
    deadline = time.monotonic() + BUSY_LIMIT_S
    for point in below(directory):
        while True:
            try:
                run("umount", point)
                break
            except LabError:
                # A command that an ended `up` had started may still be at work there.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
