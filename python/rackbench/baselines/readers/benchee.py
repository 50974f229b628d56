# SPDX-License-Identifier: Apache-2.0
"""JSON of Benchee (Elixir), in both shapes: a list of scenarios, and a map with `statistics`. Times are nanoseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rackbench.baselines.numbers import MICROSECONDS, Results, Scenario
from rackbench.baselines.readers.series import (
    gathered,
    in_microseconds,
    optional,
    percentile,
    samples_of,
    unreadable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_NS_PER_S = 1e9
# `ips` is one by the average. Where a time is further from it than this, it is in another unit.
_MOST = 100


class _List:
    """What Benchee's formatter writes since 1.0."""

    NAME = "benchee-list"
    EXPECTED = "a list of objects with name and run_time_data.statistics, times in nanoseconds"

    def matches(self, content: Any) -> bool:
        """Say whether this is such a list; an empty one is not."""
        return (
            isinstance(content, list)
            and bool(content)
            and all(isinstance(one, dict) and "run_time_data" in one for one in content)
        )

    def read(self, content: list[dict[str, Any]], path: Path) -> Results:
        """Return the results. Raises `RackbenchError("results_unreadable")`."""
        return Results(gathered(self._scenarios(content, path), path), self.NAME, path)

    def _scenarios(self, content: list[dict[str, Any]], path: Path) -> Iterator[Scenario]:
        for number, one in enumerate(content, 1):
            name = one.get("name") or one.get("job_name")
            if not isinstance(name, str):
                raise unreadable(path, f"scenario {number} has no name")
            # Benchee names the input of a suite without inputs so.
            if one.get("input_name") not in {None, "", "__no_input"}:
                name = f"{name} with {one['input_name']}"
            data = one["run_time_data"]
            if not isinstance(data, dict) or not isinstance(data.get("statistics"), dict):
                raise unreadable(path, f"{name!r} has no run_time_data.statistics; {self.EXPECTED}")
            yield _scenario(name, data["statistics"], data.get("samples"), path)


class _Map:
    """What Benchee's formatter wrote before, and what people write by hand: scenarios by name."""

    NAME = "benchee-map"
    EXPECTED = "an object with statistics.<scenario>.percentiles, times in nanoseconds"

    def matches(self, content: Any) -> bool:
        """Say whether this is such a map."""
        return isinstance(content, dict) and isinstance(content.get("statistics"), dict)

    def read(self, content: dict[str, Any], path: Path) -> Results:
        """Return the results. Raises `RackbenchError("results_unreadable")`."""
        times = content.get("run_times")
        scenarios = []
        for name, statistics in content["statistics"].items():
            if not isinstance(statistics, dict):
                raise unreadable(path, f"statistics of {name!r} are no object; {self.EXPECTED}")
            scenarios.append(
                _scenario(name, statistics, times.get(name) if isinstance(times, dict) else None, path)
            )
        return Results(gathered(scenarios, path), self.NAME, path)


LIST, MAP = _List(), _Map()


def _scenario(name: str, statistics: Mapping[str, Any], samples: Any, path: Path) -> Scenario:
    times = samples_of(samples, f"samples of {name!r}", path) if samples else ()
    ordered = sorted(times)
    given = statistics.get("percentiles") or {}
    if not isinstance(given, dict):
        raise unreadable(path, f"percentiles of {name!r} are no object")
    found = {}
    for wanted in (50, 95, 99):
        # The keys were 99 and 99.0 in different versions.
        value = given.get(str(wanted), given.get(f"{wanted}.0"))
        if value is None and wanted == 50:
            value = statistics.get("median")
        if value is None and ordered:
            value = percentile(ordered, wanted)
        found[wanted] = optional(value, f"percentile {wanted} of {name!r}", path)
    ips = optional(statistics.get("ips"), f"ips of {name!r}", path)
    average = optional(statistics.get("average"), f"average of {name!r}", path)
    if ips is None and average is not None:
        ips = _NS_PER_S / average
    _check_unit(name, ips, average or found[50], path)
    p50, p95, p99 = (None if time is None else time / 1000 for time in found.values())
    return Scenario(name, MICROSECONDS, p50, p95, p99, ips, "lower", in_microseconds(times, "ns"))


def _check_unit(name: str, ips: float | None, time: float | None, path: Path) -> None:
    """Raise `RackbenchError("results_unreadable")` for times that `ips` shows to be no nanoseconds."""
    if ips is None or time is None:
        return
    expected = _NS_PER_S / ips
    if not 1 / _MOST <= time / expected <= _MOST:
        raise unreadable(
            path,
            f"mixed units: {name!r} has {ips:g} iterations per second, which is {expected:g} ns for each, and a time "
            f"of {time:g}; Benchee has nanoseconds since its version 0.14",
        )
