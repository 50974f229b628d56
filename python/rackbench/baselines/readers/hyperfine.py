# SPDX-License-Identifier: Apache-2.0
"""JSON of hyperfine (`--export-json`). Times are seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rackbench.baselines.numbers import MICROSECONDS, Results, Scenario
from rackbench.baselines.readers.series import (
    MICROSECONDS_PER_S,
    gathered,
    in_microseconds,
    positive,
    samples_of,
    scenario,
    unreadable,
)

if TYPE_CHECKING:
    from pathlib import Path

NAME = "hyperfine"
EXPECTED = "an object with results, a list of objects with command, mean and median, times in seconds"


def matches(content: Any) -> bool:
    """Say whether this is such a file."""
    return (
        isinstance(content, dict)
        and isinstance(content.get("results"), list)
        and all(isinstance(one, dict) and "command" in one for one in content["results"])
    )


def read(content: dict[str, Any], path: Path) -> Results:
    """Return the results. Raises `RackbenchError("results_unreadable")`, also for a command that failed."""
    return Results(gathered((_scenario(one, path) for one in content["results"]), path), NAME, path)


def _scenario(one: dict[str, Any], path: Path) -> Scenario:
    name = one["command"]
    if not isinstance(name, str) or not name:
        raise unreadable(path, "a command is no text")
    codes = one.get("exit_codes") or []
    if not isinstance(codes, list):
        raise unreadable(path, f"the exit_codes of {name!r} are no list")
    failed = [code for code in codes if code != 0]
    if failed:
        raise unreadable(
            path, f"{name!r} failed in {len(failed)} of {len(codes)} runs, so its times mean nothing"
        )
    if one.get("times"):
        times = in_microseconds(samples_of(one["times"], f"times of {name!r}", path), "s")
        return scenario(name, MICROSECONDS, "lower", times)
    median = positive(one.get("median"), f"median of {name!r}", path) * MICROSECONDS_PER_S
    mean = positive(one.get("mean"), f"mean of {name!r}", path)
    return Scenario(name, MICROSECONDS, median, None, None, 1 / mean, "lower")
