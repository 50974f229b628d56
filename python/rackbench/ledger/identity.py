# SPDX-License-Identifier: Apache-2.0
"""Who and what opens a run: the controller process and the project's revision."""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
from typing import TYPE_CHECKING, Any

from rackbench.ledger import liveness

if TYPE_CHECKING:
    from pathlib import Path

_GIT_LIMIT_S = 20


def controller(pid: int) -> dict[str, Any]:
    """Return what the journal keeps of a controller process: pid, start_ticks, boot_id, hostname, user."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return {
        "pid": pid,
        "start_ticks": liveness.start_ticks(pid),
        "boot_id": liveness.boot_id(),
        "hostname": socket.gethostname(),
        "user": user,
    }


def project(path: Path) -> dict[str, Any]:
    """Return the project's commit and whether its tracked files differ from it; both None where git cannot tell."""
    commit = _git(path, "rev-parse", "HEAD")
    if commit is None:
        return {"commit": None, "dirty": None}
    changes = _git(path, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": None if changes is None else bool(changes)}


def _git(path: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(path), "--no-optional-locks", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_GIT_LIMIT_S,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
