# SPDX-License-Identifier: Apache-2.0
"""Running a command inside a host with the host's own capabilities, never the machine's.

The system clock belongs to no namespace: a bare nsenter keeps the machine's capabilities, and `date -s` in a host
would then set the clock of the whole machine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from testlab import machine
from testlab.commands import SYSTEM_PATH
from testlab.errors import LabError

if TYPE_CHECKING:
    from testlab.topology import Host

CAP_SYS_TIME = 25
ENVIRONMENT = {"PATH": SYSTEM_PATH, "HOME": "/root", "LANG": "C.UTF-8", "TERM": "dumb", "USER": "root"}


def command_inside(host: Host, command: list[str]) -> list[str]:
    """The argument list that runs `command` as root in the host; raises LabError when the host is down."""
    pid = machine.leader(host)
    if pid is None:
        raise LabError(f"{host.name} is down: tests/lab/lab.py start {host.name}")
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    dropped = capabilities_to_drop(host.name, _bounding_set("self"), _bounding_set(str(pid)), last)
    bounding = ",".join(f"-cap_{number}" for number in dropped)
    limits = ["setpriv", f"--bounding-set={bounding}", "--inh-caps=-all", "--"] if dropped else []
    return ["nsenter", "--target", str(pid), "--all", "--", *limits, *command]


def capabilities_to_drop(name: str, ours: int, theirs: int, last: int) -> list[int]:
    """The numbers of the capabilities that we hold and the host does not, out of two bounding sets.

    Raises LabError when the host itself could set the clock."""
    if theirs >> CAP_SYS_TIME & 1:
        raise LabError(f"{name} holds CAP_SYS_TIME and could set this machine's clock: refusing to enter it")
    return [number for number in range(last + 1) if (ours & ~theirs) >> number & 1]


def _bounding_set(pid: str) -> int:
    found = re.search(r"^CapBnd:\s*(\w+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    if found is None:
        raise LabError(f"the kernel does not say which capabilities process {pid} may have")
    return int(found[1], 16)
