# SPDX-License-Identifier: Apache-2.0
"""`rackbench validate`: can these hosts be used, and if not, what is in the way?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rackbench.cli.inputs import add_lab_option, inventory_hosts, names, there
from rackbench.cli.output import Output, add_json_option
from rackbench.errors import CHECK_SAYS_NO, FAILURES, GOOD

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
        choices=["connectivity"],
        default="connectivity",
        help="what to check (default: connectivity)",
    )
    add_lab_option(parser)
    add_json_option(parser)


def run(args: argparse.Namespace, output: Output) -> int:
    """Probe, print the report, and return 0 if all hosts are good, 3 if something outside is in the way, else 1."""
    from rackbench.transport import sources, validation

    hosts = names(args.host)
    given = [there(path) for path in args.inventory]
    labs = sources.labs(given) if sources.lab_files(given) or not hosts else []
    known = {name for lab, _secrets in labs for name in lab.model.hosts}
    # Hosts that only Ansible knows, such as this machine, have no way to probe. Asking Ansible takes a second.
    elsewhere: list[str] = []
    if not known.issuperset(hosts):
        elsewhere = inventory_hosts(Path.cwd(), [str(path) for path in given])
    report = validation.connectivity(labs, hosts or None, elsewhere)
    if args.json:
        output.document(report)
    for line in validation.text(report):
        output.line(line)
    codes = [item["code"] for item in report["hosts"] if not item["ok"]]
    if not codes:
        return GOOD
    return max((FAILURES[code].exit_status for code in codes), default=CHECK_SAYS_NO)
