# SPDX-License-Identifier: Apache-2.0
"""What a person wants to know of a status document: the same rows for ``rackbench status`` and the end of a run.

Standard library only: the console callback imports this inside ansible-playbook.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rackbench.words import number, one_line

Status = Mapping[str, Any]
Row = tuple[str, ...]

STEP_COLUMNS = ("step", "state", "seconds", "why")
RESULT_COLUMNS = ("execution", "result", "value", "unit")
READINESS_COLUMNS = ("benchmark", "readiness", "why")
PHASE_COLUMNS = ("phase", "wall s", "benchmark s", "rest s", "tasks", "remote calls")


def headline(status: Status) -> str:
    """Return one line: host, state, how long, and that nothing was real in a dry run."""
    check = " (dry run)" if status.get("check") else ""
    return f"{status.get('host')}: {status.get('state')}{check}, {seconds(status.get('elapsed_s'))} s"


def step_rows(status: Status) -> list[Row]:
    """Return a row for each step, after STEP_COLUMNS."""
    return [
        (str(step["step_id"]), str(step["state"]), seconds(step.get("duration_s")), why(step))
        for step in status.get("steps") or ()
    ]


def readiness_rows(status: Status) -> list[Row]:
    """Return a row for each benchmark whose readiness is known, after READINESS_COLUMNS."""
    return [
        (
            str(adapter),
            f"{entry.get('status')} ({entry.get('status_basis')})",
            str(entry.get("message") or ""),
        )
        for adapter, entry in (status.get("readiness") or {}).items()
    ]


def result_rows(status: Status) -> list[Row]:
    """Return a row for each headline number, after RESULT_COLUMNS."""
    return [
        (
            str(result["execution"]),
            str(result.get("label") or ""),
            number(result.get("value")),
            str(result.get("unit") or ""),
        )
        for result in status.get("results") or ()
    ]


def phase_rows(status: Status) -> list[Row]:
    """Return where the time went: a row for each phase after PHASE_COLUMNS, and the sum."""
    overhead = status.get("overhead") or {}
    rows = [_phase_row(str(phase["phase"]), phase) for phase in overhead.get("phases") or ()]
    return [*rows, _phase_row("all", overhead)] if rows else []


def alert_lines(status: Status) -> Iterator[str]:
    """Yield what needs a person: each alert with its code and its next step."""
    for alert in (status.get("alerts") or {}).get("items") or ():
        yield from alert_text(alert)


def alert_text(alert: Mapping[str, Any]) -> Iterator[str]:
    """Yield one alert: its message and code, and indented below what to do next."""
    yield one_line(f"{alert['message']} [{alert['code']}]")
    for label, values in (
        ("next", alert.get("next_actions")),
        ("install", alert.get("next_install_commands")),
        ("run", alert.get("next_commands")),
        ("read", (alert.get("next_paths") or ())[:1]),
    ):
        for value in values or ():
            yield one_line(f"  {label:<7} {value}")


def progress_text(beat: Mapping[str, Any]) -> str:
    """Return how far an execution is, as ``12 of 40 pairs, 0-3, 4.2 s``; what is not known is left out."""
    parts = []
    if beat.get("done") is not None:
        of = f" of {beat['total']}" if beat.get("total") is not None else ""
        parts.append(f"{beat['done']}{of} {beat.get('unit') or ''}".strip())
    if beat.get("label"):
        parts.append(str(beat["label"]))
    if beat.get("elapsed_s") is not None:
        parts.append(f"{seconds(beat['elapsed_s'])} s")
    return ", ".join(parts)


def repeats_text(row: Mapping[str, Any]) -> str:
    """Return why the repeats of a family ended, as ``4 repeats, precise enough: turn rate, known within 3.784 %``.

    Empty for a single one that nobody asked to repeat: there is nothing to say of it.
    """
    if row["stopped_by"] == "count":
        return f"{row['count']} repeats, as many as were asked for" if row["count"] > 1 else ""
    ended = "precise enough" if row["stopped_by"] == "precise_enough" else "the maximum"
    width = row["half_width_percent"]
    known = "how precisely is unknown" if width is None else f"known within {number(width)} %"
    return f"{row['count']} repeats, {ended}: {row['metric'] or 'no number'}, {known}"


def plain_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()
) -> list[str]:
    """Return the rows as lines of aligned text under their column names."""
    rows = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(columns, *rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (columns, *rows)
    ]


def seconds(value: Any) -> str:
    """Return a duration in seconds with one decimal, and a dash when it is not known."""
    return f"{value:.1f}" if isinstance(value, (int, float)) else "-"


def why(step: Mapping[str, Any]) -> str:
    """Return why a step failed or was skipped, with the code of a failure; empty when nothing is to be said."""
    if step.get("code"):
        return f"{step.get('message') or ''} [{step['code']}]".strip()
    return str(step.get("reason") or "")


def _phase_row(name: str, row: Mapping[str, Any]) -> Row:
    return (
        name,
        seconds(row.get("wall_s")),
        seconds(row.get("benchmark_s")),
        seconds(row.get("rest_s")),
        str(row.get("tasks", 0)),
        str(row.get("remote", 0)),
    )
