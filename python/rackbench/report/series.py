# SPDX-License-Identifier: Apache-2.0
"""The results of a run as series: one for each family, metric and set of labels, with a lane for each repeat. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rackbench.adapters.results import read_result
from rackbench.errors import RackbenchError
from rackbench.report import text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from rackbench.adapters.results import Result
    from rackbench.ledger.state import ExecutionState, RunState

VOID = "void"
# More samples than these are told by their statistics only.
_MOST_VALUES = 12
# Bytes, agents and numbers of CPUs are less.
MOST_COUNTED = 2**62
_BETTER = {"lower": "lower is better", "higher": "higher is better"}

Labels = tuple[tuple[str, str | int], ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """An execution that counts, with its result, or the problem that there is none."""

    execution: ExecutionState
    result: Result | None
    problem: str | None

    @property
    def verdict(self) -> str:
        """Return the verdict on the execution, or `unknown`."""
        return str((self.execution.verdict or {}).get("verdict") or "unknown")

    @property
    def family(self) -> str:
        """Return the family of the execution; empty when the journal does not tell it."""
        return self.execution.family or ""

    @property
    def simulated(self) -> bool:
        """Return whether a stand-in for the real benchmark made the result."""
        return self.result is not None and self.result.simulated

    @property
    def facts(self) -> Mapping[str, Any]:
        """Return the facts of the result; none when there is no result."""
        facts = self.result.document.get("facts") if self.result else None
        return facts if isinstance(facts, dict) else {}


@dataclass(frozen=True, slots=True)
class Lane:
    """The samples that one repeat gave."""

    repeat: str
    verdict: str
    samples: tuple[float, ...]


@dataclass(slots=True)
class Series:
    """All samples of one metric with one set of labels in one family."""

    family: str
    name: str
    unit: str
    direction: str
    labels: Labels
    lanes: list[Lane] = field(default_factory=list)

    @property
    def samples(self) -> list[float]:
        """Return the samples of all repeats."""
        if len(self.lanes) == 1:
            return list(self.lanes[0].samples)
        return [value for lane in self.lanes for value in lane.samples]

    @property
    def median(self) -> float:
        """Return the median of all samples."""
        return median(self.samples)

    def label(self, name: str) -> str | int | None:
        """Return the value of a label, or None."""
        for key, value in self.labels:
            if key == name:
                return value
        return None

    def count(self, name: str) -> int | None:
        """Return the value of a label that is a whole number of a sensible size and not negative, or None."""
        value = self.label(name)
        return value if isinstance(value, int) and 0 <= value < MOST_COUNTED else None

    def without(self, *names: str) -> Labels:
        """Return the labels but these."""
        return tuple(pair for pair in self.labels if pair[0] not in names)


def measured(run_dir: Path, state: RunState) -> list[Measured]:
    """Return the executions of a run that count, in the plan's order, with what they measured.

    Warm-ups, superseded executions and those that were not needed are left out.
    """
    found = []
    for execution in state.executions.values():
        if execution.warmup or execution.superseded or execution.not_needed:
            continue
        path = (state.results.get(execution.execution) or {}).get("path")
        if not isinstance(path, str):
            found.append(Measured(execution, None, "There is no result of this execution."))
            continue
        try:
            result = read_result(run_dir / path)
            # A whole number may have more digits than a float holds.
            for metric in result.metrics:
                sum(metric.samples, start=0.0)
            found.append(Measured(execution, result, None))
        except RackbenchError as error:
            found.append(Measured(execution, None, error.message))
        except OverflowError:
            found.append(Measured(execution, None, f"{path}: a sample is too large for a number."))
    return found


def collected(executions: Iterable[Measured]) -> list[Series]:
    """Return the series of these executions in the order in which the results have them."""
    found: dict[tuple[str, str, str, str, Labels], Series] = {}
    for each in executions:
        if each.result is None:
            continue
        repeat, verdict = str(each.execution.repeat or 1), each.verdict
        for metric in each.result.metrics:
            key = (each.family, metric.name, metric.unit, metric.direction, tuple(metric.labels.items()))
            one = found.get(key)
            if one is None:
                one = found[key] = Series(*key)
            one.lanes.append(Lane(repeat, verdict, metric.samples))
    return list(found.values())


def grouped(series: Iterable[Series], *, by_family: bool = False) -> list[list[Series]]:
    """Return series of one name, unit and direction together, and of one family if so."""
    groups: dict[tuple[str, ...], list[Series]] = {}
    for one in series:
        key = (one.name, one.unit, one.direction, one.family if by_family else "")
        groups.setdefault(key, []).append(one)
    return list(groups.values())


def median(values: Sequence[float]) -> float:
    """Return the median, also of numbers whose sum is too large for one."""
    ordered = sorted(values)
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return low if low == high else low / 2 + high / 2


def axis(one: Series) -> str:
    """Return what the axis of a series is called: its unit, and which way is better."""
    better = _BETTER.get(one.direction)
    return f"{one.unit}, {better}" if better else one.unit


def statistics_cells(samples: Sequence[float]) -> tuple[str, str, str, str]:
    """Return number, median, least and greatest of samples as cells of a table."""
    return (
        f"{len(samples):,}",
        text.number(median(samples)),
        text.number(min(samples)),
        text.number(max(samples)),
    )


def values_cell(samples: Sequence[float]) -> str:
    """Return the samples themselves as a cell of a table, if they are few."""
    return ", ".join(map(text.number, samples)) if len(samples) <= _MOST_VALUES else text.NONE
