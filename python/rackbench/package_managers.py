# SPDX-License-Identifier: Apache-2.0
"""Package managers: how each installs packages, and which one a machine has."""

from __future__ import annotations

import os
import shlex
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# In the order in which they are looked for.
INSTALL: dict[str, tuple[str, ...]] = {
    "apt": ("apt-get", "install", "--yes"),
    "dnf": ("dnf", "install", "--assumeyes"),
    "zypper": ("zypper", "--non-interactive", "install"),
    "pacman": ("pacman", "--sync", "--needed", "--noconfirm"),
    "apk": ("apk", "add"),
}


def local_package_manager() -> str | None:
    """Return the package manager of this machine, or None."""
    return next((name for name, command in INSTALL.items() if shutil.which(command[0])), None)


def package_name(packages: str | Mapping[str, str], manager: str | None) -> str:
    """Return what a package is called by `manager`: its own entry, else `default`, else the first entry."""
    if isinstance(packages, str):
        return packages
    return packages.get(manager or "default") or packages.get("default") or next(iter(packages.values()))


def install_command(manager: str | None, packages: Iterable[str], *, root: bool) -> list[str] | None:
    """Return the command (argument list) that installs `packages`, sorted, each once; with sudo unless `root`.

    None for a package manager that we do not know, and when there is nothing to install.
    """
    wanted = sorted(set(packages))
    if manager not in INSTALL or not wanted:
        return None
    return [*([] if root else ["sudo"]), *INSTALL[manager], *wanted]


def local_install_text(packages: Sequence[str | Mapping[str, str]]) -> str | None:
    """Return the command line that installs `packages` on this machine, or None when its package manager is unknown."""
    manager = local_package_manager()
    command = install_command(
        manager, (package_name(package, manager) for package in packages), root=os.geteuid() == 0
    )
    return shlex.join(command) if command else None
