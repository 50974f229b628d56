# SPDX-License-Identifier: Apache-2.0
"""The folded journal of a long run, kept in `state/fold.json`, so that nobody has to fold a million records again.

It is used only when it was made by this very code, and the journal still begins with the line that it ended with.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections import OrderedDict
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from rackbench.files import open_regular, write_atomic
from rackbench.ledger import journal, rundir, steps
from rackbench.ledger import state as states

if TYPE_CHECKING:
    from pathlib import Path

    from rackbench.ledger.documents import Loaded

SCHEMA = "rackbench.fold/1.0"
PATH = "state/fold.json"
# Longer lines do not end a checkpoint.
_LONGEST_LINE = 1024 * 1024
_MOST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Point:
    """How far a journal was folded: bytes, lines, which of these were no records, the last line's digest and length."""

    offset: int
    lines: int
    bad_lines: tuple[int, ...]
    last_bytes: int
    last_sha256: str


def save(loaded: Loaded) -> None:
    """Keep a folded journal to which nobody writes now. One that cannot be kept costs nothing but time."""
    with contextlib.suppress(OSError, ValueError, TypeError, RecursionError):
        path = loaded.run_dir / rundir.EVENTS
        with open_regular(path) as stream:
            offset = os.fstat(stream.fileno()).st_size
            stream.seek(max(0, offset - _LONGEST_LINE))
            line = stream.read().splitlines(keepends=True)[-1]
        record = journal.decode(line)
        # A line that is no record, or one that came after the fold, is no place to start from.
        if (
            record is None
            or not line.endswith(b"\n")
            or record["seq"] != (loaded.state.last or {}).get("seq")
        ):
            return
        digest = hashlib.sha256(line).hexdigest()
        point = Point(offset, loaded.lines, loaded.health.bad_lines, len(line), digest)
        document = {
            "schema": SCHEMA,
            "code": code_digest(),
            "point": asdict(point),
            "state": {**asdict(loaded.state), "controls": sorted(loaded.state.controls)},
        }
        write_atomic(loaded.run_dir / PATH, json.dumps(document), sync=False)


def load(run_dir: Path) -> tuple[states.RunState, Point] | None:
    """Return the kept fold and how far it went, or None when there is none or it does not fit the journal."""
    try:
        with open_regular(run_dir / PATH) as kept:
            if os.fstat(kept.fileno()).st_size > _MOST_BYTES:
                return None
            document = json.loads(kept.read())
        if document["schema"] != SCHEMA or document["code"] != code_digest():
            return None
        told = document["point"]
        point = Point(**{**told, "bad_lines": tuple(told["bad_lines"])})
        if not 0 < point.last_bytes <= point.offset:
            return None
        with open_regular(run_dir / rundir.EVENTS) as stream:
            stream.seek(point.offset - point.last_bytes)
            line = stream.read(point.last_bytes)
        if hashlib.sha256(line).hexdigest() != point.last_sha256:
            return None
        return _state_of(document["state"]), point
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def code_digest() -> str:
    """Return a digest of the code that folds: what another version of it kept is of no use."""
    from pathlib import Path

    digest = hashlib.sha256()
    for module in (states, steps):
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()


def _state_of(told: dict[str, Any]) -> states.RunState:
    """Return the state whose plain form this is."""
    if told.keys() != {field.name for field in fields(states.RunState)}:
        raise KeyError("fields")
    return states.RunState(
        **{
            **told,
            # By their own names: those are checked.
            "steps": OrderedDict(
                (entry.step.step_id, entry) for entry in map(_step_of, told["steps"].values())
            ),
            "executions": OrderedDict(
                (entry["execution"], states.ExecutionState(**entry)) for entry in told["executions"].values()
            ),
            "results": OrderedDict(told["results"]),
            "artifacts": OrderedDict(told["artifacts"]),
            "transfers": {name: states.TransferTotals(**entry) for name, entry in told["transfers"].items()},
            "commands": {name: states.CommandTotals(**entry) for name, entry in told["commands"].items()},
            "tasks": states.TaskCounts(**told["tasks"]),
            "open_tasks": {name: states.OpenTask(**entry) for name, entry in told["open_tasks"].items()},
            "controls": set(told["controls"]),
        }
    )


def _step_of(told: dict[str, Any]) -> states.StepState:
    step = {**told["step"], "depends": tuple(told["step"]["depends"])}
    return states.StepState(
        **{**told, "step": steps.Step(**step), "tasks": states.TaskCounts(**told["tasks"])}
    )
