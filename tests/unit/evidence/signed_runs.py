# SPDX-License-Identifier: Apache-2.0
"""Small run directories that are signed by the real ssh-keygen, and the real command on them."""

from __future__ import annotations

import hashlib
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from rackbench.ledger import journal, rundir

if TYPE_CHECKING:
    from pathlib import Path

# The last is empty, and one has a name that a terminal would obey.
FILES = {
    "benchmarks/demo/demo.smoke.1/result.json": b'{"schema": "rackbench.result/1.0"}\n',
    "benchmarks/demo/demo.smoke.1/\x1b[31mred.bin": bytes(range(64)),
    "logs/empty.log": b"",
}
# Its process is gone: that was another boot of this machine.
GONE = {"pid": 1, "start_ticks": 1, "boot_id": "another", "hostname": socket.gethostname(), "user": "me"}


def make_key(path: Path) -> Path:
    """Make an ssh key."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)], check=True)
    return path


def allow(path: Path, key: Path, options: str = "") -> Path:
    """Write a file of allowed signers with one key."""
    path.write_text(f"lab@example.org {options} {key.with_name(key.name + '.pub').read_text()}")
    return path


def make_run(folder: Path, *, check: bool = False, closed: bool = True, **opened: Any) -> Path:
    """Write a run with FILES below `folder` and return its directory."""
    run_dir = folder / "2026-11-21" / "box" / "20261121T080000Z"
    run_dir.mkdir(parents=True)
    writer = journal.JournalWriter(run_dir / rundir.EVENTS)
    fields = {"run_id": rundir.run_id_of(run_dir), "host": "box", "run_dir": "runs/box", "check": check}
    plan = {"phases": [], "benchmarks": [], "steps": [], "executions": {}, "controller": GONE}
    writer.append("run.opened", {**fields, **plan, **opened})
    for name, content in FILES.items():
        add_file(writer, run_dir, name, content)
    if closed:
        writer.append("run.closed", {"outcome": "completed", "failed_steps": [], "exit_status": 0})
    writer.close()
    return run_dir


def add_file(writer: journal.JournalWriter, run_dir: Path, name: str, content: bytes) -> None:
    """Write a file and record it as an artifact."""
    path = run_dir / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    fields = {"path": name, "bytes": len(content), "sha256": digest, "artifact_kind": "file"}
    writer.append("artifact", {**fields, "publishable": False})


def rackbench(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command, with nothing to read from."""
    return subprocess.run(
        [sys.executable, "-m", "rackbench", *map(str, arguments)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
