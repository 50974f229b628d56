# SPDX-License-Identifier: Apache-2.0
"""What all readers share: numbers that are numbers, times in microseconds, and scenarios from samples. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rackbench.baselines.numbers import MICROSECONDS, Scenario
from rackbench.errors import RackbenchError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

# How many microseconds a unit of time has.
TIMES: Mapping[str, float] = {
    "ns": 1e-3,
    "us": 1.0,
    "µs": 1.0,
    "μs": 1.0,
    "ms": 1e3,
    "s": 1e6,
    "min": 6e7,
    "h": 3.6e9,
}
MICROSECONDS_PER_S = 1e6


def unreadable(path: Path, problem: str) -> RackbenchError:
    """Return the failure that a results file cannot be used."""
    return RackbenchError("results_unreadable", f"{path}: {problem}.", where=str(path), next_path=str(path))


def refused(path: Path, reasons: Iterable[str]) -> RackbenchError:
    """Return the failure that results are no measurements. The reasons are sentences."""
    return RackbenchError("results_refused", f"{path} is not used. {' '.join(reasons)}", where=str(path))


def positive(value: Any, what: str, path: Path) -> float:
    """Return a finite number above 0. Raises `RackbenchError("results_unreadable")` that says of what it is."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if 0 < number < math.inf:
            return number
    shown = repr(value)
    raise unreadable(
        path, f"{what} is {shown if len(shown) <= 40 else shown[:37] + '...'}, no finite number above 0"
    )


def optional(value: Any, what: str, path: Path) -> float | None:
    """Return None for what is not there, and else as `positive` does."""
    return None if value is None else positive(value, what, path)


def samples_of(values: Any, what: str, path: Path) -> tuple[float, ...]:
    """Return a list of numbers above 0 as it stands. Raises `RackbenchError("results_unreadable")`."""
    if not isinstance(values, list):
        raise unreadable(path, f"{what} is no list of numbers")
    return tuple(positive(value, f"{what}, number {index},", path) for index, value in enumerate(values, 1))


def in_microseconds(samples: Iterable[float], unit: str) -> tuple[float, ...]:
    """Return times in microseconds."""
    factor = TIMES[unit]
    return tuple(sample * factor for sample in samples)


def scenario(name: str, unit: str, direction: str, samples: Sequence[float]) -> Scenario:
    """Return a scenario from its samples, at least one of them, in `unit`.

    Percentiles are interpolated linearly between order statistics. Of times, `ips` is one by their mean.
    """
    ordered = sorted(samples)
    if direction == "higher":
        return Scenario(name, unit, None, None, None, percentile(ordered, 50), direction, tuple(samples))
    # Every part is divided, for the sum of all may be infinite.
    mean = math.fsum(sample / len(ordered) for sample in ordered)
    ips = MICROSECONDS_PER_S / mean if unit == MICROSECONDS and mean else None
    p50, p95, p99 = (percentile(ordered, wanted) for wanted in (50, 95, 99))
    return Scenario(name, unit, p50, p95, p99, ips, direction, tuple(samples))


def percentile(ordered: Sequence[float], wanted: float) -> float:
    """Return a percentile of sorted values, at least one, by linear interpolation between their order statistics."""
    place = (len(ordered) - 1) * wanted / 100
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def gathered(scenarios: Iterable[Scenario], path: Path) -> dict[str, Scenario]:
    """Return scenarios by name. Raises `RackbenchError("results_unreadable")` for a name that is there twice."""
    found: dict[str, Scenario] = {}
    for each in scenarios:
        if each.name in found:
            other = found[each.name]
            units = f", in the units {other.unit} and {each.unit}" if other.unit != each.unit else ""
            raise unreadable(path, f"the scenario {each.name!r} is there twice{units}")
        found[each.name] = each
    return found
