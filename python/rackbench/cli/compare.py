# SPDX-License-Identifier: Apache-2.0
"""``rackbench compare``: the numbers of two runs side by side, and what else is not alike."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rackbench.cli import summary
from rackbench.cli.status import run_dir_of

if TYPE_CHECKING:
    import argparse

    from rackbench.cli.output import Output
    from rackbench.compare import Comparison


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    for name, words in (("a", "the run that is compared with"), ("b", "the run that is compared")):
        parser.add_argument(
            name,
            metavar=name.upper(),
            help=f"{words}: its directory, or its id as `rackbench runs --json` has it",
        )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="print the comparison as Markdown")
    form.add_argument("--json", action="store_true", help="print one JSON document on standard output")


def run(args: argparse.Namespace, output: Output) -> int:
    """Print the comparison; 0, also when B is worse: this is no gate."""
    from rackbench.compare import compare, read_run, tables
    from rackbench.compare.article import no_results

    runs = [read_run(run_dir_of(name)) for name in (args.a, args.b)]
    for each in runs:
        if not each.executions:
            raise no_results([each])
    found = compare(runs)
    if output.as_json:
        output.document(tables.comparison_document(found))
    elif args.markdown:
        sys.stdout.write(tables.comparison_markdown(found))
    else:
        _show(found, output)
    return 0


def _show(found: Comparison, output: Output) -> None:
    from rackbench.compare import tables

    for remark in found.remarks:
        output.line(remark, "yellow")
    for name, each in zip("AB", found.runs, strict=True):
        label = f", label {each.label}" if each.label else ""
        state = (each.state.digest or "unknown")[:12]
        output.line(
            f"{name}: {each.run_id} on {each.host}{label}, state {state}, {each.verdict or 'not judged'}"
        )
    (differences,) = found.differences
    for difference in differences:
        output.line(f"differs: {difference}")
    output.line()
    if not found.rows:
        output.line("The two runs have no number in common.")
    # Never a drawn table: the numbers are there to be pasted.
    cells = [tables.compared_cells(row) for row in found.rows]
    for line in summary.plain_table(tables.COMPARED_COLUMNS, cells, right=(5, 7, 8)) if cells else ():
        output.line(line)
    for text in tables.legend(found):
        output.line(text)
