# SPDX-License-Identifier: Apache-2.0
"""Reads the result bundle of BenchBox and judges it: every query, phase and count, and not the exit code alone."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from benchbox_run.job import Job

# The major version of the bundle's schema that this program reads.
SCHEMA_MAJOR = "2"
_GOOD_PHASES = frozenset({"SUCCESS", "COMPLETED", "PASSED", "NOT_RUN", "SKIPPED"})
# Names in a message before the rest is only counted.
_NAMED = 5


class BundleError(Exception):
    """The bundle is not what BenchBox writes."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class Reading:
    """What a bundle says. `samples` has for each query its measured times in seconds, by iteration."""

    checks: list[Check]
    samples: dict[str, dict[int, float]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def totals(self, job: Job) -> list[float]:
        """Returns the time of all queries together, in seconds, for each iteration that has them all."""
        return [
            math.fsum(self.samples[query][number] for query in job.queries)
            for number in range(1, job.iterations + 1)
            if all(number in self.samples.get(query, {}) for query in job.queries)
        ]


def read(path: Path, job: Job) -> Reading:
    """Reads and judges the bundle at `path`. Raises BundleError when it cannot be understood."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path.name} is not whole JSON: {error}") from error
    if not isinstance(document, dict):
        raise BundleError(f"{path.name} holds no JSON object")
    version = _get(document, "version", str)
    if version.split(".")[0] != SCHEMA_MAJOR:
        raise BundleError(f"version is {version!r}, and this program reads {SCHEMA_MAJOR}.x")
    rows = [row for row in _get(document, "queries", list) if _is_measured(row)]
    counts = {name: _get(document, f"summary.queries.{name}", int) for name in ("total", "passed", "failed")}
    validation = _get(document, "summary.validation", str)
    samples = _samples(rows)
    return Reading(
        checks=[
            _asked(document, job),
            _phases(document),
            _passed(document, rows, counts),
            _complete(samples, job),
            Check("validation", validation == "passed", f"BenchBox calls its result {validation}"),
        ],
        samples=samples,
        facts=_facts(document, counts, validation),
    )


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


def _get(document: dict[str, Any], place: str, *kinds: type) -> Any:
    value: Any = document
    for name in place.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise BundleError(f"{place} is {value!r}, and not of the type {kinds[0].__name__}")
    return value


def _is_measured(row: Any) -> bool:
    if not isinstance(row, dict):
        raise BundleError(f"queries holds {row!r}, which is no object")
    return row.get("run_type", "measurement") == "measurement"


def _samples(rows: list[dict[str, Any]]) -> dict[str, dict[int, float]]:
    """Returns the times of the queries that passed, in seconds, by query and iteration."""
    samples: dict[str, dict[int, float]] = {}
    for row in rows:
        if _failed(row):
            continue
        query, number, milliseconds = str(row.get("id")), row.get("iter"), row.get("ms")
        if not isinstance(number, int) or isinstance(number, bool):
            raise BundleError(f"query {query} has the iteration {number!r}")
        if (
            not isinstance(milliseconds, (int, float))
            or isinstance(milliseconds, bool)
            or not 0 <= milliseconds < math.inf
        ):
            raise BundleError(f"query {query} took {milliseconds!r} ms")
        if number in samples.setdefault(query, {}):
            raise BundleError(f"query {query} is there twice in iteration {number}")
        samples[query][number] = round(milliseconds / 1000, 9)
    return samples


def _failed(row: dict[str, Any]) -> bool:
    rows_compared = row.get("row_count_validation")
    wrong_rows = isinstance(rows_compared, dict) and str(rows_compared.get("status")).upper() == "FAILED"
    return row.get("status") != "SUCCESS" or wrong_rows


def _asked(document: dict[str, Any], job: Job) -> Check:
    found = {
        "benchmark": _get(document, "benchmark.id", str),
        "platform": _get(document, "platform.name", str).lower(),
        "scale": float(_get(document, "benchmark.scale_factor", float, int)),
        "iterations": _get(document, "run.iterations", int),
    }
    asked = {
        "benchmark": job.benchmark,
        "platform": job.platform,
        "scale": float(job.scale),
        "iterations": job.iterations,
    }
    other = [f"{name} {found[name]} instead of {asked[name]}" for name in asked if found[name] != asked[name]]
    return Check("is_what_was_asked", not other, ", ".join(other))


def _phases(document: dict[str, Any]) -> Check:
    phases = _get(document, "phases", dict)
    states = {
        name: str(phase.get("status")) if isinstance(phase, dict) else "unknown"
        for name, phase in phases.items()
    }
    bad = [f"{name} {state}" for name, state in states.items() if state not in _GOOD_PHASES]
    if states.get("power_test") == "NOT_RUN" or "power_test" not in states:
        bad.append("power_test NOT_RUN")
    return Check("phases", not bad, ", ".join(bad))


def _passed(document: dict[str, Any], rows: list[dict[str, Any]], counts: dict[str, int]) -> Check:
    """Every query passed, by its own row and by BenchBox's count. A run of TPC-H is good for BenchBox with 95 %."""
    said = {
        str(error.get("query_id")): " ".join(str(error.get("message")).split())
        for error in document.get("errors") or []
        if isinstance(error, dict)
    }
    failed = list(dict.fromkeys(str(row.get("id")) for row in rows if _failed(row)))
    words = [
        f"query {query} failed" + (f": {said[query][:300]}" if query in said else "") for query in failed
    ]
    if not failed and not counts["failed"] == 0 < counts["passed"] == counts["total"] == len(rows):
        passed = f"BenchBox counts {counts['passed']} passed and {counts['failed']} failed"
        words = [f"{passed} of {counts['total']} queries, and lists {len(rows)}"]
    return Check("queries_passed", not words, _short(words, "; ") or f"{len(rows)} of {len(rows)}")


def _complete(samples: dict[str, dict[int, float]], job: Job) -> Check:
    """Every query has a time in every iteration."""
    missing = [
        query for query in job.queries if sorted(samples.get(query, ())) != list(range(1, job.iterations + 1))
    ]
    known = set(job.queries)
    unknown = [query for query in samples if query not in known]
    words = []
    if missing:
        words.append(f"no {job.iterations} times of {_short(missing, ', ')}")
    if unknown:
        words.append(f"unknown queries {_short(unknown, ', ')}")
    return Check("queries_complete", not words, "; ".join(words))


def _short(words: list[str], between: str) -> str:
    rest = len(words) - _NAMED
    return between.join(words[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _facts(document: dict[str, Any], counts: dict[str, int], validation: str) -> dict[str, Any]:
    benchmark, platform, config = (_section(document, name) for name in ("benchmark", "platform", "config"))
    export, data = _section(document, "export"), _section(_section(document, "summary"), "data")
    return {
        "benchbox_version": export.get("benchbox_version"),
        "benchmark": benchmark.get("id"),
        "platform": str(platform.get("name")).lower(),
        "platform_version": platform.get("version"),
        "platform_config": platform.get("config"),
        "scale": benchmark.get("scale_factor"),
        # What the TPC may call a result; null where BenchBox says nothing, as for SSB.
        "compliance_class": benchmark.get("compliance_class"),
        "query_parameters": config.get("query_parameters"),
        "queries": counts,
        "validation": validation,
        "rows_loaded": data.get("rows_loaded"),
        "load_time_ms": data.get("load_time_ms"),
    }


def _section(document: dict[str, Any], name: str) -> dict[str, Any]:
    value = document.get(name)
    return value if isinstance(value, dict) else {}
