# SPDX-License-Identifier: Apache-2.0
"""One result.json of a benchmark of Rackbench, within its run directory or alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rackbench.adapters.results import SCHEMA_MAJOR, parse_result
from rackbench.baselines.numbers import Results
from rackbench.baselines.readers import rackbench_run
from rackbench.baselines.readers.series import gathered, refused, unreadable
from rackbench.errors import RackbenchError
from rackbench.ledger import rundir
from rackbench.ledger.state import RunState
from rackbench.publish.refusal import refusals

if TYPE_CHECKING:
    from pathlib import Path

NAME = "rackbench-result"
EXPECTED = f"an object with the schema {SCHEMA_MAJOR}x and metrics, each with its unit"
# A result is <run directory>/benchmarks/<adapter>/<execution>/result.json.
_ABOVE = 3


def matches(content: Any) -> bool:
    """Say whether this is such a file."""
    return isinstance(content, dict) and str(content.get("schema")).startswith(SCHEMA_MAJOR)


def read(content: dict[str, Any], path: Path) -> Results:
    """Return the results; within a run directory, with what the run knows of machine and commit.

    Raises `RackbenchError`: results_refused, results_unreadable.
    """
    above = path.absolute().parents
    if (
        len(above) > _ABOVE
        and above[_ABOVE - 1].name == rundir.BENCHMARKS
        and rundir.is_run_directory(above[_ABOVE])
    ):
        return rackbench_run.read(above[_ABOVE], above[0].name)
    if reasons := refusals(RunState(), {path.name: content}):
        raise refused(path, reasons)
    try:
        result = parse_result(json.dumps(content), path)
    except RackbenchError as error:
        raise unreadable(path, error.message.removeprefix(f"{path}: ").rstrip(".")) from error
    if result.status == "failed":
        raise refused(path, ["By its own account the benchmark failed."])
    scenarios = []
    for metric in result.metrics:
        if metric.direction == "none":
            continue
        labels = ", ".join(f"{name} {value}" for name, value in sorted(metric.labels.items()))
        name = f"{result.benchmark['name']} {metric.name}" + (f" ({labels})" if labels else "")
        scenarios.append(rackbench_run.converted(name, metric.unit, metric.direction, metric.samples, path))
    return Results(gathered(scenarios, path), NAME, path)
