# SPDX-License-Identifier: Apache-2.0
"""Up and down: one lab on a machine at a time, and nothing of it left afterwards."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from testlab import cache, cgroups, credentials, machine, netns, network
from testlab import host as hosts
from testlab.commands import require_commands, require_root
from testlab.errors import NOT_RUNNING, LabError
from testlab.state import State
from testlab.topology import CONTROLLER, HOSTS

if TYPE_CHECKING:
    from collections.abc import Iterator

# Holds the .lab directory of the lab that this machine runs.
OWNER = Path("/run/rackbench-lab")
LOCK_LIMIT_S = 600


@contextlib.contextmanager
def alone(limit_s: float = LOCK_LIMIT_S) -> Iterator[None]:
    """Hold the machine's lab lock; raises LabError when another command keeps it too long.

    The lock is a name of a socket and no file: it ends with its process and leaves nothing behind."""
    with socket.socket(socket.AF_UNIX) as lock:
        deadline = time.monotonic() + limit_s
        while True:
            try:
                lock.bind("\0rackbench-lab")
                break
            except OSError as error:
                if time.monotonic() > deadline:
                    raise LabError(
                        "another lab command is at work on this machine: try again later"
                    ) from error
                time.sleep(0.05)
        yield


def is_running(state: State) -> bool:
    """True when this lab is up; single hosts may be down."""
    return _owner() == state.top and state.ready.exists() and netns.exists(CONTROLLER)


def require_running(state: State) -> None:
    """Raise LabError unless this lab is up."""
    if not is_running(state):
        raise LabError(NOT_RUNNING)


def image_of(state: State) -> Path:
    """The cached image that the running lab was made from."""
    return Path(state.ready.read_text())


def up(state: State) -> str:
    """Bring the whole lab up and say what was done; raises LabError."""
    require_root()
    require_commands()
    state.check_path()
    # The hosts' files are read by their own users, whoever starts the lab.
    os.umask(0o022)
    with alone():
        _make_way(state)
        if is_running(state):
            return _start_missing(state)
        began = time.monotonic()
        _remove(state)
        image = cache.ensure(state)
        try:
            _make(state, image)
        except BaseException:
            _remove(state)
            raise
        return f"the lab is up ({time.monotonic() - began:.1f} s)"


def down(state: State) -> str:
    """Remove the lab and say what was done; raises LabError when the machine runs another checkout's lab."""
    require_root()
    with alone():
        owner = _owner()
        if owner is not None and owner != state.top:
            raise LabError(f"the lab on this machine belongs to {owner.parent}: take it down from there")
        _remove(state)
    return "the lab is down"


def _make(state: State, image: Path) -> None:
    OWNER.write_text(f"{state.top}\n")
    state.run.mkdir(parents=True)
    credentials.make(state)
    network.make()
    with ThreadPoolExecutor(len(HOSTS)) as pool:
        list(pool.map(lambda host: hosts.prepare(state, host, image), HOSTS.values()))
    state.known_hosts.write_text(
        "".join(
            f"{host.name} {' '.join((state.root(host) / f'{hosts.KEY_FILE}.pub').read_text().split()[:2])}\n"
            for host in HOSTS.values()
        )
    )
    for host in HOSTS.values():
        hosts.start(state, host, image)
    for host in HOSTS.values():
        hosts.wait_until_ready(state, host)
    state.ready.write_text(str(image))


def _start_missing(state: State) -> str:
    missing = [host for host in HOSTS.values() if machine.leader(host) is None]
    for host in missing:
        hosts.start(state, host, image_of(state))
    for host in missing:
        hosts.wait_until_ready(state, host)
    if missing:
        return f"the lab was up; started {', '.join(host.name for host in missing)}"
    return "the lab is up already"


def _make_way(state: State) -> None:
    """Refuse while another checkout's lab lives; clean up after one that does not."""
    owner = _owner()
    if owner is None or owner == state.top:
        return
    other = State(owner)
    if is_running(other) and cgroups.processes():
        raise LabError(
            f"the lab of {owner.parent} is running, and a machine runs one lab at a time\n"
            f"take it down first: {owner.parent}/tests/lab/lab.py down"
        )
    _remove(other)


def _remove(state: State) -> None:
    """Remove what there is of a lab, whole or half made."""
    state.ready.unlink(missing_ok=True)
    cgroups.end()
    network.remove()
    hosts.remove_files(state)
    if state.run.exists():
        cache.remove(state.run)
    # Not empty when systemd-nspawn is used for other things here: then it stays.
    with contextlib.suppress(OSError):
        hosts.NSPAWN_FILES.rmdir()
    OWNER.unlink(missing_ok=True)


def _owner() -> Path | None:
    try:
        return Path(OWNER.read_text().strip())
    except FileNotFoundError:
        return None
