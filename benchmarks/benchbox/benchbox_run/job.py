# SPDX-License-Identifier: Apache-2.0
"""Reads and checks job.json."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = "rackbench.job/1.0"
# The queries that BenchBox runs, by the ids that its result gives them.
QUERIES = {
    "ssb": ("1.1", "1.2", "1.3", "2.1", "2.2", "2.3", "3.1", "3.2", "3.3", "3.4", "4.1", "4.2", "4.3"),
    "tpch": tuple(str(number) for number in range(1, 23)),
}
PLATFORMS = ("duckdb", "sqlite")
SCALES = (0.01, 0.1, 1, 10)
MOST_ITERATIONS = 1000
# Ten years; it keeps out infinity and whole numbers that no float can hold.
_LONGEST_S = 3650 * 24 * 3600


class JobError(Exception):
    """The job description or the command line cannot be used."""


@dataclass(frozen=True)
class Job:
    """What was asked for. `time_limit_s` is in seconds; `cpus` is None when all allowed CPUs may be used."""

    benchmark: str
    platform: str
    scale: float
    iterations: int
    time_limit_s: float
    cpus: list[int] | None

    @property
    def queries(self) -> tuple[str, ...]:
        """The ids of the benchmark's queries, in order."""
        return QUERIES[self.benchmark]


def read_job(path: Path) -> Job:
    """Reads `path`. Raises JobError when it is unreadable, not JSON, or a field is missing or of a wrong type."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise JobError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise JobError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise JobError(f"{path} holds no JSON object")
    if document.get("schema") != SCHEMA:
        raise JobError(f"schema is {document.get('schema')!r}, and this program reads {SCHEMA!r}")
    parameters = document.get("parameters")
    if not isinstance(parameters, dict):
        raise JobError("parameters must be an object")
    limit = document.get("time_limit_s")
    if not _is_number(limit) or not 0 < limit <= _LONGEST_S:
        raise JobError("time_limit_s must be a number of seconds above 0")
    iterations = parameters.get("iterations", 3)
    if not _is_number(iterations) or iterations not in range(1, MOST_ITERATIONS + 1):
        raise JobError(f"parameters.iterations must be a whole number from 1 to {MOST_ITERATIONS}")
    cpus = document.get("cpus")
    if cpus is not None and not (
        isinstance(cpus, list) and cpus and all(isinstance(cpu, int) and cpu >= 0 for cpu in cpus)
    ):
        raise JobError("cpus must be null or a list of CPU numbers")
    return Job(
        benchmark=_one_of(parameters.get("benchmark"), tuple(QUERIES), "benchmark"),
        platform=_one_of(parameters.get("platform", "duckdb"), PLATFORMS, "platform"),
        scale=_one_of(parameters.get("scale", 0.01), SCALES, "scale"),
        iterations=int(iterations),
        time_limit_s=float(limit),
        cpus=cpus,
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _one_of(value: Any, known: tuple[Any, ...], name: str) -> Any:
    if isinstance(value, bool) or value not in known:
        raise JobError(
            f"parameters.{name} is {value!r}, and must be one of {', '.join(str(each) for each in known)}"
        )
    return value
