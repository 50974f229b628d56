# SPDX-License-Identifier: Apache-2.0
"""What one controller process needs to reach a lab: a private directory, the ssh configuration and the broker."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rackbench.errors import RackbenchError
from rackbench.transport import askpass, opener, sshconfig
from rackbench.transport.broker import Broker
from rackbench.transport.routes import login_limit_s

if TYPE_CHECKING:
    from rackbench.transport.routes import Endpoint, Routes
    from rackbench.transport.secrets import Secrets

PREFIX = "rb-"
OWNER = "owner"
# A socket has at most 107 bytes of path, and ssh adds 17 to a control path while it binds.
LONGEST_ROOT = 50


class Session:
    """Open from its making to `close`, which the end of the process does by itself.

    Connections are shared by everything this process starts, and end with it; if it is killed they end by themselves
    some minutes later, and the next session clears up what is left.
    """

    def __init__(self, routes: Routes, secrets: Secrets) -> None:
        clear_abandoned()
        self.runtime = Path(tempfile.mkdtemp(prefix=PREFIX, dir=runtime_root()))
        self._owner = os.getpid()
        (self.runtime / OWNER).write_text(process_identity(self._owner) or "")
        for folder in (opener.CONTROL, opener.STATE):
            (self.runtime / folder).mkdir(mode=0o700)
        pinned = self.runtime / "known_hosts"
        pinned.write_text(sshconfig.pinned_keys(routes))
        (self.runtime / opener.CONFIG).write_text(sshconfig.render(routes, self.runtime, pinned))
        (self.runtime / opener.ROUTES).write_text(json.dumps(_plan(routes, self.runtime)))
        python = f"exec {shlex.quote(sys.executable)} -I -S"
        # The common case, an open connection, does not cost a start of Python.
        self._launcher(
            sshconfig.OPEN,
            'ssh -F none -S "$2" -O check open 2>/dev/null && exit 0\n'
            f'{python} {shlex.quote(opener.__file__)} {self.runtime} "$1"\n',
        )
        self._launcher(opener.ASKPASS, f'{python} {shlex.quote(askpass.__file__)} "$@"\n')
        self.broker = Broker(self.runtime / opener.SOCKET, routes, secrets)
        atexit.register(self.close)

    @property
    def config(self) -> Path:
        """The ssh configuration to pass with -F."""
        return self.runtime / opener.CONFIG

    @property
    def socket(self) -> Path:
        """The broker's socket."""
        return self.runtime / opener.SOCKET

    def close(self) -> None:
        """End the connections and remove the directory. Does nothing in a process that was forked from ours."""
        if os.getpid() != self._owner:
            return
        atexit.unregister(self.close)
        self.broker.close()
        remove(self.runtime)

    def _launcher(self, name: str, text: str) -> None:
        path = self.runtime / name
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o700)
        if not os.access(path, os.X_OK):
            raise RackbenchError(
                "cache_unwritable",
                f"{path.parent} is on a file system that runs no programs; set TMPDIR to one that does.",
                where=str(path.parent),
            )


def runtime_root() -> str:
    """Return where runtime directories are made: the temporary directory, or /tmp if a socket's path would be too long.

    Only plain characters, since the path stands in commands that ssh gives to a shell.
    """
    found = tempfile.gettempdir()
    plain = all(sign.isalnum() or sign in "/._-" for sign in found)
    return found if plain and len(found) <= LONGEST_ROOT else "/tmp"  # noqa: S108 (mkdtemp makes it private)


def clear_abandoned() -> None:
    """Remove the directories of controllers that were killed, and end the connections they left open."""
    for folder in Path(runtime_root()).glob(f"{PREFIX}*"):
        # A directory that goes away meanwhile, or is not ours, is not our business.
        with contextlib.suppress(OSError):
            owner = folder / OWNER
            if folder.stat().st_uid != os.getuid() or not owner.is_file():
                continue
            identity = owner.read_text()
            if identity and process_identity(int(identity.split()[0])) != identity:
                remove(folder)


def remove(runtime: Path) -> None:
    """End the connections whose sockets are in a runtime directory, and remove it."""
    ending = [
        subprocess.Popen(
            ["ssh", "-F", "none", "-S", str(control), "-O", "exit", "end"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for control in (runtime / opener.CONTROL).glob("*")
    ]
    for process in ending:
        process.wait()
    shutil.rmtree(runtime, ignore_errors=True)


def process_identity(pid: int) -> str | None:
    """Return what no other process ever has: pid and start time in clock ticks since boot; None if there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return f"{pid} {stat.rpartition(')')[2].split()[19]}"


def _plan(routes: Routes, runtime: Path) -> dict[str, Any]:
    def alias(endpoint: Endpoint) -> dict[str, Any]:
        return {
            "via": endpoint.via,
            "control": str(sshconfig.control_path(runtime, endpoint.name)),
            "attempts": endpoint.attempts,
            "backoff_s": endpoint.backoff_s,
            "login_limit_s": login_limit_s(endpoint.connect_timeout_s),
            "is_hop": endpoint.is_hop,
            "where": f"{endpoint.user}@{endpoint.hostname} port {endpoint.port}",
        }

    aliases = {name: alias(endpoint) for name, endpoint in routes.endpoints.items()}
    return {"project": str(routes.lab.project), "aliases": aliases}
