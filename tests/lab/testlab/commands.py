# SPDX-License-Identifier: Apache-2.0
"""Running the machine's commands, and saying which are missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from testlab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# A Python shim early in PATH doubles the time of a root file system's build: the lab uses the system's commands only.
CLEAN_ENVIRONMENT = {"PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8", "HOME": "/root"}

NEEDED = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "ip": "iproute2",
    "tc": "iproute2",
    "nft": "nftables",
    "ssh-keygen": "openssh-client",
    "dpkg-deb": "dpkg",
    "dpkg-scanpackages": "dpkg-dev",
    "mount": "mount",
    "sysctl": "procps",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "unshare": "util-linux",
}


def run(
    *command: str | Path,
    feed: str | None = None,
    extra_environment: dict[str, str] | None = None,
    directory: Path | None = None,
) -> str:
    """Run one command and return what it wrote to stdout; raises LabError with its words when it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words,
        input=feed,
        stdin=subprocess.DEVNULL if feed is None else None,
        capture_output=True,
        text=True,
        errors="replace",
        env=CLEAN_ENVIRONMENT | (extra_environment or {}),
        cwd=directory,
    )
    if done.returncode != 0:
        raise LabError(f"{' '.join(words)}: exit code {done.returncode}\n{tail(done.stderr or done.stdout)}")
    return done.stdout


def tail(text: str, lines: int = 20) -> str:
    """The last lines of a long output."""
    return "\n".join(text.strip().splitlines()[-lines:])


def require_root() -> None:
    """Raise LabError unless this is root."""
    if os.geteuid() != 0:
        raise LabError("the lab needs root: it makes namespaces, mounts and system containers")


def require_commands(needed: dict[str, str] | None = None, path: str = SYSTEM_PATH) -> None:
    """Raise LabError naming the Debian packages of the commands that are not there."""
    table = NEEDED if needed is None else needed
    missing = [command for command in table if shutil.which(command, path=path) is None]
    if missing:
        packages = sorted({table[command] for command in missing})
        raise LabError(
            f"the lab needs commands that are not installed: {', '.join(missing)}\n"
            f"install them with: apt-get install {' '.join(packages)}"
        )


def replace_process(command: Sequence[str], environment: dict[str, str]) -> None:
    """Become `command`; raises LabError when it cannot be started."""
    try:
        os.execvpe(command[0], list(command), environment)  # noqa: S606 -- an argument list without a shell
    except OSError as error:
        raise LabError(f"cannot start {command[0]}: {error.strerror}") from error
