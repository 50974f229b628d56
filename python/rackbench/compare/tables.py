# SPDX-License-Identifier: Apache-2.0
"""Articles and comparisons as they are printed: documents, CSV and Markdown. The same content gives the same bytes."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rackbench.adapters.export import csv_text, markdown_table, markdown_text
from rackbench.compare.comparison import UNKNOWN
from rackbench.compare.runs import PARTIAL
from rackbench.compare.statistics import LEAST, LEVEL, SAMPLES
from rackbench.ledger import index
from rackbench.words import number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rackbench.compare.article import Article
    from rackbench.compare.article import Row as ArticleRow
    from rackbench.compare.comparison import Cell, Comparison
    from rackbench.compare.comparison import Row as ComparedRow
    from rackbench.compare.runs import Difference, Key, Run
    from rackbench.compare.statistics import Summary

NOT_AVAILABLE = "not available"
METHOD = (
    f"Medians with distribution-free intervals between order statistics that hold at least {LEVEL:.0%} "
    f"(Conover, Practical Nonparametric Statistics, 3rd edition, 3.2); not available for fewer than {LEAST} values. "
    "Each of several executions counts once, by the median of its samples; n is the number of samples where there is "
    "one execution only."
)
_CSV_COLUMNS = (
    "host",
    "label",
    "state_digest",
    "adapter",
    "family",
    "metric",
    "labels",
    "together",
    "unit",
    "direction",
    "n",
    "n_of",
    "median",
    "interval",
    "low",
    "high",
    "status",
    "verdict",
    "simulated",
    "benchmark_version",
    "bundle_version",
    "bundle_sha256",
    "adapter_digest",
    "runs",
)


def article_document(table: Article) -> dict[str, Any]:
    """Return the document of `rackbench export --json`."""
    return {
        "schema": "rackbench.article/1.0",
        "method": METHOD,
        "remarks": list(table.remarks),
        "runs": [_run(run) for run in table.runs],
        "differences": [
            {"before": each.before, "after": each.after, "differences": _differences(each.differences)}
            for each in table.differences
        ],
        "rows": [_article_row(row) for row in table.rows],
    }


def article_csv(table: Article) -> str:
    """Return one line for each number."""
    rows = []
    for row in table.rows:
        whole = _article_row(row)
        low, high = row.summary.interval or (None, None)
        rows.append(
            {
                **{name: whole[name] for name in _CSV_COLUMNS if name in whole},
                "labels": json.dumps(whole["labels"], sort_keys=True),
                "together": str(row.key.together).lower(),
                "interval": f"{LEVEL:.0%}" if row.summary.interval else NOT_AVAILABLE,
                "low": low,
                "high": high,
                "simulated": str(row.simulated).lower(),
                "runs": " ".join(row.runs),
            }
        )
    return csv_text(_CSV_COLUMNS, rows)


_ARTICLE_COLUMNS = (
    "host",
    "label",
    "state",
    "benchmark",
    "version and bundle",
    "metric",
    "of",
    "unit",
    "better",
    "n",
    "median",
    "95 % interval",
    "note",
)


def article_markdown(table: Article) -> str:
    """Return the table with what a reader has to know of it."""
    lines = ["# Results", "", *_list(table.remarks)]
    lines += markdown_table(_ARTICLE_COLUMNS, [_article_cells(row) for row in table.rows])
    if any(row.summary.of == SAMPLES for row in table.rows):
        lines += ["", "`*`: samples of one execution."]
    lines += ["", METHOD, "", "## Runs", ""]
    lines += markdown_table(_RUN_COLUMNS, [_run_cells(run) for run in table.runs])
    if table.differences:
        lines += ["", "## Differences between runs of a host", ""]
    for each in table.differences:
        lines += [f"From {each.before} to {each.after}:", "", *_list(each.differences)]
    return "\n".join(lines).rstrip("\n") + "\n"


def _article_cells(row: ArticleRow) -> tuple[str, ...]:
    return (
        row.host,
        row.label or "-",
        _short(row.state),
        f"{row.key.adapter}.{row.key.family}",
        f"{row.benchmark_version}, {_short(row.bundle_sha256)}",
        row.key.metric,
        row.key.labels_text or "-",
        row.key.unit,
        row.key.direction,
        count_text(row.summary),
        number(row.summary.median),
        interval_text(row.summary),
        _notes(row.status, row.verdict, simulated=row.simulated),
    )


def comparison_document(found: Comparison) -> dict[str, Any]:
    """Return the document of `rackbench compare --json`."""
    return {
        "schema": "rackbench.comparison/1.0",
        "method": METHOD,
        "remarks": list(found.remarks),
        "runs": [_run(run) for run in found.runs],
        "differences": [_differences(each) for each in found.differences],
        "rows": [
            {
                **_key(row.key),
                "values": [
                    {**_summary(cell.summary), "status": cell.status, "verdict": cell.verdict}
                    for cell in row.cells
                ],
                "changes": [asdict(change) for change in row.changes],
            }
            for row in found.rows
        ],
        "only": [[_key(key) for key in keys] for keys in found.only],
    }


def comparison_markdown(found: Comparison) -> str:
    """Return the comparison of two runs with what a reader has to know of it."""
    lines = ["# Comparison", "", *_list(found.remarks)]
    names = zip("AB", found.runs, strict=True)
    lines += markdown_table(("", *_RUN_COLUMNS), [(name, *_run_cells(run)) for name, run in names])
    (differences,) = found.differences
    lines += ["", "## What else differs", "", *(_list(differences) or ["Nothing.", ""])]
    lines += ["## Numbers", ""]
    lines += markdown_table(COMPARED_COLUMNS, [compared_cells(row) for row in found.rows])
    lines += ["", *_list(legend(found)), METHOD]
    return "\n".join(lines) + "\n"


COMPARED_COLUMNS = ("benchmark", "metric", "of", "unit", "A", "n", "B", "n", "B / A", "B is")


def compared_cells(row: ComparedRow) -> tuple[str, ...]:
    """Return a row of the table of two runs, after COMPARED_COLUMNS."""
    before, after = row.cells
    (change,) = row.changes
    notes = _notes(*_worst(row.cells), simulated=False)
    return (
        f"{row.key.adapter}.{row.key.family}",
        row.key.metric,
        row.key.labels_text or "-",
        row.key.unit,
        value_text(before.summary),
        count_text(before.summary),
        value_text(after.summary),
        count_text(after.summary),
        "-" if change.ratio is None else f"{change.ratio:.3f}",
        change.meaning + (f" ({notes})" if notes != "-" else ""),
    )


def legend(found: Comparison) -> Iterator[str]:
    """Yield what has to be said of the numbers of two runs."""
    if any(SAMPLES in {cell.summary.of for cell in row.cells} for row in found.rows):
        yield "*: samples of one execution. How executions differ is not in its interval."
    if any(change.meaning == UNKNOWN for row in found.rows for change in row.changes):
        yield f"unknown: fewer than {LEAST} values, so nobody knows whether the difference is noise."
    for name, keys in zip("AB", found.only, strict=True):
        if keys:
            families = dict.fromkeys(f"{key.adapter}.{key.family}" for key in keys)
            yield f"Only in {name}: {len(keys)} numbers, of {', '.join(families)}."


def value_text(summary: Summary) -> str:
    """Return a median, with its interval if there is one."""
    return number(summary.median) + (f" {interval_text(summary)}" if summary.interval else "")


def interval_text(summary: Summary) -> str:
    """Return an interval in brackets, or that there is none."""
    if summary.interval is None:
        return NOT_AVAILABLE
    low, high = summary.interval
    return f"({number(low)} to {number(high)})"


def count_text(summary: Summary) -> str:
    """Return the number of values, with a star for samples of one execution."""
    return f"{summary.n}{'*' if summary.of == SAMPLES else ''}"


_RUN_COLUMNS = ("run", "host", "label", "state", "verdict")


def _run_cells(run: Run) -> tuple[str, ...]:
    return (run.run_id, run.host, run.label or "-", _short(run.state.digest), run.verdict or "-")


def _run(run: Run) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "host": run.host,
        "label": run.label,
        "state_digest": run.state.digest,
        "verdict": run.verdict,
    }


def _key(key: Key) -> dict[str, Any]:
    return {**asdict(key), "labels": dict(key.labels)}


def _summary(summary: Summary) -> dict[str, Any]:
    return {
        "n": summary.n,
        "n_of": summary.of,
        "median": summary.median,
        "interval": list(summary.interval) if summary.interval else None,
    }


def _article_row(row: ArticleRow) -> dict[str, Any]:
    return {
        "host": row.host,
        "label": row.label,
        "state_digest": row.state,
        **_key(row.key),
        **_summary(row.summary),
        "status": row.status,
        "verdict": row.verdict,
        "simulated": row.simulated,
        "benchmark_version": row.benchmark_version,
        "bundle_version": row.bundle_version,
        "bundle_sha256": row.bundle_sha256,
        "adapter_digest": row.adapter_digest,
        "runs": list(row.runs),
    }


def _differences(found: Sequence[Difference]) -> list[dict[str, Any]]:
    return [asdict(each) for each in found]


def _worst(cells: Sequence[Cell]) -> tuple[str, str | None]:
    statuses = {cell.status for cell in cells}
    return (PARTIAL if PARTIAL in statuses else "passed", index.worst(cell.verdict for cell in cells))


def _notes(status: str, verdict: str | None, *, simulated: bool) -> str:
    notes = [status] if status == PARTIAL else []
    notes += [verdict] if verdict in {"suspect", "void"} else []
    notes += ["simulated"] if simulated else []
    return ", ".join(notes) or "-"


def _list(items: Sequence[Any] | Iterator[Any]) -> list[str]:
    lines = [f"- {markdown_text(str(item))}" for item in items]
    return [*lines, ""] if lines else []


def _short(digest: str | None) -> str:
    return digest[:12] if digest else "unknown"
