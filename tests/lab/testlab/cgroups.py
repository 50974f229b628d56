# SPDX-License-Identifier: Apache-2.0
"""One control group for each host: where all its processes are found, also after a crash."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from testlab.errors import LabError

NAME = "rackbench-lab"
MOUNT = Path("/sys/fs/cgroup")
END_LIMIT_S = 60


def hierarchies() -> list[Path]:
    """The trees that systemd uses on this machine: the unified one, or with version 1 its own and the unified."""
    if (MOUNT / "cgroup.procs").exists():
        return [MOUNT]
    return [tree for tree in (MOUNT / "systemd", MOUNT / "unified") if tree.is_dir()]


def make(host: str) -> list[Path]:
    """Create the host's groups; the launcher moves itself into each."""
    groups = [tree / NAME / host for tree in hierarchies()]
    for group in groups:
        group.mkdir(parents=True, exist_ok=True)
    return groups


def processes(host: str = ".") -> set[int]:
    """The processes of a host, or of the whole lab."""
    found: set[int] = set()
    for group in _groups(host):
        try:
            found.update(int(line) for line in (group / "cgroup.procs").read_text().split())
        except OSError:
            continue
    found.discard(0)
    return found


def end(host: str = ".") -> None:
    """Kill every process of a host, or of the lab, and remove the groups; raises LabError when some stay.

    A launcher may join while this works (an `up` that was killed just now left it): it is ended as well."""
    deadline = time.monotonic() + END_LIMIT_S
    while groups := _groups(host):
        if time.monotonic() > deadline:
            raise LabError(f"processes of the lab would not end: {sorted(processes(host))}")
        for tree in hierarchies():
            switch = tree / NAME / host / "cgroup.kill"
            if switch.exists():
                switch.write_text("1")
        kill(processes(host))
        for group in sorted(groups, key=lambda path: -len(path.parts)):
            # Busy until the last process in it has gone: then the next round removes it.
            with contextlib.suppress(OSError):
                group.rmdir()
        time.sleep(0.02)


def kill(pids: set[int]) -> None:
    """SIGKILL each process that is still there."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _groups(host: str) -> list[Path]:
    found: list[Path] = []
    for tree in hierarchies():
        for directory, _, _ in os.walk(tree / NAME / host):
            found.append(Path(directory))
    return found
