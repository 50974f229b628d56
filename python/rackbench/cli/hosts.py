# SPDX-License-Identifier: Apache-2.0
"""`rackbench hosts`: look at host keys, compare and record them; remove everything of ours from hosts."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

from rackbench.cli import cleaning, host_diff
from rackbench.cli.inputs import add_lab_option, names, there
from rackbench.cli.output import Output, add_json_option
from rackbench.errors import CHECK_SAYS_NO, FAILURES, GOOD, RackbenchError

if TYPE_CHECKING:
    import argparse

    from rackbench.transport.routes import Endpoint


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions of the verb."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    summary = "record the host keys of machines and of the hops on the way to them"
    enroll = actions.add_parser("enroll", help=summary, description=summary[0].upper() + summary[1:] + ".")
    enroll.add_argument(
        "--host",
        action="append",
        metavar="HOST[,HOST…]",
        help="which machines; by default all of the lab files",
    )
    add_lab_option(enroll)
    enroll.add_argument(
        "--yes", action="store_true", help="accept every key that is not on record without asking"
    )
    enroll.add_argument(
        "--replace", action="store_true", help="offer changed keys too, to replace those on record"
    )
    add_json_option(enroll)
    summary = "remove everything of Rackbench from hosts, results that were not collected included"
    clean = actions.add_parser("clean", help=summary, description=summary[0].upper() + summary[1:] + ".")
    cleaning.add_options(clean)
    clean.add_argument("--yes", action="store_true", help="do not ask")
    add_json_option(clean)
    summary = "show what changed on a host from one run to another: firmware, kernel, settings and more"
    diff = actions.add_parser("diff", help=summary, description=summary[0].upper() + summary[1:] + ".")
    host_diff.add_options(diff)


def run(args: argparse.Namespace, output: Output) -> int:
    """Do the action and return the exit status."""
    actions = {"enroll": _enroll, "clean": _clean, "diff": host_diff.diff}
    return actions[args.action](args, output)


def _clean(args: argparse.Namespace, output: Output) -> int:
    """Remove everything of ours; 1 if something stays because a running job uses it."""
    if not args.host:
        raise RackbenchError(
            "wrong_usage",
            "rackbench hosts clean: say which hosts with --host.",
            next_command="rackbench hosts clean --host HOST --check",
        )
    if not (args.yes or args.check):
        if not sys.stdin.isatty():
            raise RackbenchError(
                "wrong_usage",
                "There is no terminal to ask on whether everything is to be removed.",
                next_step="Call it from a terminal, or answer with --yes.",
                next_command=shlex.join(
                    ["rackbench", "hosts", "clean", "--host", ",".join(args.host), "--check"]
                ),
            )
        sys.stderr.write(
            f"Remove everything of Rackbench on {', '.join(names(args.host))}, results that were not collected "
            "included? [y/N] "
        )
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
            output.note("Nothing was removed.")
            return CHECK_SAYS_NO
    return cleaning.clean("clean", args.host, output, check=args.check)


def _enroll(args: argparse.Namespace, output: Output) -> int:
    """Walk the chains, record what is accepted, and return 0 if all machines have their key on record."""
    from rackbench.transport import hostkeys, routes, sources
    from rackbench.yaml_source import nearest

    if not args.yes and not sys.stdin.isatty():
        raise RackbenchError(
            "wrong_usage",
            "There is no terminal to ask on whether a key is right.",
            next_step="Call it from a terminal, or accept all keys with --yes.",
        )

    def accept(endpoint: Endpoint, fingerprint: str, changed: bool) -> bool:  # noqa: FBT001
        output.note(f"{endpoint.name} ({endpoint.hostname} port {endpoint.port}): {fingerprint}")
        if args.yes:
            return True
        question = "This is NOT the key on record. Replace it?" if changed else "Record this key?"
        sys.stderr.write(f"  {question} [y/N] ")
        sys.stderr.flush()
        return sys.stdin.readline().strip().lower() in {"y", "yes"}

    wanted = names(args.host)
    labs = sources.labs([there(path) for path in args.inventory])
    known = list(
        dict.fromkeys(name for lab, _secrets in labs for name in (*lab.model.hops, *lab.model.hosts))
    )
    for name in wanted:
        if name not in known:
            raise RackbenchError(
                "unknown_host", f"No lab inventory has a machine {name!r}; {nearest(name, known)}."
            )
    results = []
    for lab, secrets in labs:
        ways = routes.resolve(lab)
        mine = [name for name in ways.endpoints if not wanted or name in wanted]
        results += hostkeys.enroll(ways, mine, secrets, accept, replace=args.replace)
    if args.json:
        machines = [vars(item) for item in results]
        output.document({"schema": "rackbench.hosts-enrolled/1.0", "machines": machines})
    rows = [(item.name, item.state, item.fingerprint or "", item.message or "") for item in results]
    output.table(("MACHINE", "STATE", "FINGERPRINT", "REMARK"), rows)
    return max((FAILURES[item.code].exit_status for item in results if item.code), default=GOOD)
