# SPDX-License-Identifier: Apache-2.0
"""``rackbench run``: run benchmarks on hosts, through the same ``run.yml`` as everybody else."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from rackbench.cli.inputs import (
    add_play_options,
    add_verbose_option,
    given_inventories,
    inventory_hosts,
    names,
    require_reason,
)
from rackbench.cli.output import add_json_option
from rackbench.errors import RackbenchError
from rackbench.project import find_project

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from rackbench import runner
    from rackbench.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument(
        "--host", metavar="H[,H2]", help="hosts or groups of the inventory; asked for on a terminal"
    )
    parser.add_argument(
        "--template", default="", metavar="T", help="a preset, as `rackbench templates` lists them"
    )
    parser.add_argument("--benchmarks", default="", metavar="A[,B]", help="benchmarks to run (default: all)")
    parser.add_argument(
        "--families", default="", metavar="F[,F2]", help="families, as `smoke` or `latency:full`"
    )
    parser.add_argument(
        "--phases",
        default="",
        metavar="P[,P2]",
        help="end after the last of these phases; what it rests on runs too, and finalize always",
    )
    parser.add_argument("--repeats", type=int, metavar="N", help="run every family N times")
    parser.add_argument(
        "--repeats-until",
        type=float,
        metavar="PERCENT",
        help="or until its number is known within PERCENT of its mean",
    )
    parser.add_argument(
        "--repeats-max", type=int, metavar="N", help="but at most N times with --repeats-until (default: 20)"
    )
    parser.add_argument(
        "--warmups", type=int, metavar="N", help="run every family N times before, which does not count"
    )
    parser.add_argument(
        "--set",
        dest="changes",
        action="append",
        default=[],
        metavar="B.NAME=VALUE",
        help="a setting of a benchmark, as `agentsth.cpu_pool=p-core`; the others hold as the site has them",
    )
    parser.add_argument(
        "--label", default="", metavar="TEXT", help="a name that keeps the results apart from others"
    )
    parser.add_argument(
        "--tag", dest="tags", action="append", metavar="TAG[,TAG2]", help="names that the run carries"
    )
    parser.add_argument("--parent", default="", metavar="ID", help="the campaign that these runs belong to")
    parser.add_argument(
        "--worker-group-count", type=int, metavar="N", help="how many workers share the hosts (default: 1)"
    )
    parser.add_argument(
        "--worker-group-id", type=int, metavar="N", help="which share is this worker's, from 0 (default: 0)"
    )
    parser.add_argument("--wait", action="store_true", help="wait until nobody else holds the hosts")
    parser.add_argument(
        "--steal", action="store_true", help="take the hosts from whoever holds them; needs --reason"
    )
    parser.add_argument("--reason", default="", metavar="TEXT", help="why they are stolen, for the ledger")
    parser.add_argument(
        "--check", action="store_true", help="a dry run: say what would happen, change nothing"
    )
    add_play_options(parser)
    add_verbose_option(parser)
    add_json_option(parser)


def run(args: argparse.Namespace, output: Output) -> int:
    """Run and return the exit status that the ledgers of the hosts give."""
    from rackbench import runner

    require_reason(args.steal, args.reason, "rackbench run --host HOST")
    project = find_project()
    if not args.host:
        if output.as_json or not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise RackbenchError(
                "wrong_usage",
                "rackbench run: say which hosts with --host.",
                next_command="rackbench run --host local",
            )
        _ask(args, project, output)
    request = request_of(args)
    outcome = runner.run_play(project, request, quiet=output.as_json, say=output.note)
    if outcome.interrupted:
        # An interrupted play has no summary that would end with these lines.
        for run_dir in outcome.run_dirs.values():
            output.line(f"run_dir: {os.path.relpath(run_dir, project)}")
    status = outcome.exit_status()
    if output.as_json:
        output.document(outcome.as_dict(status))
    return status


def request_of(args: argparse.Namespace) -> runner.Request:
    """Return what to run, from these options."""
    from rackbench import runner

    return runner.Request(
        hosts=args.host,
        template=args.template,
        benchmarks=args.benchmarks,
        families=args.families,
        phases=args.phases,
        repeats=args.repeats,
        repeats_until=args.repeats_until,
        repeats_max=args.repeats_max,
        warmups=args.warmups,
        changes=tuple(args.changes),
        label=args.label,
        tags=tuple(names(args.tags)),
        parent=args.parent,
        worker_group_count=args.worker_group_count,
        worker_group_id=args.worker_group_id,
        wait=args.wait,
        steal_reason=args.reason,
        check=args.check,
        extra_vars=tuple(args.extra_vars),
        inventories=tuple(given_inventories(args.inventory)),
        verbosity=args.verbose,
    )


def _ask(args: argparse.Namespace, project: Path, output: Output) -> None:
    from rackbench.adapters.catalog import catalog_of
    from rackbench.collection import find_collection

    hosts = inventory_hosts(project, given_inventories(args.inventory))
    output.line("Hosts: " + ", ".join(hosts))
    args.host = _answer("Run on", hosts[0] if len(hosts) == 1 else "")
    if not args.benchmarks and not args.template:
        output.line("Benchmarks: " + ", ".join(catalog_of(project, find_collection(project))))
        args.benchmarks = _answer("Benchmarks", "all", nothing="all")


def _answer(question: str, default: str, *, nothing: str = "") -> str:
    try:
        answer = input(f"{question}{f' [{default}]' if default else ''}: ").strip() or default
    except EOFError:
        answer = ""
    if not answer:
        raise RackbenchError(
            "wrong_usage", f"{question}: no answer was given.", next_command="rackbench run --help"
        )
    return "" if answer == nothing else answer
