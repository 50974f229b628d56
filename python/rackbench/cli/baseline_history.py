# SPDX-License-Identifier: Apache-2.0
"""``rackbench baseline history``: where numbers changed for good over past results, and by how much."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rackbench.cli.output import add_json_option
from rackbench.errors import RackbenchError

if TYPE_CHECKING:
    import argparse

    from rackbench.baselines.history import Series
    from rackbench.baselines.numbers import Results
    from rackbench.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument(
        "results",
        nargs="*",
        metavar="R",
        type=Path,
        help="run directories or results files, oldest first (default: all runs of --runs-dir)",
    )
    parser.add_argument(
        "--runs-dir",
        metavar="D",
        type=Path,
        help="where the runs are (default: automation-runs/ of the project)",
    )
    add_json_option(parser)


def run(args: argparse.Namespace, output: Output) -> int:
    """Print the series with their steps; 0, also when something became slower: this is no gate."""
    if args.results and args.runs_dir:
        raise RackbenchError(
            "wrong_usage", "rackbench baseline history: give results or --runs-dir, and not both."
        )
    from rackbench.baselines import history, readers, rendering

    remarks: list[str] = []
    results = [readers.read(path) for path in args.results] or _of_runs(args.runs_dir, remarks)
    if not results:
        raise RackbenchError("no_results", " ".join(["There are no results to look back on.", *remarks]))
    found = history.series(results)
    if output.as_json:
        output.document(rendering.history_document(found, remarks))
        return 0
    for remark in remarks:
        output.line(remark, "yellow")
    _show(found, output)
    return 0


def _of_runs(given: Path | None, remarks: list[str]) -> list[Results]:
    """Return the results of all runs in a directory, oldest first; `remarks` gets what was passed over."""
    from rackbench.baselines import readers
    from rackbench.ledger import rundir
    from rackbench.project import RUNS, find_project

    folder = find_project() / RUNS if given is None else given
    if not folder.is_dir():
        raise RackbenchError("input_missing", f"There is no directory {folder}.", where=str(folder))
    runs = [path for path in folder.glob("????-??-??/*/*") if rundir.is_run_directory(path)]
    found = []
    for run_dir in sorted(runs, key=lambda path: (path.name, path)):
        try:
            found.append(readers.read(run_dir))
        except RackbenchError as error:
            remarks.append(f"Not taken: {error.message}")
    return found


def _show(found: list[Series], output: Output) -> None:
    from rackbench.baselines import rendering
    from rackbench.baselines.history import LEAST

    several = len({series.fingerprint for series in found}) > 1
    for series in found:
        machine = f" on {series.fingerprint or 'an unknown machine'}" if several else ""
        points = f"{len(series.values)} results"
        output.line(f"{series.name}{machine}: {series.number} in {series.unit}, {points}", "bold")
        output.line(f"  {rendering.sparkline(series.values)}")
        if not series.enough:
            output.line(f"  A step needs {2 * LEAST} results at least.", "dim")
        for step in series.steps:
            output.line(f"  {rendering.step_text(series, step)}", "red" if series.is_worse(step) else "green")
    stepped = sum(bool(series.steps) for series in found)
    output.line(f"{stepped} of {len(found)} series have a step.")
