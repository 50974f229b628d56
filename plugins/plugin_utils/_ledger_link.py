# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE. How the callback and the actions know of each other: variables in the controller's own environment.

Each task's worker is forked after the callback has set them, so it sees them; nothing else can reach it.
"""

from __future__ import annotations

import os

PRESENT = "RACKBENCH_LEDGER"
FAILED = "RACKBENCH_LEDGER_FAILED"


def announce(session: str) -> None:
    """Say that the callback is on. `session` is the UTC stamp of this playbook's start, which names its campaign."""
    os.environ[PRESENT] = f"{os.getpid()} {session}"
    os.environ.pop(FAILED, None)


def withdraw() -> None:
    """Say that no callback is on any more."""
    os.environ.pop(PRESENT, None)
    os.environ.pop(FAILED, None)


def fail(message: str) -> None:
    """Say that the ledger cannot be written: the next action of ours fails with this message."""
    os.environ[FAILED] = message


def session() -> str | None:
    """Return the session's stamp, or None when no callback of this very process tree is on."""
    owner, _space, stamp = os.environ.get(PRESENT, "").partition(" ")
    # A worker is a direct child of the process that announced it; a nested ansible-playbook is not.
    return stamp if owner in {str(os.getpid()), str(os.getppid())} else None


def failure() -> str | None:
    """Return the message of a ledger that failed, or None."""
    return os.environ.get(FAILED)
