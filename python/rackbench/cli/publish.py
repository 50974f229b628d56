# SPDX-License-Identifier: Apache-2.0
"""``rackbench publish``: publish the results of a run that came to its end, as its own publish phase does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rackbench.cli.inputs import (
    add_play_options,
    add_verbose_option,
    given_inventories,
    recorded_inventories,
)
from rackbench.cli.output import add_json_option
from rackbench.cli.status import run_dir_of
from rackbench.errors import GOOD, INTERRUPTED, RackbenchError
from rackbench.project import find_project

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

    from rackbench.cli.output import Output
    from rackbench.ledger.state import RunState


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--run-dir", required=True, metavar="D", help="the run's directory")
    parser.add_argument(
        "--push", action="store_true", help="push the branches, also where the target does not say push_local"
    )
    parser.add_argument(
        "--create-pr",
        action="store_true",
        help="push and make pull requests, also where the target does not say create_pr_local",
    )
    add_play_options(parser, inventory_of="run")
    add_verbose_option(parser)
    add_json_option(parser)


def run(args: argparse.Namespace, output: Output) -> int:
    """Publish, show how far each benchmark's results came, and return the gravest exit status of them."""
    from rackbench import runner
    from rackbench.ledger import documents
    from rackbench.ledger.projections import publish_ledger
    from rackbench.ledger.publish_states import NOT_CONFIGURED

    run_dir = run_dir_of(args.run_dir).resolve()
    state = documents.load(run_dir).state
    if state.host is None:
        raise RackbenchError(
            "ledger_unreadable",
            f"The journal of {args.run_dir} does not tell which run this was.",
            where=str(args.run_dir),
        )
    settings = {"lab_run_dir": str(run_dir), "lab_push": args.push, "lab_create_pr": args.create_pr}
    outcome = runner.run_play(
        find_project(),
        runner.Request(
            hosts=state.host,
            extra_vars=(*args.extra_vars, json.dumps(settings)),
            inventories=tuple(given_inventories(args.inventory) or recorded_inventories(state)),
            verbosity=args.verbose,
        ),
        quiet=output.as_json,
        say=output.note,
        playbook=runner.PUBLISH,
    )
    if state.host in outcome.failures:
        raise RackbenchError(**outcome.failures[state.host])
    if not outcome.run_dirs:
        # Ansible ended before it came to us: what it says is all there is.
        return outcome.exit_status()
    state = documents.load(run_dir).state
    ledger = publish_ledger(state)
    status = _exit_status(state)
    asked = args.push or args.create_pr
    if status == GOOD and asked and all(row["state"] == NOT_CONFIGURED for row in ledger["adapters"]):
        raise RackbenchError(
            "publish_target_invalid",
            "Nothing was pushed: lab_publish_targets has a target for no benchmark of this run.",
            where=str(run_dir),
            next_step="Set lab_publish_targets in the inventory, or give it again with -e: what is given is not kept.",
        )
    if output.as_json:
        output.document(ledger)
    for line in _lines(ledger):
        output.line(line)
    return INTERRUPTED if outcome.interrupted else status


def _exit_status(state: RunState) -> int:
    """Return the gravest of what became of the publishing steps, and of results that may not be given out."""
    from rackbench.ledger.alerts import exit_status_of
    from rackbench.ledger.publish_states import WITHHELD_CODES

    codes = [
        str((entry.failure or {}).get("code"))
        for entry in state.failed_steps
        if entry.step.phase == "publish"
    ]
    codes += [
        WITHHELD_CODES[told["state"]] for told in state.publish.values() if told["state"] in WITHHELD_CODES
    ]
    return max(map(exit_status_of, codes), default=GOOD)


def _lines(ledger: Mapping[str, Any]) -> Iterator[str]:
    for row in ledger["adapters"]:
        yield f"{row['adapter']}: {row['state']}" + (f" ({row['target']})" if row["target"] else "")
        for label, name in (
            ("why", "reason"),
            ("branch", "branch"),
            ("commit", "commit"),
            ("remote", "remote"),
            ("compare", "compare_url"),
            ("pull", "pull_request"),
            ("next", "next_command"),
            ("look", "diagnostic_command"),
        ):
            if row[name]:
                yield f"  {label:<8} {row[name]}"
