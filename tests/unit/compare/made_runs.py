# SPDX-License-Identifier: Apache-2.0
"""Runs that are made up, for the tests of what is put together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rackbench.compare.runs import Execution, Key, Run
from rackbench.ledger.host_state import Facts, HostState

if TYPE_CHECKING:
    from collections.abc import Sequence

KEY = Key("one", "full", "rate", (("cpu", 0),), "turns/s", "higher", together=False)
NAMES = ("a", "b", "c", "d", "e", "f", "g")


def execution(*samples: float, key: Key = KEY, **changes: Any) -> Execution:
    """Return an execution with these samples."""
    fields: dict[str, Any] = {
        "name": f"{key.adapter}.{key.family}.1",
        "adapter": key.adapter,
        "family": key.family,
        "status": "passed",
        "verdict": "valid",
        "simulated": False,
        "benchmark_version": "1.0.0",
        "bundle_version": "1.0.0",
        "bundle_sha256": "ab" * 32,
        "setup": "{}",
        "values": {key: samples},
    }
    return Execution(**{**fields, **changes})


def run(name: str, executions: Sequence[Execution] = (), *, bios: str = "1", **changes: Any) -> Run:
    """Return a run of the host thor with this BIOS."""
    fields: dict[str, Any] = {
        "run_dir": Path("/runs") / name,
        "run_id": f"{name}-thor",
        "host": "thor",
        "label": None,
        "opened_at": "2026-11-21T08:00:00.000Z",
        "closed": True,
        "check": False,
        "state": HostState(Facts({"firmware.version": bios}, {})),
        "verdict": "valid",
        "adapters": {"one": "cd" * 32},
        "executions": tuple(executions),
        "problems": (),
    }
    return Run(**{**fields, **changes})
