# SPDX-License-Identifier: Apache-2.0
"""What the report reads of a run directory: the folded journal, the results and the topology."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rackbench.errors import RackbenchError
from rackbench.ledger import documents, liveness, rundir
from rackbench.ledger import state as states
from rackbench.ledger.outcome import outcome_of
from rackbench.report.series import measured
from rackbench.topology.read import recorded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from rackbench.ledger.documents import Loaded
    from rackbench.ledger.state import RunState
    from rackbench.report.series import Measured
    from rackbench.topology.model import Topology

FINALIZE = "host.finalize"


@dataclass(frozen=True, slots=True)
class Source:
    """A run as the report sees it. `alive` says whether its controller lives, None when nobody knows."""

    loaded: Loaded
    alive: bool | None
    measured: list[Measured]
    topology: Topology | None

    @property
    def state(self) -> RunState:
        """Return the folded journal."""
        return self.loaded.state

    @property
    def run_id(self) -> str:
        """Return the run's id; that of the directory when the journal has lost it."""
        return self.state.run_id or rundir.run_id_of(self.loaded.run_dir.absolute())

    @property
    def host(self) -> str:
        """Return the host's name; that of the directory when the journal has lost it."""
        return self.state.host or self.loaded.run_dir.absolute().parent.name


def read(run_dir: Path) -> Source:
    """Read a run directory as it stands.

    Raises `RackbenchError`: not_a_run_directory, and ledger_unreadable when the journal tells of no run.
    """
    loaded = documents.load(run_dir)
    if not loaded.state.opened and not loaded.state.steps:
        raise RackbenchError(
            "ledger_unreadable",
            "The journal of this run is missing or holds no record that can be read.",
            where=str(run_dir / rundir.EVENTS),
        )
    return _source(loaded, None if loaded.state.closed else liveness.is_alive(loaded.state.controller))


def read_at_its_end(
    run_dir: Path, records: Iterable[Mapping[str, Any]], failure: RackbenchError | None
) -> Source:
    """Read a run whose last step is at work, as it will be when that step has ended.

    `records` are those that the step hands to the ledger, `failure` is what it will fail with.
    """
    loaded = documents.load(run_dir)
    state = loaded.state
    for record in records:
        _apply(state, record)
    ended = "completed" if failure is None else "failed"
    _apply(
        state,
        {
            "kind": "step.ended",
            "step": FINALIZE,
            "state": ended,
            "failure": failure.as_dict() if failure else None,
        },
    )
    _apply(state, {"kind": "run.closed", **outcome_of(state).as_dict()})
    return _source(loaded, None)


def _apply(state: RunState, record: Mapping[str, Any]) -> None:
    last = state.last or {}
    states.apply(state, {"seq": (last.get("seq") or 0) + 1, "at": last.get("at"), **record})


def _source(loaded: Loaded, alive: bool | None) -> Source:  # noqa: FBT001 - three values
    return Source(loaded, alive, measured(loaded.run_dir, loaded.state), recorded(loaded.run_dir))
