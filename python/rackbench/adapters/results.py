# SPDX-License-Identifier: Apache-2.0
"""Results: read a `result.json` with suspicion, and sum it up for the journal."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rackbench.adapters.headline import headlines
from rackbench.errors import RackbenchError
from rackbench.files import read_regular
from rackbench.models.common import check
from rackbench.models.result import ResultFile
from rackbench.strict_json import NotANumberError, refuse_constant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from rackbench.adapters.catalog import Adapter

# A metric with more label sets than this is one row of the journal: a matrix of 384 CPUs has 73,536 pairs.
_ROWS_PER_METRIC = 64
# A virtual machine is told and is no fault.
_FLAGS = frozenset({"vm"})
SCHEMA_MAJOR = "rackbench.result/1."


@dataclass(frozen=True, slots=True)
class Metric:
    """One series of finite samples in `unit`; `direction` says which way is better: lower, higher or none."""

    name: str
    unit: str
    direction: str
    samples: tuple[float, ...]
    labels: Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Result:
    """What a benchmark measured; `document` is result.json as it stands, `duration_s` in seconds."""

    path: Path
    benchmark: Mapping[str, str]
    status: str
    started_at: str
    duration_s: float
    metrics: tuple[Metric, ...]
    checks: tuple[Mapping[str, Any], ...]
    skipped: tuple[Mapping[str, str], ...]
    document: Mapping[str, Any]
    simulated: bool = False


def read_result(path: Path) -> Result:
    """Return the checked `result.json` at `path`.

    Raises `RackbenchError` naming the file: result_missing, and what `parse_result` raises.
    """
    try:
        return parse_result(read_regular(path), path)
    except FileNotFoundError as error:
        raise RackbenchError(
            "result_missing", f"{path}: the benchmark left no result.json.", where=str(path)
        ) from error
    except (OSError, ValueError) as error:  # a journal may name it with a NUL
        raise _unreadable(path, error) from error


def parse_result(text: bytes | str, path: Path) -> Result:
    """Return the checked content of a `result.json`, which is called `path`.

    Raises `RackbenchError`: result_unreadable (not whole JSON), result_invalid (NaN, infinities, wrong types, missing
    fields, another major version).
    """
    try:
        content = json.loads(text, parse_constant=refuse_constant)
    except NotANumberError as error:
        raise RackbenchError("result_invalid", f"{path}: {error}.", where=str(path)) from error
    except (ValueError, RecursionError) as error:
        raise _unreadable(path, error) from error
    document = check(ResultFile, content, path=path, code="result_invalid")
    if not document.schema_.startswith(SCHEMA_MAJOR):
        problem = f"schema is {document.schema_}, and this version reads {SCHEMA_MAJOR}x"
        raise RackbenchError("result_invalid", f"{path}: {problem}.", where=str(path))
    return Result(
        path=path,
        benchmark={"name": document.benchmark.name, "version": document.benchmark.version},
        status=document.status,
        started_at=document.started_at,
        duration_s=document.duration_s,
        metrics=tuple(
            Metric(entry.name, entry.unit, entry.direction, tuple(entry.samples), entry.labels)
            for entry in document.metrics
        ),
        checks=tuple(entry.model_dump() for entry in document.checks),
        skipped=tuple(entry.model_dump() for entry in document.skipped),
        document=content,
        simulated=document.simulated,
    )


def check_text(check: Mapping[str, Any]) -> str:
    """Return what a check that is not ok says: that it failed, or for one that only flags the machine, what it is."""
    name = check["name"].replace("_", " ")
    return f"flag {name}: {check['detail']}" if name in _FLAGS else f"check {name} failed: {check['detail']}"


def _unreadable(path: Path, error: Exception) -> RackbenchError:
    reason = error.strerror if isinstance(error, OSError) else error
    return RackbenchError("result_unreadable", f"{path}: {reason}.", where=str(path), next_path=str(path))


def summarise(result: Result, adapter: Adapter) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the metrics' summaries and the adapter's headline, as the journal's `result` record has them.

    A summary is `{name, unit, direction, labels, n, median, min, max}`. A metric with more than 64 label sets is one
    summary over all its samples, with no labels and `series`, the number of label sets.
    """
    rows = [
        _row(metric) | ({"series": count} if count > 1 else {}) for metric, count in series_of(result.metrics)
    ]
    return rows, headlines(result.document, adapter.headline)


def series_of(metrics: Iterable[Metric]) -> Iterator[tuple[Metric, int]]:
    """Yield metrics and of how many label sets each is: one with more than 64 comes as one, without labels."""
    groups: dict[tuple[str, str, str], list[Metric]] = {}
    for metric in metrics:
        groups.setdefault((metric.name, metric.unit, metric.direction), []).append(metric)
    for group in groups.values():
        if len(group) > _ROWS_PER_METRIC:
            samples = tuple(value for metric in group for value in metric.samples)
            yield replace(group[0], samples=samples, labels={}), len(group)
        else:
            yield from ((metric, 1) for metric in group)


def _row(metric: Metric) -> dict[str, Any]:
    return {
        "name": metric.name,
        "unit": metric.unit,
        "direction": metric.direction,
        "labels": dict(metric.labels),
        **statistics_of(metric.samples),
    }


def statistics_of(samples: Iterable[float]) -> dict[str, float]:
    """Return number, median, least and greatest of samples (at least one)."""
    ordered = sorted(samples)
    return {
        "n": len(ordered),
        "median": statistics.median(ordered),
        "min": ordered[0],
        "max": ordered[-1],
    }
