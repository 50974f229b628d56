# SPDX-License-Identifier: Apache-2.0
"""The steps of a run: their phases, their states, and the one table of legal transitions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rackbench.errors import RackbenchError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeGuard

PHASES = ("discover", "preflight", "stage", "execute", "collect", "publish", "finalize")

PENDING = "pending"
RUNNING = "running"
COMPLETED = "completed"
FAILED = "failed"
SKIPPED = "skipped"
CANCELLED = "cancelled"

_FINAL: frozenset[str] = frozenset()
_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,199}")

TRANSITIONS: dict[str, frozenset[str]] = {
    PENDING: frozenset({RUNNING, SKIPPED, CANCELLED}),
    RUNNING: frozenset({COMPLETED, FAILED, CANCELLED, SKIPPED}),
    COMPLETED: _FINAL,
    FAILED: _FINAL,
    SKIPPED: _FINAL,
    CANCELLED: _FINAL,
}


@dataclass(frozen=True)
class Step:
    """One step as the plan names it: `host.discover`, or `<adapter>.<phase>`; `role` does its work."""

    step_id: str
    adapter: str | None
    phase: str
    role: str
    depends: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise `ValueError` for an id that is none."""
        check_id(self.step_id)

    def as_dict(self) -> dict[str, Any]:
        """Return the step as it stands in the journal."""
        return {
            "step_id": self.step_id,
            "adapter": self.adapter,
            "phase": self.phase,
            "role": self.role,
            "depends": list(self.depends),
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Step:
        """Return the step that `as_dict` wrote; fields that are missing are taken from the step's id.

        Raises `ValueError` for an id that is none.
        """
        step_id = str(fields.get("step_id") or "")
        owner, _, phase = step_id.rpartition(".")
        adapter = fields.get("adapter", owner if owner != "host" else None)
        return cls(
            step_id=step_id,
            adapter=None if adapter is None else str(adapter),
            phase=str(fields.get("phase") or phase),
            role=str(fields.get("role") or ""),
            depends=tuple(str(name) for name in fields.get("depends") or ()),
        )


def is_id(name: Any) -> TypeGuard[str]:
    """Return whether this can be the id of a step or an execution. It names files, and must not lead elsewhere."""
    return isinstance(name, str) and _ID.fullmatch(name) is not None


def check_id(name: Any) -> None:
    """Raise `ValueError` unless this can be the id of a step or an execution."""
    if not is_id(name):
        raise ValueError(f"{name!r} is no id")


def is_legal(old: str, new: str) -> bool:
    """Return whether a step may go from one state to the other."""
    return new in TRANSITIONS.get(old, _FINAL)


def check_transition(step_id: str, old: str, new: str) -> None:
    """Raise `RackbenchError("illegal_transition")` unless the step may go from state `old` to state `new`."""
    if not is_legal(old, new):
        allowed = ", ".join(sorted(TRANSITIONS.get(old, _FINAL))) or "nothing: it has ended"
        raise RackbenchError(
            "illegal_transition",
            f"Step {step_id} is {old} and cannot become {new}; allowed is {allowed}.",
            where=step_id,
        )


def blocked_reason(step: Step, states: Mapping[str, str], *, execution_began: bool) -> str | None:
    """Return why a step must be skipped, or None when it may run.

    A step runs when every step it depends on is completed. A collect step also runs after a failed execute step that
    started at least one execution (`execution_began`): what was measured is fetched all the same.
    """
    for name in step.depends:
        state = states.get(name, PENDING)
        if state == COMPLETED:
            continue
        if step.phase == "collect" and name.endswith(".execute") and state == FAILED and execution_began:
            continue
        return f"{name} is {state}"
    return None
