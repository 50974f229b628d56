# SPDX-License-Identifier: Apache-2.0
"""The results file that `rackbench baseline collect` writes: the samples of a run, with where they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rackbench import clock
from rackbench.baselines.numbers import Results
from rackbench.baselines.readers.rackbench_run import converted
from rackbench.baselines.readers.series import gathered
from rackbench.files import json_text
from rackbench.models.baseline import CollectedResults
from rackbench.models.common import check

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

NAME = "rackbench-baseline-results"
_MAJOR = "rackbench.baseline-results/1."
EXPECTED = f"an object with the schema {_MAJOR}x, as `rackbench baseline collect` writes it"


def matches(content: Any) -> bool:
    """Say whether this is such a file."""
    return isinstance(content, dict) and str(content.get("schema")).startswith(_MAJOR)


def read(content: dict[str, Any], path: Path) -> Results:
    """Return the results. Raises `RackbenchError("results_unreadable")`."""
    document = check(CollectedResults, content, path=path, code="results_unreadable")
    return Results(
        gathered(
            (
                converted(one.name, one.unit, one.direction, one.samples, path, tuple(one.executions))
                for one in document.scenarios
            ),
            path,
        ),
        NAME,
        path,
        fingerprint=document.fingerprint,
        run_id=document.run_id,
        commit=document.commit,
        remarks=tuple(document.remarks),
    )


def text(results: Results, host: str, now: datetime) -> str:
    """Return the file for the results of a run, all of which have samples."""
    return json_text(
        {
            "schema": CollectedResults.schema_name(),
            "generated_at": clock.utc_text(now),
            "host": host,
            "run_id": results.run_id,
            "commit": results.commit,
            "fingerprint": results.fingerprint,
            "remarks": list(results.remarks),
            "scenarios": [
                {
                    "name": one.name,
                    "unit": one.unit,
                    "direction": one.direction,
                    "samples": list(one.samples),
                    "executions": list(one.executions),
                }
                for one in results.scenarios.values()
            ],
        }
    )
