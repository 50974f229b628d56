# SPDX-License-Identifier: Apache-2.0
"""Export a run's results: they are enriched once, and each format writes that one document."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, Any

from rackbench.adapters.catalog import suggest
from rackbench.adapters.results import check_text, read_result, statistics_of
from rackbench.errors import RackbenchError
from rackbench.files import json_text, write_atomic
from rackbench.ledger import host_state
from rackbench.ledger.projections import repeats_rows
from rackbench.ledger.state import used_bundle
from rackbench.models.export import Export
from rackbench.words import number, one_line, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from rackbench.ledger.state import ExecutionState, RunState

_FOLDER = "exports"
_CSV_COLUMNS = (
    "run_id",
    "host",
    "label",
    "state_digest",
    "adapter",
    "family",
    "repeat",
    "warmup",
    "execution",
    "benchmark_version",
    "bundle_sha256",
    "status",
    "verdict",
    "simulated",
    "started_at",
    "metric",
    "labels",
    "unit",
    "direction",
    "n",
    "median",
    "min",
    "max",
)
# What a spreadsheet takes for the beginning of a formula (OWASP ASVS 5.0, 1.2.10); some look behind white space.
_FORMULA = re.compile(r"[\t\r\0]|[\s\0\ufeff]*[=+\-@]")
# What GitHub makes a link of without any brackets: addresses, host names, and somebody's name after an @.
_LINKED = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)|(?<=@)", re.IGNORECASE)
_MARKS = re.compile(r"[\\`*~|$\[\]]|(?<![^\W_])_|_(?![^\W_])")


def check_formats(formats: Sequence[str]) -> None:
    """Raise `RackbenchError` (unknown_option) for a format that there is not."""
    for name in formats:
        if name not in _WRITERS:
            raise RackbenchError(
                "unknown_option", f"lab_export_formats has {name!r}.{suggest(name, sorted(_WRITERS))}"
            )


def export(run_dir: Path, state: RunState, formats: Sequence[str]) -> list[Path]:
    """Write `exports/results.<suffix>` for each format and return their paths.

    A result that cannot be read is exported with its problem. Raises `RackbenchError` (unknown_option) and `OSError`.
    """
    texts = rendered(run_dir, state, formats)
    (run_dir / _FOLDER).mkdir(exist_ok=True)
    for path, text in texts.items():
        write_atomic(path, text)
    return list(texts)


def rendered(run_dir: Path, state: RunState, formats: Sequence[str]) -> dict[Path, str]:
    """Return path and text of each export. Raises `RackbenchError` (unknown_option)."""
    check_formats(formats)
    document = enrich(run_dir, state)
    writers = [_WRITERS[name] for name in dict.fromkeys(formats)]
    return {run_dir / _FOLDER / f"results.{suffix}": write(document) for suffix, write in writers}


def enrich(run_dir: Path, state: RunState) -> dict[str, Any]:
    """Return the run's results with all that is needed to compare them: versions, host, platform, bundles, adapters."""
    return {
        "schema": Export.schema_name(),
        "run_id": state.run_id,
        "host": state.host,
        "label": state.label,
        "state_digest": host_state.of_run(run_dir, state).digest,
        "run_dir": state.run_dir,
        "opened_at": state.opened_at,
        "check": bool(state.opened.get("check")),
        "versions": state.opened.get("versions") or {},
        "project": state.opened.get("project") or {},
        "platform": state.platform,
        "executions": [
            _execution(run_dir, state, execution)
            for execution in state.executions.values()
            if not execution.not_needed
        ],
        "repeats": repeats_rows(state),
    }


def _execution(run_dir: Path, state: RunState, execution: ExecutionState) -> dict[str, Any]:
    recorded = state.results.get(execution.execution) or {}
    packaging = state.packaging.get(execution.adapter) or {}
    row: dict[str, Any] = {
        "execution": execution.execution,
        "adapter": execution.adapter,
        "family": execution.family,
        "repeat": execution.repeat,
        "warmup": execution.warmup,
        "outcome": execution.outcome,
        "status": recorded.get("status"),
        "verdict": (execution.verdict or {}).get("verdict"),
        "simulated": False,
        "benchmark": None,
        "bundle": _bundle(used_bundle(packaging)),
        "started_at": None,
        "duration_s": execution.duration_s,
        "headline": recorded.get("headline") or [],
        "metrics": [],
        "checks": [],
        "skipped": [],
        "path": recorded.get("path"),
        "problem": None,
    }
    if row["path"] is None:
        row["problem"] = "There is no result of this execution."
        return row
    try:
        result = read_result(run_dir / row["path"])
    except RackbenchError as error:
        row["problem"] = error.message.replace(f"{run_dir}/", "")
        return row
    return row | {
        "simulated": result.simulated,
        "benchmark": dict(result.benchmark),
        "started_at": result.started_at,
        "duration_s": result.duration_s,
        "metrics": result.document["metrics"],
        "checks": list(result.checks),
        "skipped": list(result.skipped),
    }


def _bundle(chosen: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return what names a bundle anywhere; where it lay on this controller is left out."""
    return (
        {name: chosen.get(name) for name in ("version", "sha256", "size", "source", "basis")}
        if chosen
        else None
    )


def _csv(document: Mapping[str, Any]) -> str:
    """Return one line per metric of each execution, and one for an execution that has none."""
    rows = []
    for execution in document["executions"]:
        common = {
            **{name: document[name] for name in ("run_id", "host", "label", "state_digest")},
            "benchmark_version": (execution["benchmark"] or {}).get("version"),
            "bundle_sha256": (execution["bundle"] or {}).get("sha256"),
            **{name: execution[name] for name in _CSV_COLUMNS if name in execution},
        }
        rows += [
            common | (_csv_metric(metric) if metric else {}) for metric in execution["metrics"] or [None]
        ]
    return csv_text(_CSV_COLUMNS, rows)


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Return rows as CSV (RFC 4180, lines end with a line feed); columns that a row lacks are empty.

    A text that a spreadsheet would take for a formula gets an apostrophe before it, and what a terminal would obey is
    replaced, line ends by spaces: a row is a line. Numbers are never touched.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_csv_cell(row.get(name)) for name in columns])
    return text.getvalue()


def _csv_cell(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return ("'" if _FORMULA.match(value) else "") + one_line(value.replace("\r", " "))


def _csv_metric(metric: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "metric": metric["name"],
        "labels": json.dumps(metric.get("labels") or {}, sort_keys=True),
        "unit": metric["unit"],
        "direction": metric["direction"],
        **statistics_of(metric["samples"]),
    }


def _markdown(document: Mapping[str, Any]) -> str:
    platform, versions = document["platform"], document["versions"]
    lines = [
        f"# Results of {document['host']}",
        "",
        f"Run `{document['run_id']}`, opened {document['opened_at']}.",
        "",
        *markdown_table(
            ("what", "value"),
            [
                ("label", document["label"] or "-"),
                ("state of the host", (document["state_digest"] or "unknown")[:12]),
                *(
                    (name, platform[name])
                    for name in ("machine", "kernel", "os_id", "os_version", "cpus")
                    if name in platform
                ),
                *((f"version of {name}", version) for name, version in versions.items()),
            ],
        ),
    ]
    lines += _repeats_lines(document["repeats"])
    for execution in document["executions"]:
        note = " (warm-up, does not count)" if execution["warmup"] else ""
        lines += ["", f"## {execution['execution']}{note}", "", *_execution_lines(execution)]
    return "\n".join(lines) + "\n"


def _repeats_lines(repeats: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a table of the families whose repeats ended by a precision or its limit; a count says nothing new."""
    rows = [
        (
            f"{row['adapter']}.{row['family']}",
            row["count"],
            row["metric"] or "-",
            "-" if row["half_width_percent"] is None else f"± {row['half_width_percent']:.2g} %",
            row["stopped_by"].replace("_", " "),
        )
        for row in repeats
        if row["stopped_by"] != "count"
    ]
    return (
        ["", *markdown_table(("family", "repeats", "of", "95 % of the mean", "ended by"), rows)]
        if rows
        else []
    )


def _execution_lines(execution: Mapping[str, Any]) -> Iterator[str]:
    if execution["problem"]:
        yield markdown_text(f"No result: {execution['problem']}")
        return
    bundle = execution["bundle"] or {}
    benchmark = execution["benchmark"]
    digest = f", bundle `{bundle['sha256'][:12]}`" if bundle.get("sha256") else ""
    name = markdown_text(f"{benchmark['name']} {benchmark['version']}")
    yield f"{name}: {execution['status']} in {execution['duration_s']:.1f} s{digest}."
    if execution["headline"]:
        yield ""
        yield from markdown_table(
            ("headline", "value", "unit"),
            [(line["label"], number(line["value"]), line["unit"]) for line in execution["headline"]],
        )
    bad = [check for check in execution["checks"] if not check["ok"]]
    notes = [check_text(check) for check in bad]
    notes += [f"{entry['name']} was skipped: {entry['reason']}" for entry in execution["skipped"]]
    if notes:
        yield ""
        yield from (f"- {markdown_text(note)}" for note in notes)


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Return a table as lines of Markdown; without rows, none. Cells are plain text, whatever they hold."""
    if not rows:
        return []
    lines = [head, ["---"] * len(head), *([markdown_text(str(cell)) for cell in row] for row in rows)]
    return ["| " + " | ".join(line) + " |" for line in lines]


def markdown_text(text: str) -> str:
    """Return a text of somebody else's so that it makes no cells, links, pictures, code, emphasis or HTML on its line.

    A reader sees the text as it was, on one line; in what GitHub links by itself stands a space without width. GitHub
    may still link the number of an issue (`#1`) or the name of a commit.
    """
    text = printable(" ".join(text.split()))
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    return _LINKED.sub("&#8203;", _MARKS.sub(r"\\\g<0>", text))


_WRITERS: dict[str, tuple[str, Callable[[Mapping[str, Any]], str]]] = {
    "json": ("json", json_text),
    "csv": ("csv", _csv),
    "markdown": ("md", _markdown),
}
