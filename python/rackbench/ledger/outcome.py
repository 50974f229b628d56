# SPDX-License-Identifier: Apache-2.0
"""How a run came out, computed from its steps."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rackbench.errors import FAILURES, INTERRUPTED, OUR_FAULT
from rackbench.ledger import steps

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rackbench.ledger.state import RunState


@dataclass(frozen=True)
class Outcome:
    """completed, failed or cancelled; the steps that did not come out well; the exit status of `rackbench`."""

    outcome: str
    failed_steps: tuple[str, ...]
    exit_status: int

    def as_dict(self) -> dict[str, Any]:
        """Return the fields of a `run.closed` record."""
        return {**asdict(self), "failed_steps": list(self.failed_steps)}


def outcome_of(state: RunState) -> Outcome:
    """Return how the run comes out if it is closed now."""
    failed = state.failed_steps
    # A stop that came when all was done has stopped nothing.
    if state.stop is not None and steps.CANCELLED in state.step_states().values():
        return Outcome("cancelled", tuple(entry.step.step_id for entry in failed), INTERRUPTED)
    if failed:
        codes = [str((entry.failure or {}).get("code")) for entry in failed]
        return Outcome("failed", tuple(entry.step.step_id for entry in failed), failed_exit_status(codes))
    if steps.CANCELLED in state.step_states().values():
        return Outcome("cancelled", (), INTERRUPTED)
    return Outcome("completed", (), 0)


def failed_exit_status(codes: Iterable[str]) -> int:
    """Return the exit status of a run whose steps failed with these codes: the gravest of 4, 3 and 1.

    A code that the table does not know is our own fault.
    """
    found = {FAILURES[code].exit_status if code in FAILURES else OUR_FAULT for code in codes}
    return max(found & {1, 3, 4}, default=1)
