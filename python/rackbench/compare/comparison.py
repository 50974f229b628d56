# SPDX-License-Identifier: Apache-2.0
"""Compare runs: the numbers that they share, how each stands to the first run's, and what else is not alike."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from rackbench.compare import runs as reading
from rackbench.compare.statistics import SAMPLES, Summary, summary
from rackbench.errors import RackbenchError
from rackbench.ledger import index

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rackbench.compare.runs import Difference, Execution, Key, Run

# Better and worse only where the intervals do not meet; `changed` where no direction is better.
BETTER, WORSE, CHANGED, NOISE, SAME, UNKNOWN = (
    "better",
    "worse",
    "changed",
    "within noise",
    "same",
    "unknown",
)


@dataclass(frozen=True, slots=True)
class Cell:
    """A number of one run. `status` is partial if one of its executions was, `verdict` the worst of theirs."""

    summary: Summary
    status: str
    verdict: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """How a number stands to the first run's: the ratio of the medians (None: to zero), and what that means.

    `within_one` says that an interval is of the samples of one execution: how executions differ is not in it.
    """

    ratio: float | None
    meaning: str
    within_one: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A number that all runs have: a cell for each run, and a change for each but the first."""

    key: Key
    cells: tuple[Cell, ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs side by side. `differences` and `only` have an entry for each run but the first, and for each run.

    `only` are the numbers that not all runs have. `remarks` are sentences to be read before the numbers, worst first.
    """

    runs: tuple[Run, ...]
    rows: tuple[Row, ...]
    differences: tuple[tuple[Difference, ...], ...]
    only: tuple[tuple[Key, ...], ...]
    remarks: tuple[str, ...]


def compare(runs: Sequence[Run]) -> Comparison:
    """Return how runs stand to the first of them. Without a number that all have, there are no rows.

    Raises `RackbenchError("simulated_and_real")` when a benchmark was simulated in one run and not in another.
    """
    _refuse_simulated(runs)
    keys = [run.keys for run in runs]
    shared = sorted(set.intersection(*keys), key=lambda key: key.order)
    rows = []
    for key in shared:
        cells = tuple(_cell(run.of(key), key) for run in runs)
        rows.append(Row(key, cells, tuple(_change(key, cells[0], cell) for cell in cells[1:])))
    remarks = chain(reading.verdict_remarks(runs), reading.state_remarks(runs), reading.problem_remarks(runs))
    return Comparison(
        runs=tuple(runs),
        rows=tuple(rows),
        differences=tuple(tuple(reading.differences(runs[0], run)) for run in runs[1:]),
        only=tuple(tuple(sorted(own - set(shared), key=lambda key: key.order)) for own in keys),
        remarks=tuple(remarks),
    )


def _refuse_simulated(runs: Sequence[Run]) -> None:
    found: dict[str, dict[bool, str]] = {}
    for run in runs:
        for execution in run.executions:
            found.setdefault(execution.adapter, {}).setdefault(execution.simulated, run.run_id)
    for adapter, of in found.items():
        if len(of) > 1:
            raise RackbenchError(
                "simulated_and_real",
                f"{adapter} was simulated by a stand-in in {of[True]} and was real in {of[False]}.",
                where=of[True],
            )


def _cell(executions: Sequence[Execution], key: Key) -> Cell:
    statuses = {execution.status for execution in executions}
    return Cell(
        summary([execution.values[key] for execution in executions]),
        reading.PARTIAL if reading.PARTIAL in statuses else executions[0].status,
        index.worst(execution.verdict for execution in executions),
    )


def _change(key: Key, before: Cell, after: Cell) -> Change:
    old, new = before.summary, after.summary
    ratio = new.median / old.median if old.median else None
    return Change(ratio, _meaning(key.direction, old, new), SAMPLES in {old.of, new.of})


def _meaning(direction: str, old: Summary, new: Summary) -> str:
    if old.median == new.median:
        return SAME
    if old.interval is None or new.interval is None:
        return UNKNOWN
    if old.interval[0] <= new.interval[1] and new.interval[0] <= old.interval[1]:
        return NOISE
    if direction not in {"lower", "higher"}:
        return CHANGED
    return BETTER if (new.median < old.median) == (direction == "lower") else WORSE
