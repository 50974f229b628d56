# SPDX-License-Identifier: Apache-2.0
"""Everything the ``rackbench`` command prints goes through one object, so that it looks the same everywhere.

On a terminal the text is coloured and tables are drawn by rich, which is imported only then. Anywhere else, or with
NO_COLOR set, the same text is plain. With ``--json`` standard output carries one JSON document and nothing else.
What benchmarks and hosts have said may be in any text: control characters are replaced here, and a line that is not the
first of its text is marked, so that none passes for one of ours.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from typing import TYPE_CHECKING, Any, TextIO

from rackbench.cli.summary import plain_table
from rackbench.words import escaped, one_line, quoted

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from rackbench.errors import RackbenchError


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--json``, which every verb that a machine may read has."""
    parser.add_argument("--json", action="store_true", help="print one JSON document on standard output")


class Output:
    """Where a verb writes. Text meant for people is dropped from standard output when a JSON document was asked for."""

    def __init__(self, *, as_json: bool = False) -> None:
        """Look at the environment once; `as_json` is whether ``--json`` was given."""
        self.as_json = as_json

    def line(self, text: str = "", style: str = "") -> None:
        """Print one line for a person, in a rich `style` such as "bold" or "red"; further lines in it are marked."""
        if not self.as_json:
            _print(text, style, sys.stdout)

    def table(
        self, columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()
    ) -> None:
        """Print rows of text under column names; `right` holds the indexes of the columns to align right."""
        if self.as_json:
            return
        rows = [[one_line(cell) for cell in row] for row in rows]
        if is_fancy(sys.stdout):
            _rich_table(columns, rows, right)
            return
        for line in plain_table(columns, rows, right):
            sys.stdout.write(line + "\n")

    @property
    def width(self) -> int | None:
        """The cells of a line of the terminal in which tables are drawn; None for plain text, which has no end."""
        return shutil.get_terminal_size().columns if is_fancy(sys.stdout) else None

    def document(self, document: Any) -> None:
        """Print a JSON document on standard output: the answer of a verb called with ``--json``."""
        text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
        sys.stdout.write(escaped(text) + "\n")

    def record(self, document: Any) -> None:
        """Print a JSON document on one line, at once: one of several that a verb answers with."""
        sys.stdout.write(escaped(json.dumps(document, ensure_ascii=False, allow_nan=False)) + "\n")
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """Print a remark on standard error."""
        _print(text, "dim", sys.stderr)

    def warning(self, text: str) -> None:
        """Print a warning on standard error."""
        _print(f"warning: {text}", "yellow", sys.stderr)

    def error(self, error: RackbenchError) -> None:
        """Print a failure: what happened, where, what to do next, and its code; with ``--json`` as a document too."""
        if self.as_json:
            self.document({"schema": "rackbench.error/1.0", "error": error.as_dict()})
        failure = error.as_dict()
        _print(f"error: {failure.get('message')}", "bold red", sys.stderr)
        for label, key in (
            ("where", "where"),
            ("detail", "detail"),
            ("next", "next_step"),
            ("run", "next_command"),
            ("read", "next_path"),
            ("code", "code"),
        ):
            if failure.get(key):
                _print(f"  {label:<6} {failure[key]}", "", sys.stderr)


def is_fancy(stream: TextIO) -> bool:
    """Say whether colour and drawn tables suit this stream: a terminal, and nobody asked for plain text."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _print(text: str, style: str, stream: TextIO) -> None:
    text = quoted(text)
    if not style or not is_fancy(stream):
        stream.write(text + "\n")
        return
    from rich.console import Console

    # Markup stays off: a file name may well contain square brackets.
    Console(file=stream, highlight=False).print(text, style=style, markup=False, soft_wrap=True)


def _rich_table(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for index, column in enumerate(columns):
        if index in right:
            # A number that goes on in the next line is read as another number.
            table.add_column(column, justify="right", overflow="ellipsis", no_wrap=True)
        else:
            table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell, style=STATE_STYLES.get(cell, "")) for cell in row))
    Console(file=sys.stdout, highlight=False).print(table)


# Words that carry a meaning wherever they stand alone in a cell.
STATE_STYLES = {
    "completed": "green",
    "ready": "green",
    "ok": "green",
    "passed": "green",
    "running": "cyan",
    "partial": "yellow",
    "skipped": "yellow",
    "interrupted": "yellow",
    "cancelled": "yellow",
    "cancelling": "yellow",
    "failed": "bold red",
    "lost": "bold red",
    "blocked": "bold red",
    "error": "bold red",
    # What the gate says of a scenario.
    "IMPROVED": "green",
    "NOISY": "yellow",
    "REGRESSED": "bold red",
    "INCOMPARABLE": "bold red",
    "MISSING IN BASELINE": "bold red",
    "MISSING IN RESULTS": "bold red",
    "PLACEHOLDER": "bold red",
}
