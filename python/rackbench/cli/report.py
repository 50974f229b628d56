# SPDX-License-Identifier: Apache-2.0
"""``rackbench report``: one page of a run for people, by itself or beside other runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rackbench.cli.status import run_dir_of
from rackbench.errors import RackbenchError

if TYPE_CHECKING:
    import argparse

    from rackbench.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--run-dir", required=True, metavar="DIR", help="the run's directory")
    parser.add_argument(
        "--compare",
        nargs="+",
        default=[],
        metavar="DIR",
        help="directories of other runs whose numbers are put beside this one's",
    )
    parser.add_argument(
        "--output", metavar="FILE", help="where the page goes (default: report-RUN_ID.html in this directory)"
    )


def run(args: argparse.Namespace, output: Output) -> int:
    """Write the page and name it; 0, whatever it says."""
    from rackbench.ledger.rundir import REPORT, run_id_of
    from rackbench.report.writing import write

    run_dir = run_dir_of(args.run_dir)
    path = Path(args.output or f"report-{run_id_of(run_dir.absolute())}.html")
    others = [run_dir_of(name) for name in args.compare]
    if path.absolute() in {(each / REPORT).absolute() for each in (run_dir, *others)}:
        # Its digest is in the run's manifest: it shows what was known when the run ended.
        raise _cannot(path, "it is the report that the run itself wrote")
    try:
        write(path, run_dir, others)
    except OSError as error:
        raise _cannot(path, str(error.strerror or error)) from error
    output.line(str(path))
    return 0


def _cannot(path: Path, why: str) -> RackbenchError:
    return RackbenchError(
        "wrong_usage",
        f"rackbench report: {path} cannot be written: {why}.",
        where=str(path),
        next_step="Name another file with --output.",
    )
