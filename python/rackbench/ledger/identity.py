# SPDX-License-Identifier: Apache-2.0
"""Who and what opens a run: the controller process and the project's revision."""

from __future__ import annotations

import getpass
import hashlib
import os
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rackbench.files import sha256_of
from rackbench.ledger import liveness

if TYPE_CHECKING:
    from collections.abc import Sequence

_GIT_LIMIT_S = 20


def controller(pid: int) -> dict[str, Any]:
    """Return what the journal keeps of a controller process of this machine and this pid namespace."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return {
        "pid": pid,
        "start_ticks": liveness.start_ticks(pid),
        "boot_id": liveness.boot_id(),
        "pid_namespace": liveness.pid_namespace(),
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


def tree_digest(folder: Path) -> str:
    """Return a SHA-256 over names and bytes of the files below a directory, without what Python leaves there."""
    digest = hashlib.sha256()
    for path in sorted(
        path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{sha256_of(path)}\n".encode())
    return digest.hexdigest()


def inventory_digest(sources: Sequence[str]) -> str | None:
    """Return a SHA-256 over the files of an inventory's sources, or None where a source is no file or directory."""
    digests = []
    for source in map(Path, sources):
        if source.is_dir():
            digests.append(tree_digest(source))
        elif source.is_file():
            digests.append(sha256_of(source))
        else:
            return None
    return hashlib.sha256("\n".join(digests).encode()).hexdigest() if digests else None


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
