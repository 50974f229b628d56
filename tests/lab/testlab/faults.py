# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with a host, done to it on purpose and taken back."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from testlab import entering, machine, network
from testlab import host as hosts
from testlab.commands import run
from testlab.errors import LabError

if TYPE_CHECKING:
    from pathlib import Path

    from testlab.state import State
    from testlab.topology import Host

HIDDEN = "usr/lib/lab-hidden"
FILL_TRIES = 20


def cut(state: State, host: Host, legs: list[str]) -> None:
    """Cut cables of a host."""
    for leg in legs:
        hosts.cut_mark(state, host, leg).touch()
        network.set_port(host, leg, up=False)


def heal(state: State, host: Host, legs: list[str]) -> None:
    """Mend cables of a host; a host without power stays silent."""
    for leg in legs:
        hosts.cut_mark(state, host, leg).unlink(missing_ok=True)
    network.power(host, on=machine.leader(host) is not None, cut=hosts.cut_legs(state, host))


def fill(state: State, host: Host) -> None:
    """Leave no free byte in the host's /home: the file system shrinks to what it holds."""
    home = state.home(host)
    for _ in range(FILL_TRIES):
        numbers = os.statvfs(home)
        # Size 0 would mean no limit at all.
        used = max((numbers.f_blocks - numbers.f_bfree) * numbers.f_frsize, numbers.f_frsize)
        try:
            run("mount", "-o", f"remount,size={used}", home)
        except LabError:
            # Somebody wrote in between: look again.
            continue
        return
    raise LabError(f"{host.name}: its /home is written to all the time and cannot be filled")


def unfill(state: State, host: Host) -> None:
    """Give the host's /home its size back."""
    run("mount", "-o", f"remount,size={hosts.HOME_SIZE}", state.home(host))


def rekey(state: State, host: Host) -> None:
    """Give a host a new host key that known_hosts does not know."""
    kept = _kept_key(state, host)
    if not kept.exists():
        # The private half last: it says that both are there.
        for source, copy in list(_key_files(state, host))[::-1]:
            shutil.copy2(source, copy)
    hosts.new_host_key(state.root(host))
    _restart_sshd(state, host)


def restore_key(state: State, host: Host) -> None:
    """Give a host its first key back."""
    if not _kept_key(state, host).exists():
        return
    for source, copy in _key_files(state, host):
        shutil.copy2(copy, source)
    _restart_sshd(state, host)
    for _, copy in _key_files(state, host):
        copy.unlink()


def hide_python(state: State, host: Host) -> None:
    """Take every Python interpreter of a host out of its PATH."""
    hidden = state.root(host) / HIDDEN
    hidden.mkdir(exist_ok=True)
    for program in (state.root(host) / "usr/bin").glob("python*"):
        program.rename(hidden / program.name)


def show_python(state: State, host: Host) -> None:
    """Put the Python interpreters of a host back."""
    hidden = state.root(host) / HIDDEN
    if hidden.is_dir():
        for program in hidden.iterdir():
            program.rename(state.root(host) / "usr/bin" / program.name)


def clear(state: State, host: Host) -> None:
    """Take back every fault of a host but a power cut."""
    heal(state, host, list(host.legs))
    network.lose(host, 0)
    network.slow(host, 0)
    unfill(state, host)
    restore_key(state, host)
    show_python(state, host)


def _kept_key(state: State, host: Host) -> Path:
    return state.host(host) / "first_host_key"


def _key_files(state: State, host: Host) -> list[tuple[Path, Path]]:
    key, kept = state.root(host) / hosts.KEY_FILE, _kept_key(state, host)
    return [(key, kept), (key.with_suffix(".pub"), kept.with_suffix(".pub"))]


def _restart_sshd(state: State, host: Host) -> None:
    if machine.leader(host) is None:
        return
    # Forgets earlier restarts, which systemd would count against this one.
    run(*entering.command_inside(host, ["systemctl", "reset-failed", "ssh"]))
    run(*entering.command_inside(host, ["systemctl", "restart", "ssh"]))
    hosts.wait_until_ready(state, host)
