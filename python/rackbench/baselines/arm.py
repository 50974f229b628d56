# SPDX-License-Identifier: Apache-2.0
"""Arming the gate: the one way from scaffold-placeholder to active, by a person who says who and why."""

from __future__ import annotations

import hashlib
import json
import shlex
from typing import TYPE_CHECKING, Any

from rackbench import clock
from rackbench.baselines import audit, document
from rackbench.baselines.numbers import ACTIVE, Placeholder
from rackbench.errors import RackbenchError
from rackbench.models.baseline import AuditLine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from rackbench.baselines.numbers import Baseline

_SHOWN = 5


def arm(path: Path, by: str, reason: str, now: datetime) -> tuple[Path, dict[str, Any]]:
    """Set the status of a baseline file to active; return its audit trail and the line that was added there.

    The line is written first: a gate that is armed has one, also when the power fails in between.
    Raises `RackbenchError`: what `document.read` and `document.locked` raise; baseline_not_ready for a baseline that is
    active already, has no scenario, or one with a placeholder or without a number that it should have.
    """
    with document.locked(path) as real:
        before = document.read(real)
        if before.baseline.active:
            raise RackbenchError(
                "baseline_not_ready",
                f"{path} is active already.",
                where=str(path),
                next_step="Nothing is left to do; `rackbench baseline show` says who armed it.",
            )
        obstacles = list(_obstacles(before.baseline))
        if obstacles:
            more = f" And {len(obstacles) - _SHOWN} more." if len(obstacles) > _SHOWN else ""
            raise RackbenchError(
                "baseline_not_ready",
                f"{path} is not armed. {' '.join(obstacles[:_SHOWN])}{more}",
                where=str(path),
                next_command=shlex.join(["rackbench", "baseline", "show", "--baseline", str(path)]),
            )
        edits = before.edits()
        edits.replace(before.root.at([document.STATUS]), json.dumps(ACTIVE))
        text = edits.result()
        line = {
            "schema": AuditLine.schema_name(),
            "at": clock.utc_text(now),
            "action": "arm",
            "by": by,
            "reason": reason,
            "baseline": real.name,
            "before_sha256": _digest(before.text),
            "after_sha256": _digest(text),
            "scenarios": len(before.baseline.scenarios),
            "vanished": sorted(before.baseline.vanished),
            "generated_at": before.baseline.generated_at,
            "generated_by": dict(before.baseline.generated_by),
        }
        trail = audit.path_of(real)
        audit.append(trail, line)
        document.write(real, text)
    return trail, line


def _obstacles(baseline: Baseline) -> Iterator[str]:
    if not baseline.scenarios:
        yield "It has no scenario."
    for name, scenario in baseline.scenarios.items():
        if isinstance(scenario, Placeholder):
            yield f"{name} is a placeholder."
        elif scenario.missing:
            yield f"{name} has no {', '.join(scenario.missing)}."


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
