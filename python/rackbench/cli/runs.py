# SPDX-License-Identifier: Apache-2.0
"""``rackbench runs``: which runs there are, who started them, and what came of them."""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from rackbench.cli import summary
from rackbench.cli.inputs import names
from rackbench.cli.output import add_json_option
from rackbench.errors import RackbenchError
from rackbench.words import number

if TYPE_CHECKING:
    import argparse

    from rackbench.cli.output import Output
    from rackbench.ledger.index import Row

COLUMNS = ("opened (UTC)", "host", "by", "benchmarks", "state", "verdict", "headline", "run directory")
_AGE = re.compile(r"(\d{1,6})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_STAMP = "%Y%m%dT%H%M%SZ"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    from rackbench.ledger.index import STATES

    parser.add_argument("--host", action="append", metavar="H[,H2]", help="only runs on these hosts")
    parser.add_argument(
        "--since",
        metavar="WHEN",
        help="only runs opened since: a date, a UTC time, or an age such as 7d or 12h",
    )
    parser.add_argument("--state", choices=STATES, metavar="S", help="only runs in this state: %(choices)s")
    parser.add_argument("--by", metavar="USER", help="only runs that USER or USER@MACHINE started")
    add_json_option(parser)


def run(args: argparse.Namespace, output: Output) -> int:
    """List the runs, the newest first; 0, also when there is none."""
    from rackbench.clock import utc_now, utc_text
    from rackbench.ledger import index
    from rackbench.project import RUNS, find_project

    now = utc_now()
    since = _moment(args.since, now) if args.since else None
    found = index.listing(
        find_project(), RUNS, hosts=names(args.host), since=since, state=args.state, by=args.by
    )
    if output.as_json:
        output.document(
            {
                "schema": "rackbench.runs/1.0",
                "at": utc_text(now),
                "runs": [asdict(row) for row in found.rows],
                "skipped": [asdict(one) for one in found.skipped],
            }
        )
        return 0
    _show(found.rows, output)
    for one in found.skipped:
        output.note(f"{one.path} is left out: {one.message}")
    return 0


def _show(rows: list[Row], output: Output) -> None:
    if not rows:
        output.line("There is no such run.")
        return
    columns, cells = list(COLUMNS), [list(_cells(row)) for row in rows]
    # Columns that few runs need: the label beside the host, and at the end tags and what was repeated.
    end = 2 * len(COLUMNS)
    for name, attribute, index in (
        ("label", "label", 2),
        ("tags", "tags", end),
        ("rerun of", "rerun_of", end),
    ):
        if any(getattr(row, attribute) for row in rows):
            columns.insert(index, name)
            for row, line in zip(rows, cells, strict=True):
                line.insert(index, _text(getattr(row, attribute)))
    # Never a drawn table: it would break the directories, which are there to be pasted, and take seconds for thousands.
    for text in summary.plain_table(columns, cells):
        output.line(text)


def _text(value: str | list[str] | None) -> str:
    return ", ".join(value) if isinstance(value, list) else value or ""


def _cells(row: Row) -> tuple[str, ...]:
    return (
        (row.opened_at or "-")[:19].replace("T", " "),
        row.host,
        row.by or "-",
        ", ".join(row.benchmarks) or "-",
        row.state,
        row.verdict or "-",
        ", ".join(
            f"{line['label']} {number(line['value'])} {line['unit'] or ''}".rstrip() for line in row.headline
        )
        or "-",
        row.run_dir,
    )


def _moment(text: str, now: datetime) -> datetime:
    """Return the moment that `--since` means. Raises `RackbenchError("wrong_usage")`."""
    try:
        if age := _AGE.fullmatch(text):
            return now - timedelta(**{_UNITS[age[2]]: int(age[1])})
        moment = datetime.strptime(text, _STAMP) if text[8:9] == "T" else datetime.fromisoformat(text)  # noqa: DTZ007 - UTC unless it says otherwise
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise RackbenchError(
            "wrong_usage",
            f"rackbench runs: --since {text} is no date such as 2026-11-21, no UTC time such as 20261121T080000Z "
            "and no age such as 7d.",
            next_command="rackbench runs --help",
        ) from None
