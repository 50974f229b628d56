# SPDX-License-Identifier: Apache-2.0
"""PRIVATE. What more than one module reads on a host."""

from __future__ import annotations

import os
import shutil

# sshd's default PATH for a user often lacks the directories of administrators' tools.
SEARCH_PATH = os.pathsep.join(
    (os.environ.get("PATH", ""), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
)
PACKAGE_MANAGERS = {"apt-get": "apt", "dnf": "dnf", "zypper": "zypper", "pacman": "pacman", "apk": "apk"}


def which(command: str) -> str | None:
    """Return the path of a command, or None."""
    return shutil.which(command, path=SEARCH_PATH)


def package_manager() -> str | None:
    """Return the host's package manager."""
    return next((name for command, name in PACKAGE_MANAGERS.items() if which(command)), None)
