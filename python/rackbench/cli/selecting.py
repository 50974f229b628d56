# SPDX-License-Identifier: Apache-2.0
"""``rackbench bundle select``: which bundle each benchmark would get on a host, and why not the others."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rackbench.cli import validating
from rackbench.cli.inputs import add_play_options
from rackbench.errors import CHECK_SAYS_NO, FAILURES, GOOD, RackbenchError
from rackbench.project import find_project

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from rackbench.cli.output import Output


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--host", action="append", metavar="HOST[,HOST…]", help="hosts of the inventory")
    validating.add_benchmarks_option(parser)
    add_play_options(parser)


def select(args: argparse.Namespace, output: Output) -> int:
    """Print the decisions of the staging report; 1 if a benchmark gets no bundle."""
    if not args.host:
        raise RackbenchError(
            "wrong_usage",
            "rackbench bundle select: say for which host with --host.",
            next_command="rackbench bundle select --host local",
        )
    hosts = validating.Hosts.asked_for(args.host, [Path(name) for name in args.inventory], only_labs=False)
    report = validating.by_playbook(
        find_project(), "staging", hosts, args.benchmarks, output, args.extra_vars
    )
    selections = [_of_host(item) for item in report["hosts"]]
    if output.as_json:
        ok = all(item["ok"] for item in selections)
        output.document({"schema": "rackbench.bundle-selection/1.0", "ok": ok, "hosts": selections})
    for item in selections:
        _show(item, output)
    failures = [FAILURES[item["failure"]["code"]].exit_status for item in selections if item["failure"]]
    blocked = [CHECK_SAYS_NO for item in selections if not item["ok"]]
    return max([*failures, *blocked], default=GOOD)


def _of_host(item: Mapping[str, Any]) -> dict[str, Any]:
    staged = item["staging"]
    decisions = [each["packaging"] for each in staged["benchmarks"]]
    return {
        "host": item["host"],
        "ok": staged["failure"] is None and all(each["chosen"] for each in decisions),
        "failure": staged["failure"],
        "platform": staged["platform"],
        "decisions": decisions,
    }


def _show(item: Mapping[str, Any], output: Output) -> None:
    if item["platform"]:
        known = f"{item['platform']['os']} {item['platform']['machine']}, as its last preflight saw it"
    else:
        look = shlex.join(["rackbench", "run", "--host", item["host"], "--benchmarks", "preflight"])
        known = f"nobody has looked yet what it is: `{look}` does"
    output.line(f"{item['host']} ({known})", "bold")
    if failure := item["failure"]:
        output.line(f"  {failure['message']} [{failure['code']}]", "bold red")
        output.line(f"  next  {failure['next_step']}")
    for decision in item["decisions"]:
        chosen = decision["chosen"]
        output.line()
        if chosen:
            output.line(f"{decision['adapter']}: {chosen['path']} ({decision['basis']})")
        else:
            output.line(f"{decision['adapter']}: no bundle can be used", "bold red")
        rows = [_row(each) for each in decision["candidates"]]
        if rows:
            output.table(("source", "bundle", "version", "platform", "verdict", "why"), rows)


def _row(candidate: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        candidate["source"],
        Path(candidate["path"]).name,
        candidate["version"] or "-",
        candidate["platform"] or "-",
        "accepted" if candidate["accepted"] else candidate["reason"],
        candidate["detail"] or "",
    )
