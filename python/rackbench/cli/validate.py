# SPDX-License-Identifier: Apache-2.0
"""`rackbench validate`: can these hosts be used, and if not, what is in the way?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rackbench.cli import validating
from rackbench.cli.inputs import add_extra_vars_option, add_lab_option
from rackbench.cli.output import Output, add_json_option
from rackbench.errors import RackbenchError
from rackbench.project import find_project
from rackbench.validation import SCOPES, exit_status, text

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    parser.add_argument(
        "--host",
        action="append",
        metavar="HOST[,HOST…]",
        help="which hosts; by default all of the lab inventories",
    )
    parser.add_argument(
        "--scope",
        choices=SCOPES,
        default="connectivity",
        help="connectivity: the way to the hosts; staging: bundles and readiness by what is known, asking no host; "
        "publish: repositories, remotes and gh, asking no host; all: all of it, asking the hosts "
        "(default: connectivity)",
    )
    validating.add_benchmarks_option(parser)
    add_extra_vars_option(parser)
    add_lab_option(parser)
    add_json_option(parser)


def run(args: argparse.Namespace, output: Output) -> int:
    """Look, print the report, and return 0 if all hosts are good, else the gravest of 1, 2, 3 and 4."""
    only_labs = args.scope == "connectivity"
    hosts = validating.Hosts.asked_for(args.host, args.inventory, only_labs=only_labs)
    if only_labs and (args.benchmarks or args.extra_vars):
        raise RackbenchError(
            "wrong_usage",
            "rackbench validate: --benchmarks and --extra-vars are for the scopes staging, publish and all.",
            next_command="rackbench validate --help",
        )
    if only_labs:
        report = validating.connectivity(hosts)
    else:
        report = validating.by_playbook(
            find_project(), args.scope, hosts, args.benchmarks, output, args.extra_vars
        )
    if args.json:
        output.document(report)
    for line in text(report):
        output.line(line)
    return exit_status(report)
