# SPDX-License-Identifier: Apache-2.0
"""The probe of this machine, for benchmarks that run on the controller: the fields of the module preflight."""

from __future__ import annotations

import os
import platform
import pwd
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

from rackbench.package_managers import local_package_manager

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# sudo answers at once; one that waits for something else is not to be had.
_SUDO_LIMIT_S = 10


def local_probe(
    commands: Iterable[str], folder: Path, *, bundles: Iterable[str] = (), root: bool = False
) -> dict[str, Any]:
    """Return what this machine has; `folder`, whether or not it exists yet, is where it keeps what a target has.

    The free space is measured there, and those of the `bundles` that it holds are named. With `root` it is also tried
    whether sudo works without a password: otherwise, who is not root is not asked.
    """
    return {
        "commands": {name: shutil.which(name) for name in sorted(commands)},
        "package_manager": local_package_manager(),
        "python": platform.python_version(),
        "user": _user(),
        "root": _can_become_root(ask=root),
        "free_bytes": _free_bytes(folder),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "stored": sorted(each for each in bundles if (folder / "bundles" / each / ".complete").is_file()),
    }


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _can_become_root(*, ask: bool) -> bool | None:
    if os.geteuid() == 0:
        return True
    return sudo_works() if ask else None


def sudo_works() -> bool:
    """Return whether sudo lets this user in without a password."""
    try:
        done = subprocess.run(
            ["sudo", "-n", "true"],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SUDO_LIMIT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _free_bytes(folder: Path) -> int | None:
    there = next((each for each in (folder, *folder.parents) if each.exists()), None)
    return shutil.disk_usage(there).free if there else None
