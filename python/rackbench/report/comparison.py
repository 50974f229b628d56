# SPDX-License-Identifier: Apache-2.0
"""Runs side by side, as `rackbench compare` decides: shared numbers, their ratios, and what else differs. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rackbench.compare.runs import shortened
from rackbench.compare.tables import METHOD, count_text
from rackbench.report import charts, text
from rackbench.report.parts import Figure, table
from rackbench.report.series import Lane

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rackbench.compare import Comparison
    from rackbench.compare.comparison import Cell, Change
    from rackbench.compare.comparison import Row as ComparedRow
    from rackbench.report.parts import Table

# More rows than these are no picture; the table has them.
_MOST_DRAWN = 80


@dataclass(frozen=True, slots=True)
class Compared:
    """What the report shows of several runs: remarks to be read first, a chart of ratios, and tables."""

    remarks: tuple[str, ...]
    figure: Figure | None
    tables: tuple[Table, ...]
    method: str


def shown(comparison: Comparison) -> Compared:
    """Return a comparison as the report shows it."""
    names = _names(comparison)
    tables = [_runs(comparison, names), *_differences(comparison, names), _numbers(comparison, names)]
    remarks = [*comparison.remarks, *_only(comparison, names)]
    return Compared(
        tuple(remarks), _ratios(comparison, names), tuple(each for each in tables if each.rows), METHOD
    )


def _names(comparison: Comparison) -> list[str]:
    """Return a name for each run: its host, with the run's stamp where several are of one host."""
    hosts = [run.host for run in comparison.runs]
    names = [
        run.host if hosts.count(run.host) == 1 else f"{run.host} {run.run_id.partition('-')[0]}"
        for run in comparison.runs
    ]
    return [name if names.count(name) == 1 else f"{name} ({index})" for index, name in enumerate(names, 1)]


def _runs(comparison: Comparison, names: Sequence[str]) -> Table:
    return table(
        "Runs",
        ("name", "run", "host", "label", "verdict"),
        [
            (name, run.run_id, run.host, run.label or text.NONE, run.verdict or text.NONE)
            for name, run in zip(names, comparison.runs, strict=True)
        ],
    )


def _differences(comparison: Comparison, names: Sequence[str]) -> Iterator[Table]:
    for name, found in zip(names[1:], comparison.differences, strict=True):
        yield table(
            f"What else differs between {names[0]} and {name}",
            ("what", names[0], name),
            [
                (f"{each.what} {each.name}".strip(), each.before or text.NONE, each.after or text.NONE)
                for each in found
            ],
        )


def _only(comparison: Comparison, names: Sequence[str]) -> Iterator[str]:
    for name, keys in zip(names, comparison.only, strict=True):
        families = list(dict.fromkeys(f"{key.adapter}.{key.family}" for key in keys))
        if families:
            yield f"Not all runs have {text.counted(len(keys), 'number')} of {name}, of {shortened(families)}."


def _numbers(comparison: Comparison, names: Sequence[str]) -> Table:
    columns = ["metric", "of", "unit", f"#{names[0]}", "#n"]
    for name in names[1:]:
        columns += [f"#{name}", "#n", "#ratio", "is"]
    rows = []
    for row in comparison.rows:
        first, *others = row.cells
        cells = [_label(row), f"{row.key.adapter}.{row.key.family}", row.key.unit, *_cells(first)]
        for cell, change in zip(others, row.changes, strict=True):
            cells += [*_cells(cell), _ratio(change), change.meaning]
        rows.append(cells)
    return table("Numbers side by side", columns, rows)


def _label(row: ComparedRow) -> str:
    labels = row.key.labels_text if row.key.together else text.labels(row.key.labels)
    return ", ".join(filter(None, (text.words(row.key.metric), labels)))


def _cells(cell: Cell) -> tuple[str, str]:
    summary = cell.summary
    interval = summary.interval
    around = f" ({text.number(interval[0])} to {text.number(interval[1])})" if interval else ""
    return f"{text.number(summary.median)}{around}", count_text(summary)


def _ratio(change: Change) -> str:
    return text.NONE if change.ratio is None else f"{change.ratio:.3f}"


def _ratios(comparison: Comparison, names: Sequence[str]) -> Figure | None:
    """Return the ratios of the numbers that have a better direction, or None when there are none or too many."""
    found = [row for row in comparison.rows if row.key.direction in {"lower", "higher"}]
    rows = []
    several = len({(row.key.adapter, row.key.family) for row in found}) > 1
    for row in found:
        lanes = tuple(
            Lane(name, "valid", (change.ratio,))
            for name, change in zip(names[1:], row.changes, strict=True)
            if change.ratio is not None and 0 < change.ratio < 1e300
        )
        if lanes:
            arrow = "↑" if row.key.direction == "higher" else "↓"
            of = f", {row.key.adapter}.{row.key.family}" if several else ""
            rows.append(charts.Row(f"{arrow} {_label(row)}{of}", lanes))
    if not 0 < len(rows) <= _MOST_DRAWN:
        return None
    order = f" The lanes of a row from above: {', '.join(names[1:])}." if len(names) > 2 else ""
    return Figure(
        "comparison-ratios",
        f"Ratios to {names[0]}",
        f"Each dot is the ratio of a median to that of {names[0]}, on a logarithmic axis; ↑ more is better, "
        f"↓ less is better.{order}",
        charts.rows(rows, charts.Axis(f"ratio to {names[0]}"), log=True, mark=1.0),
        (),
    )
