# SPDX-License-Identifier: Apache-2.0
"""Asking something of a run from outside: a file in its control/ directory, which its controller honours."""

from __future__ import annotations

import getpass
import json
import os
import secrets
import socket
from typing import TYPE_CHECKING, Any

from rackbench import clock
from rackbench.files import json_text, read_regular, write_atomic
from rackbench.ledger import journal, rundir

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = "rackbench.control/1.0"
STOP = "stop"


def who() -> str:
    """Return who asks, as `user@machine`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def request(run_dir: Path, action: str, reason: str | None) -> dict[str, Any]:
    """Ask `action` of the run; return the document.

    Raises `RackbenchError("ledger_write_failed")`, and what `rundir.check_layout` raises.
    """
    rundir.check_layout(run_dir)
    now = clock.utc_now()
    document = {
        "schema": SCHEMA,
        "id": f"{clock.stamp(now)}-{secrets.token_hex(4)}",
        "action": action,
        "by": who(),
        "reason": reason,
        "requested_at": clock.utc_text(now),
    }
    path = run_dir / rundir.CONTROL / f"{document['id']}.json"
    try:
        path.parent.mkdir(exist_ok=True)
        write_atomic(path, json_text(document))
    except OSError as error:
        raise journal.write_failed(path, error) from error
    return document


def requests(run_dir: Path) -> list[dict[str, Any]]:
    """Return what was asked of a run, oldest first; files that are no requests are passed over."""
    found = []
    for path in sorted((run_dir / rundir.CONTROL).glob("*.json")):
        try:
            document = json.loads(read_regular(path))
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(document, dict) and document.get("action") == STOP:
            found.append({**document, "id": path.stem})
    return found


def open_requests(run_dir: Path, answered: set[str]) -> list[dict[str, Any]]:
    """Return the requests whose ids are not among those that the journal has `answered`."""
    return [document for document in requests(run_dir) if document["id"] not in answered]
