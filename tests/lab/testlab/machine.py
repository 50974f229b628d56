# SPDX-License-Identifier: Apache-2.0
"""What one host is while it runs: its first process, its boot, its sshd."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from testlab import cgroups, netns
from testlab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Callable

    from testlab.topology import Host

WAIT_LIMIT_S = 120


def leader(host: Host) -> int | None:
    """The pid, on this machine, of the host's init, or None when the host is down."""
    for pid in cgroups.processes(host.name):
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        numbers = re.search(r"^NSpid:\s+(.*)$", status, re.MULTILINE)
        state = re.search(r"^State:\s+(\w)", status, re.MULTILINE)
        if numbers and state and state[1] not in "ZX" and numbers[1].split()[1:] == ["1"]:
            return pid
    return None


def boot_id(host: Host) -> str | None:
    """The host's own boot id, or None when it is down."""
    pid = leader(host)
    if pid is None:
        return None
    try:
        return Path(f"/proc/{pid}/root/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None


def wait_until_ready(host: Host, log: Path, *, other_than: str | None = None) -> None:
    """Wait until the host takes logins, after a boot `other_than` this one; raises LabError after two minutes."""

    def ready() -> bool:
        pid, boot = leader(host), boot_id(host)
        if pid is None or boot is None or boot == other_than:
            return False
        return not Path(f"/proc/{pid}/root/run/nologin").exists() and _sshd_answers(host)

    wait(ready, lambda: f"{host.name} takes no logins\n{_end_of(log)}")


def wait(condition: Callable[[], bool], otherwise: Callable[[], str]) -> None:
    """Poll until a condition holds; raises LabError with `otherwise` after two minutes."""
    deadline = time.monotonic() + WAIT_LIMIT_S
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(otherwise())
        time.sleep(0.05)


def _sshd_answers(host: Host) -> bool:
    """True when the host's sshd greets, asked from inside the host's network namespace."""
    answers: list[bytes] = []

    def ask() -> None:
        try:
            # A namespace belongs to a thread: this one ends here, the others stay where they are.
            netns.enter(netns.path_of(host.namespace))
            with socket.create_connection((host.address, host.port), 5) as line:
                answers.append(line.recv(4))
        except OSError:
            return

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    return answers == [b"SSH-"]


def _end_of(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 2000))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
