# SPDX-License-Identifier: Apache-2.0
"""``rackbench hosts diff``: what changed on a host from one run to another."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from rackbench.cli.output import add_json_option
from rackbench.cli.status import run_dir_of
from rackbench.errors import CHECK_SAYS_NO, GOOD

if TYPE_CHECKING:
    import argparse

    from rackbench.cli.output import Output


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("host", metavar="HOST", help="the host's name in the inventory")
    parser.add_argument(
        "--from",
        dest="before",
        metavar="RUN",
        help="the earlier run, a directory or an id (default: the one before)",
    )
    parser.add_argument("--to", dest="after", metavar="RUN", help="the later run (default: the newest)")
    add_json_option(parser)


def diff(args: argparse.Namespace, output: Output) -> int:
    """Print the differences; 1 if there is one."""
    from rackbench.compare import hosts
    from rackbench.project import RUNS, find_project

    before, after = (run_dir_of(name) if name else None for name in (args.before, args.after))
    found = hosts.diff(find_project() / RUNS, args.host, before, after)
    if output.as_json:
        output.document({"schema": "rackbench.host-diff/1.0", **asdict(found)})
    output.line(f"{found.host}: from {found.before} to {found.after}", "bold")
    rows = [
        (each.name, _text(each.before, each.before_reason), _text(each.after, each.after_reason))
        for each in found.differences
    ]
    if rows:
        output.table(("FACT", "BEFORE", "AFTER"), rows)
    else:
        output.line("Nothing changed.")
    return CHECK_SAYS_NO if rows else GOOD


def _text(value: str | None, reason: str | None) -> str:
    return value if value is not None else f"unknown: {reason}" if reason else "-"
