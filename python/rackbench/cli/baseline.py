# SPDX-License-Identifier: Apache-2.0
"""``rackbench baseline``: collect results, put them into a baseline file, hold others against it, and arm the gate."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rackbench import words
from rackbench.cli import baseline_compare, baseline_history
from rackbench.cli import run as run_verb
from rackbench.cli.output import add_json_option
from rackbench.errors import GOOD, RackbenchError

if TYPE_CHECKING:
    import argparse

    from rackbench.baselines.numbers import Baseline, Placeholder, Scenario
    from rackbench.baselines.update import Change, Updated
    from rackbench.cli.output import Output

BASELINE = "baseline.json"
RESULTS = "results.json"
_COLUMNS = ("scenario", "p50", "p95", "p99", "ips", "unit", "samples", "state")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    collect = actions.add_parser("collect", help="run on the reference host, and write a results file")
    run_verb.add_arguments(collect)
    collect.add_argument(
        "--results",
        type=Path,
        default=Path(RESULTS),
        metavar="FILE",
        help=f"what to write (default: {RESULTS})",
    )
    update = actions.add_parser("update", help="put the numbers of results into a baseline file")
    _add_baseline(update)
    update.add_argument(
        "--results",
        type=Path,
        required=True,
        metavar="FILE",
        help="a results file of any known format, or a run directory",
    )
    update.add_argument("--commit", metavar="ID", help="what was measured, for results that do not tell")
    update.add_argument("--run-id", metavar="ID", help="which run measured it, for results that do not tell")
    update.add_argument(
        "--fingerprint", metavar="TEXT", help="on which machine it was measured, for results that do not tell"
    )
    baseline_compare.add_arguments(
        actions.add_parser("compare", help="hold results against a baseline; 1 when the gate says no")
    )
    show = actions.add_parser("show", help="show a baseline file, and who armed it")
    _add_baseline(show)
    arm = actions.add_parser(
        "arm", help="make the gate count, with your name and a reason in the audit trail"
    )
    _add_baseline(arm)
    arm.add_argument("--by", metavar="NAME", help="who arms it; asked for on a terminal")
    arm.add_argument("--reason", metavar="TEXT", help="why; asked for on a terminal")
    baseline_history.add_arguments(
        actions.add_parser("history", help="find the steps in past results: which, when and how large")
    )
    form = update.add_mutually_exclusive_group()
    form.add_argument(
        "--markdown",
        action="store_true",
        help="print the answer as Markdown, for the pull request that proposes it",
    )
    form.add_argument("--json", action="store_true", help="print one JSON document on standard output")
    for action in (show, arm):
        add_json_option(action)


def run(args: argparse.Namespace, output: Output) -> int:
    """Do the action; 0, 1 when the answer is no, 2 for input that cannot be used."""
    actions = {
        "collect": _collect,
        "update": _update,
        "compare": baseline_compare.run,
        "show": _show,
        "arm": _arm,
        "history": baseline_history.run,
    }
    return actions[args.action](args, output)


def _add_baseline(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--baseline",
        type=Path,
        default=Path(BASELINE),
        metavar="FILE",
        help=f"the file (default: {BASELINE})",
    )


def _collect(args: argparse.Namespace, output: Output) -> int:
    """Run, then write the results file. A run that did not come to a good end gives none, and its exit status."""
    from rackbench import clock, runner
    from rackbench.baselines.readers import collected, rackbench_run
    from rackbench.cli.inputs import require_reason
    from rackbench.files import write_atomic
    from rackbench.project import find_project

    require_reason(args.steal, args.reason, "rackbench baseline collect --host HOST")
    if not args.host or "," in args.host:
        raise RackbenchError(
            "wrong_usage",
            "rackbench baseline collect: say with --host which one host is the reference.",
            next_command="rackbench baseline collect --help",
        )
    if not args.results.absolute().parent.is_dir():
        raise RackbenchError(
            "input_missing", f"There is no directory for {args.results}.", where=str(args.results)
        )
    project = find_project()
    outcome = runner.run_play(project, run_verb.request_of(args), quiet=output.as_json, say=output.note)
    status = outcome.exit_status()
    if status != GOOD:
        output.note("No results file was written, for the run did not come to a good end.")
        if output.as_json:
            output.document(outcome.as_dict(status))
        return status
    if len(outcome.run_dirs) != 1:
        raise RackbenchError(
            "wrong_usage",
            f"rackbench baseline collect: {args.host} is {len(outcome.run_dirs)} hosts, and the reference is one.",
            next_step="Name one host, or give the run directory of one of them to `rackbench baseline update`.",
        )
    ((host, run_dir),) = outcome.run_dirs.items()
    results = rackbench_run.read(run_dir)
    if not results.scenarios:
        raise RackbenchError("no_results", f"{run_dir} holds no number to compare.", where=str(run_dir))
    try:
        write_atomic(args.results, collected.text(results, host, clock.utc_now()))
    except OSError as error:
        raise RackbenchError(
            "baseline_unwritable",
            f"{args.results} cannot be written: {error.strerror}.",
            where=str(args.results),
        ) from error
    if output.as_json:
        output.document(
            {
                "schema": "rackbench.baseline-collected/1.0",
                "results": str(args.results),
                "run_dir": os.path.relpath(run_dir, project),
                "run_id": results.run_id,
                "commit": results.commit,
                "fingerprint": results.fingerprint,
                "scenarios": len(results.scenarios),
            }
        )
    output.line(f"results: {args.results}, {len(results.scenarios)} scenarios")
    output.line(f"machine: {results.fingerprint or 'not known'}")
    for remark in results.remarks:
        output.warning(remark)
    return GOOD


def _update(args: argparse.Namespace, output: Output) -> int:
    from dataclasses import replace

    from rackbench import clock
    from rackbench.baselines import proposal, readers, update

    for name in ("commit", "run-id", "fingerprint"):
        _check_utf8("update", name, getattr(args, name.replace("-", "_")))
    results = readers.read(args.results)
    results = replace(
        results,
        commit=results.commit or args.commit,
        run_id=results.run_id or args.run_id,
        fingerprint=results.fingerprint or args.fingerprint,
    )
    updated = update.update(args.baseline, results, clock.utc_now())
    baseline = updated.baseline
    if args.markdown:
        sys.stdout.write(proposal.markdown(updated, results))
        return GOOD
    if output.as_json:
        output.document(
            {
                "schema": "rackbench.baseline-updated/1.0",
                "baseline": str(args.baseline),
                "results": str(args.results),
                "changed": updated.changed,
                "status": baseline.status,
                "generated_at": baseline.generated_at,
                "generated_by": dict(baseline.generated_by),
                "warnings": list(updated.warnings),
                "scenarios": [
                    {
                        "name": change.name,
                        "unit": _unit(change),
                        "change": change.kind,
                        "before": update.numbers_of(change.before),
                        "after": update.numbers_of(change.after),
                    }
                    for change in updated.changes
                ],
            }
        )
    else:
        _tell(updated, args, output)
    for warning in updated.warnings:
        output.warning(warning)
    return GOOD


def _unit(change: Change) -> str | None:
    shown = change.after or change.before
    return shown.unit if shown else None


def _tell(updated: Updated, args: argparse.Namespace, output: Output) -> None:
    from rackbench.baselines.update import UNCHANGED, numbers_of

    rows = []
    for change in updated.changes:
        if change.kind == UNCHANGED:
            continue
        before, after = numbers_of(change.before) or {}, numbers_of(change.after) or {}
        name = next((key for key in ("p50", "ips") if after.get(key) or before.get(key)), "p50")
        rows.append(
            (
                change.name,
                change.kind,
                name,
                words.number(before.get(name)),
                words.number(after.get(name)),
                _unit(change) or "-",
            )
        )
    if rows:
        output.table(("scenario", "change", "number", "before", "after", "unit"), rows, right=(3, 4))
    if updated.changed:
        output.line(f"{args.baseline}: updated, still {updated.baseline.status}")
    else:
        output.line(f"{args.baseline}: nothing changed, and the file was not touched")


def _show(args: argparse.Namespace, output: Output) -> int:
    from rackbench.baselines import audit, document

    baseline = document.read(args.baseline).baseline
    lines = audit.read(args.baseline.resolve())
    if remark := audit.unarmed(baseline):
        output.warning(remark)
    if output.as_json:
        output.document(
            {
                "schema": "rackbench.baseline-shown/1.0",
                "baseline": str(args.baseline),
                "schema_version": baseline.schema_version,
                "status": baseline.status,
                "generated_at": baseline.generated_at,
                "generated_by": dict(baseline.generated_by),
                "scenarios": [_shown(baseline, name, one) for name, one in baseline.scenarios.items()],
                "audit": lines,
            }
        )
        return GOOD
    made = baseline.generated_by
    output.line(f"{args.baseline}: {baseline.status}")
    for label, value in (
        ("updated", baseline.generated_at),
        ("machine", made.get("fingerprint")),
        ("commit", made.get("commit")),
        ("run", made.get("run_id")),
    ):
        output.line(f"  {label:<8} {value or 'not known'}")
    for line in lines:
        output.line(f"  armed    {line['at']} by {line['by']}: {line['reason']}")
    rows = [_row(_shown(baseline, name, one)) for name, one in baseline.scenarios.items()]
    if rows:
        output.table(_COLUMNS, rows, right=(1, 2, 3, 4, 6))
    return GOOD


def _shown(baseline: Baseline, name: str, scenario: Scenario | Placeholder) -> dict[str, Any]:
    from dataclasses import asdict

    from rackbench.baselines.numbers import Placeholder
    from rackbench.baselines.update import numbers_of

    found = None if isinstance(scenario, Placeholder) else scenario
    missing = list(found.missing) if found else []
    return {
        "name": name,
        "state": "placeholder" if found is None else "missing" if missing else "complete",
        "missing": missing,
        "vanished": name in baseline.vanished,
        "unit": found.unit if found else None,
        "direction": found.direction if found else None,
        "numbers": numbers_of(found),
        "samples": len(found.samples) if found else 0,
        "tolerance": asdict(baseline.scenario_tolerance(name)),
    }


def _row(shown: dict[str, Any]) -> tuple[str, ...]:
    numbers = shown["numbers"] or {}
    state = f"no {', '.join(shown['missing'])}" if shown["missing"] else shown["state"]
    return (
        shown["name"],
        *(words.number(numbers.get(name)) for name in ("p50", "p95", "p99", "ips")),
        shown["unit"] or "-",
        str(shown["samples"]),
        f"{state}, not in the last results" if shown["vanished"] else state,
    )


def _arm(args: argparse.Namespace, output: Output) -> int:
    from rackbench import clock
    from rackbench.baselines.arm import arm

    by, reason = (
        _asked(args, output, name, question) for name, question in (("by", "Your name"), ("reason", "Why"))
    )
    trail, line = arm(args.baseline, by, reason, clock.utc_now())
    if output.as_json:
        output.document(
            {
                "schema": "rackbench.baseline-armed/1.0",
                "baseline": str(args.baseline),
                "audit": str(trail),
                "entry": line,
            }
        )
    output.line(f"{args.baseline}: active, {line['scenarios']} scenarios")
    output.line(f"Recorded in {trail}; commit both files.")
    for name in line["vanished"]:
        output.warning(f"{name} was not in the last results, and the gate fails as long as it is missing.")
    return GOOD


def _asked(args: argparse.Namespace, output: Output, name: str, question: str) -> str:
    """Return an option of `arm`, or the answer of whoever sits at the terminal."""
    given = getattr(args, name)
    if given is None and not output.as_json and sys.stdin.isatty() and sys.stdout.isatty():
        try:
            given = input(f"{question}: ")
        except EOFError:
            given = None
    if not (given or "").strip():
        raise RackbenchError(
            "wrong_usage",
            f"rackbench baseline arm: --{name} says {'who arms it' if name == 'by' else 'why'}, and is missing.",
            next_command=shlex.join(
                [
                    "rackbench",
                    "baseline",
                    "arm",
                    "--baseline",
                    str(args.baseline),
                    "--by",
                    "NAME",
                    "--reason",
                    "TEXT",
                ]
            ),
        )
    _check_utf8("arm", name, given)
    return str(given).strip()


def _check_utf8(action: str, name: str, given: str | None) -> None:
    """Raise `RackbenchError("wrong_usage")` for an option whose bytes are no text, so that no file can hold it."""
    try:
        (given or "").encode()
    except UnicodeEncodeError as error:
        raise RackbenchError(
            "wrong_usage", f"rackbench baseline {action}: --{name} {given!r} is no UTF-8."
        ) from error
