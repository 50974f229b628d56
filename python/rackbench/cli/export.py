# SPDX-License-Identifier: Apache-2.0
"""``rackbench export``: the results of several runs as one table, for an article."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rackbench.cli.status import run_dir_of

if TYPE_CHECKING:
    import argparse

    from rackbench.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument(
        "runs",
        nargs="+",
        metavar="RUN",
        help="a run's directory, or its id as `rackbench runs --json` has it",
    )
    form = parser.add_mutually_exclusive_group(required=True)
    form.add_argument("--csv", action="store_true", help="print the table as CSV")
    form.add_argument("--markdown", action="store_true", help="print the table as Markdown, with its remarks")
    form.add_argument("--json", action="store_true", help="print one JSON document on standard output")


def run(args: argparse.Namespace, output: Output) -> int:
    """Print the table; 0, whatever it says."""
    from rackbench.compare import read_run, tables
    from rackbench.compare.article import article

    table = article(read_run(run_dir_of(name)) for name in args.runs)
    if output.as_json:
        output.document(tables.article_document(table))
        return 0
    if args.csv:
        sys.stdout.write(tables.article_csv(table))
    else:
        sys.stdout.write(tables.article_markdown(table))
    for remark in table.remarks:
        output.warning(remark)
    for each in table.differences:
        output.warning(
            f"{each.before} and {each.after} are not put together: {'; '.join(map(str, each.differences))}"
        )
    return 0
