# SPDX-License-Identifier: Apache-2.0
"""JSON of pytest-benchmark (`--benchmark-json`). Times are seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rackbench.baselines.fingerprint import fingerprint
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

NAME = "pytest-benchmark"
EXPECTED = "an object with benchmarks, a list of objects with name and stats, times in seconds"


def matches(content: Any) -> bool:
    """Say whether this is such a file."""
    return isinstance(content, dict) and isinstance(content.get("benchmarks"), list)


def read(content: dict[str, Any], path: Path) -> Results:
    """Return the results. Raises `RackbenchError("results_unreadable")`."""
    commit = content.get("commit_info")
    commit = commit if isinstance(commit, dict) else {}
    # Outside of a repository this is the word `unversioned`.
    revision = commit.get("id") if commit.get("time") and isinstance(commit.get("id"), str) else None
    return Results(
        gathered((_scenario(one, path) for one in content["benchmarks"]), path),
        NAME,
        path,
        fingerprint=_machine(content.get("machine_info"), path),
        commit=f"{revision}-dirty" if revision and commit.get("dirty") else revision,
    )


def _scenario(one: Any, path: Path) -> Scenario:
    if not isinstance(one, dict) or not isinstance(one.get("stats"), dict):
        raise unreadable(path, f"a benchmark has no stats; {EXPECTED}")
    name = one.get("fullname") or one.get("name")
    if not isinstance(name, str):
        raise unreadable(path, "a benchmark has no name")
    stats = one["stats"]
    if stats.get("data"):
        times = in_microseconds(samples_of(stats["data"], f"data of {name!r}", path), "s")
        return scenario(name, MICROSECONDS, "lower", times)
    # Without --benchmark-save-data there are no samples, and so no high percentiles.
    median = positive(stats.get("median"), f"median of {name!r}", path) * MICROSECONDS_PER_S
    mean = positive(stats.get("mean"), f"mean of {name!r}", path)
    return Scenario(name, MICROSECONDS, median, None, None, 1 / mean, "lower")


def _machine(info: Any, path: Path) -> str | None:
    if not isinstance(info, dict):
        return None
    cpu = info.get("cpu")
    if not isinstance(cpu, dict):
        return None
    count = cpu.get("count")
    return fingerprint(
        path,
        architecture=info.get("machine"),
        model=cpu.get("brand_raw") or cpu.get("brand"),
        cpus=count if isinstance(count, int) else None,
    )
