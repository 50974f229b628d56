# SPDX-License-Identifier: Apache-2.0
"""What changed on a host from one run to another."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rackbench.errors import RackbenchError
from rackbench.ledger import documents, host_state, rundir

if TYPE_CHECKING:
    from pathlib import Path

    from rackbench.ledger.host_state import Difference, HostState


@dataclass(frozen=True, slots=True)
class HostDiff:
    """Two runs of a host and what is not alike in its state; a digest is that of a run's state."""

    host: str
    before: str
    after: str
    before_digest: str | None
    after_digest: str | None
    differences: tuple[Difference, ...]


def diff(runs_dir: Path, host: str, before: Path | None, after: Path | None) -> HostDiff:
    """Return what changed on `host` from one run to another.

    By default `after` is its newest run below `runs_dir` that recorded a state, dry runs included, and `before` the
    newest one that is older. Raises `RackbenchError`: no_host_state, not_a_run_directory, wrong_usage (a run of another
    host).
    """
    known = sorted(
        (path.parents[1] for path in runs_dir.glob(f"*/{host}/*/{host_state.PATH}")),
        key=lambda path: path.name,
    )
    after = after or (known[-1] if known else None)
    before = before or next((path for path in reversed(known) if after and path.name < after.name), None)
    if after is None or before is None:
        raise RackbenchError(
            "no_host_state",
            f"There are no two runs of {host} that recorded the state of the host.",
            where=str(runs_dir),
            next_command=shlex.join(["rackbench", "run", "--host", host, "--benchmarks", "preflight"]),
        )
    (first, old), (second, new) = _state(before, host), _state(after, host)
    found = tuple(host_state.differences(old.facts, new.facts))
    return HostDiff(host, first, second, old.digest, new.digest, found)


def _state(run_dir: Path, host: str) -> tuple[str, HostState]:
    """Return the id of a run and the state that it measured."""
    state = documents.load(run_dir).state
    path = run_dir.resolve()
    own = state.host or path.parent.name
    if own != host:
        raise RackbenchError(
            "wrong_usage",
            f"{run_dir} is a run of {own} and not of {host}.",
            next_command=shlex.join(["rackbench", "runs", "--host", host]),
        )
    found = host_state.of_run(run_dir, state)
    if found.problem is not None:
        raise RackbenchError("no_host_state", found.problem, where=str(run_dir / host_state.PATH))
    return state.run_id or rundir.run_id_of(path), found
