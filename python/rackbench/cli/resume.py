# SPDX-License-Identifier: Apache-2.0
"""``rackbench resume``: go on with a run, after saying what differs and what is left."""

from __future__ import annotations

import json
import shlex
import sys
from typing import TYPE_CHECKING, Any

from rackbench.cli.inputs import (
    add_play_options,
    add_verbose_option,
    given_inventories,
    recorded_inventories,
)
from rackbench.cli.output import add_json_option
from rackbench.cli.status import run_dir_of
from rackbench.errors import RackbenchError
from rackbench.project import find_project

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from rackbench.cli.output import Output
    from rackbench.ledger.state import RunState


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--run-dir", required=True, metavar="D", help="the run's directory")
    parser.add_argument("-y", "--yes", action="store_true", help="go on without asking")
    parser.add_argument(
        "--phases", default="", metavar="P[,P2]", help="end after the last of these phases (default: all)"
    )
    parser.add_argument("--wait", action="store_true", help="wait until the host's lease is free")
    parser.add_argument("--steal", action="store_true", help="take the host's lease from its holder")
    parser.add_argument("--reason", default="", metavar="TEXT", help="why it is taken; needed with --steal")
    add_play_options(parser, inventory_of="run")
    add_verbose_option(parser)
    add_json_option(parser)


def run(args: argparse.Namespace, output: Output) -> int:
    """Resume and return the exit status that the ledger gives."""
    from rackbench import runner
    from rackbench.ledger import documents

    project = find_project()
    run_dir = run_dir_of(args.run_dir).resolve()
    state = documents.load(run_dir).state
    if state.host is None:
        raise RackbenchError(
            "ledger_unreadable",
            f"The journal of {args.run_dir} does not tell which run this was.",
            where=str(args.run_dir),
            next_command=shlex.join(["rackbench", "recover", "--run-dir", args.run_dir]),
        )
    if not args.yes and not _agreed(args, project, run_dir, state, output):
        return 1
    outcome = runner.run_play(
        project,
        runner.Request(
            hosts=state.host,
            extra_vars=(*args.extra_vars, json.dumps(_settings(args, run_dir))),
            inventories=tuple(_inventories(args, state)),
            verbosity=args.verbose,
        ),
        quiet=output.as_json,
        say=output.note,
        playbook=runner.RESUME,
    )
    # A run that had nothing left to do was not opened again: its own status tells.
    if state.host not in outcome.failures:
        outcome.run_dirs.setdefault(state.host, run_dir)
    status = outcome.exit_status()
    if output.as_json:
        output.document(outcome.as_dict(status))
    return status


def _inventories(args: argparse.Namespace, state: RunState) -> list[str]:
    return given_inventories(args.inventory) or recorded_inventories(state)


def _settings(args: argparse.Namespace, run_dir: Path) -> dict[str, Any]:
    settings = {
        "lab_run_dir": str(run_dir),
        "lab_resume_phases": args.phases,
        "lab_wait": args.wait or None,
        "lab_steal": args.steal or None,
        "lab_steal_reason": args.reason,
    }
    return {name: value for name, value in settings.items() if value}


def _agreed(args: argparse.Namespace, project: Path, run_dir: Path, state: RunState, output: Output) -> bool:
    """Show what resuming means, and ask; return whether to go on."""
    from rackbench.ledger.resume import Difference
    from rackbench.playbooks import run_playbook
    from rackbench.runner import RESUME

    if output.as_json or not sys.stdin.isatty():
        raise RackbenchError(
            "wrong_usage",
            "rackbench resume: say --yes where nobody can be asked.",
            next_command=shlex.join(["rackbench", "resume", "--run-dir", args.run_dir, "--yes"]),
        )
    answers = run_playbook(
        project,
        RESUME,
        str(state.host),
        {**_settings(args, run_dir), "rackbench_begin": False},
        action=RESUME,
        check=False,
        say=output.note,
        inventories=_inventories(args, state),
        given_vars=args.extra_vars,
    )
    answer = answers.results.get(str(state.host)) or {}
    failure = (answer.get("rackbench") or {}).get("failure")
    if failure:
        raise RackbenchError(**failure)
    for one in answer.get("differences") or ():
        output.line(f"differs    {Difference(**one)}", "yellow")
    for title, key in (("reused", "reused"), ("found", "reattached"), ("to run", "to_run")):
        output.line(f"{title:<10} {', '.join(answer.get(key) or ()) or 'nothing'}")
    if not answer.get("to_run"):
        return True
    try:
        return input("Go on? [y/N]: ").strip().lower() in {"y", "yes"}
    except EOFError:
        return False
