# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE. What more than one module reads on a host."""

from __future__ import annotations

import os
import platform
import pwd
import shutil
import subprocess
from pathlib import Path

# sshd's default PATH for a user often lacks the directories of administrators' tools.
SEARCH_PATH = os.pathsep.join(
    (os.environ.get("PATH", ""), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
)
# sudo answers at once; one that waits for something else is not to be had.
SUDO_LIMIT_S = 10
PACKAGE_MANAGERS = {"apt-get": "apt", "dnf": "dnf", "zypper": "zypper", "pacman": "pacman", "apk": "apk"}


def which(command: str) -> str | None:
    """Return the path of a command, or None."""
    return shutil.which(command, path=SEARCH_PATH)


def bootstrapped(command: str) -> str | None:
    """Return the path of a command that the role rustup installed for builds, or None."""
    return shutil.which(command, path=os.path.expanduser("~/.rackbench/rust/cargo/bin"))  # noqa: PTH111


def package_manager() -> str | None:
    """Return the host's package manager."""
    return next((name for command, name in PACKAGE_MANAGERS.items() if which(command)), None)


def libc() -> dict[str, str | None]:
    """Return the C library's name and version. musl gives no version to Python."""
    name, version = platform.libc_ver()
    if name:
        return {"name": name, "version": version}
    musl = any(Path("/lib").glob("ld-musl-*"))
    return {"name": "musl" if musl else None, "version": None}


def user() -> str:
    """Return the user's name, or the number of one that has none."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def memory_bytes() -> int:
    """Return the size of the machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def sudo_works() -> bool:
    """Return whether sudo lets this user in without a password."""
    sudo = which("sudo")
    if sudo is None:
        return False
    try:
        done = subprocess.run(  # pylint: disable=ansible-bad-function # run_command has no time limit
            [sudo, "-n", "true"],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=SUDO_LIMIT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
