# SPDX-License-Identifier: Apache-2.0
"""The gate's answer as it is printed: document, Markdown and the rows of a table. Pure."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rackbench.adapters.export import markdown_table, markdown_text
from rackbench.baselines.statistics import LEVEL, SEED
from rackbench.models.baseline_compare import BaselineComparison, BaselineHistory
from rackbench.words import number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rackbench.baselines.compare import Comparison
    from rackbench.baselines.history import Series, Step
    from rackbench.baselines.numbers import Baseline, Results
    from rackbench.baselines.verdicts import Check, Row

COLUMNS = (
    "scenario",
    "status",
    "number",
    "baseline",
    "results",
    "unit",
    "ratio",
    "limit",
    "95 % interval",
    "",
)
RIGHT = (3, 4, 6, 7)
# What is left out where there is no room, in this order, and the cells that a name has before anything is.
_SPARED = ("", "95 % interval", "number")
_NAME = 20
# Space and lines between two columns of a drawn table.
_BETWEEN = 3
# How many cells a bar has on each side; full is the limit.
_CELLS = 5
_SPARKS = "▁▂▃▄▅▆▇█"
_WIDEST = 60


def document(found: Comparison) -> dict[str, Any]:
    """Return the document of `rackbench baseline compare --json`."""
    return {
        "schema": BaselineComparison.schema_name(),
        "gate": found.baseline.status,
        "headline": found.headline,
        "would_fail": found.would_fail,
        "fails": found.fails,
        "seed": found.seed,
        "level": LEVEL,
        "remarks": list(found.remarks),
        "baseline": _side(found.baseline),
        "results": _side(found.results),
        "again": _side(found.again) if found.again else None,
        "counts": dict(found.counts),
        "rows": [
            {"name": row.name, "unit": row.unit, **_row(row), "again": _row(row.again) if row.again else None}
            for row in found.rows
        ],
    }


def markdown(found: Comparison) -> str:
    """Return the answer for the summary of a CI job."""
    lines = [f"# Performance gate: {markdown_text(found.headline)}", ""]
    lines += [f"- {markdown_text(remark)}" for remark in found.remarks]
    lines += [""] if found.remarks else []
    lines += markdown_table(COLUMNS, [cells(row) for row in found.rows])
    told = [row for row in found.rows if row.why]
    lines += (
        ["", *(f"- {markdown_text(f'{row.name}: {row.status}. {row.why}')}" for row in told)] if told else []
    )
    lines += ["", *(markdown_text(line) for line in sides(found))]
    return "\n".join(lines) + "\n"


def sides(found: Comparison) -> Iterator[str]:
    """Yield what was compared, one line each."""
    results = found.results
    yield f"Baseline: {found.baseline.path} ({found.baseline.status})."
    yield f"Results: {results.path}{_origin(results)}."
    if found.again:
        yield f"Run again: {found.again.path}{_origin(found.again)}."


def cells(row: Row) -> tuple[str, ...]:
    """Return a row of the table after COLUMNS: the number that the status is about."""
    check = row.shown
    if check is None:
        return (row.name, row.status, "", "", "", row.unit, "", "", "", "")
    interval = "" if check.interval is None else f"[{check.interval[0]:.3f}, {check.interval[1]:.3f}]"
    return (
        row.name,
        row.status,
        check.number,
        number(check.before),
        number(check.after),
        row.unit if check.number != "ips" or row.unit != "us" else "1/s",
        f"{check.ratio:.3f}{'' if check.interval else '*'}",
        f"{check.limit:g}",
        interval,
        bar(check),
    )


def fitting(rows: Sequence[Row], width: int | None) -> tuple[list[str], list[list[str]], list[int]]:
    """Return columns, cells, and the indexes of the columns to align right, for a terminal of `width` cells.

    Where they do not fit beside the names, bars, intervals and what number it is are left out. None has room for all.
    """
    lines = [cells(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(COLUMNS, *lines, strict=True)]
    widths[0] = min(widths[0], _NAME)
    kept = list(range(len(COLUMNS)))
    for name in _SPARED:
        if width is None or sum(widths[index] + _BETWEEN for index in kept) <= width:
            break
        kept.remove(COLUMNS.index(name))
    return (
        [COLUMNS[index] for index in kept],
        [[line[index] for index in kept] for line in lines],
        [place for place, index in enumerate(kept) if index in RIGHT],
    )


def bar(check: Check) -> str:
    """Return how far a number is on the way to its limit: to the right if it is worse, to the left if it is better."""
    beyond = check.beyond
    full = max(-_CELLS, min(_CELLS, round(beyond * _CELLS))) if math.isfinite(beyond) else _CELLS
    past = ">" if beyond > 1 else ""
    return f"{'█' * -full:·>{_CELLS}}│{'█' * full:·<{_CELLS}}{past}"


def sparkline(values: Sequence[float]) -> str:
    """Return values as little columns, at most 60: of more, the medians of neighbours."""
    size = max(1, math.ceil(len(values) / _WIDEST))
    parts = [sorted(values[begin : begin + size]) for begin in range(0, len(values), size)]
    middle = [part[len(part) // 2] for part in parts]
    low, high = min(middle), max(middle)
    if low == high:
        return _SPARKS[0] * len(middle)
    return "".join(_SPARKS[round((value - low) / (high - low) * (len(_SPARKS) - 1))] for value in middle)


def history_document(found: Iterable[Series], remarks: Iterable[str]) -> dict[str, Any]:
    """Return the document of `rackbench baseline history --json`."""
    return {
        "schema": BaselineHistory.schema_name(),
        "seed": SEED,
        "level": LEVEL,
        "remarks": list(remarks),
        "series": [
            {
                "name": series.name,
                "fingerprint": series.fingerprint,
                "unit": series.unit,
                "direction": series.direction,
                "number": series.number,
                "points": list(series.points),
                "values": list(series.values),
                "enough": series.enough,
                "steps": [
                    {
                        **asdict(step),
                        "interval": list(step.interval),
                        "point": series.points[step.at],
                        "meaning": "worse" if series.is_worse(step) else "better",
                    }
                    for step in series.steps
                ],
            }
            for series in found
        ],
    }


def step_text(series: Series, step: Step) -> str:
    """Return a step in words."""
    low, high = step.interval
    return (
        f"{'worse' if series.is_worse(step) else 'better'} from {series.points[step.at]} on (result {step.at + 1}): "
        f"{number(step.before)} -> {number(step.after)}, {step.ratio:.3f} times [{low:.3f}, {high:.3f}]"
    )


def _origin(results: Results) -> str:
    known = [
        f"{name} {value}" for name, value in (("run", results.run_id), ("commit", results.commit)) if value
    ]
    return f" ({', '.join(known)})" if known else ""


def _side(side: Baseline | Results) -> dict[str, Any]:
    told = (
        side.generated_by if hasattr(side, "generated_by") else {"run_id": side.run_id, "commit": side.commit}
    )
    return {
        "path": str(side.path),
        "fingerprint": side.fingerprint,
        "run_id": told.get("run_id"),
        "commit": told.get("commit"),
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        "status": row.status,
        "why": row.why,
        "samples": list(row.samples),
        "ratio_alone": row.ratio_alone,
        "checks": [
            {**asdict(check), "interval": list(check.interval) if check.interval else None}
            for check in row.checks
        ],
    }
