# SPDX-License-Identifier: Apache-2.0
"""``rackbench rerun``: run families of an earlier run again, as a new run on the same host with the same options."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from rackbench.cli.inputs import add_verbose_option, inventory_hosts, names, recorded_inventories
from rackbench.cli.output import add_json_option
from rackbench.cli.status import run_dir_of
from rackbench.errors import CHECK_SAYS_NO, RackbenchError
from rackbench.project import find_project

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from rackbench import runner
    from rackbench.cli.output import Output
    from rackbench.ledger.state import RunState

# Options that are not repeated: addresses of publish targets are not recorded, and whoever takes a lease from
# another run has to say so each time.
NOT_REPEATED = frozenset(
    {
        "benchmarks",
        "families",
        "publish_targets",
        "steal",
        "steal_reason",
        # What it said is among the options, and its file may say something else by now.
        "template",
        "worker_group_id",
        "worker_group_count",
    }
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--run-dir", required=True, metavar="D", help="the directory of the run to repeat")
    parser.add_argument(
        "--family",
        required=True,
        action="append",
        metavar="F[,F2]",
        help="a family that it planned, as `smoke` or `latency:full`",
    )
    parser.add_argument("-y", "--yes", action="store_true", help="begin without asking")
    add_verbose_option(parser)
    add_json_option(parser)


def run(args: argparse.Namespace, output: Output) -> int:
    """Run the families and return the exit status that the new run's ledger gives."""
    from rackbench import runner
    from rackbench.ledger import documents

    project = find_project()
    state = documents.load(run_dir_of(args.run_dir)).state
    if state.host is None or state.run_id is None:
        raise RackbenchError(
            "ledger_unreadable",
            f"The journal of {args.run_dir} does not tell which run this was.",
            where=str(args.run_dir),
        )
    families = chosen_families(state, names(args.family))
    request = request_again(project, state, families, verbosity=args.verbose)
    if not args.yes and not _agreed(args, state, families, output):
        return CHECK_SAYS_NO
    outcome = runner.run_play(project, request, quiet=output.as_json, say=output.note)
    for run_dir in outcome.run_dirs.values():
        for warning in changed_bundles(state, documents.load(run_dir).state):
            output.warning(warning)
        if outcome.interrupted:
            # An interrupted play has no summary that would end with this line.
            output.line(f"run_dir: {os.path.relpath(run_dir, project)}")
    status = outcome.exit_status()
    if output.as_json:
        output.document(outcome.as_dict(status))
    return status


def request_again(
    project: Path, state: RunState, families: Sequence[str], *, verbosity: int = 0
) -> runner.Request:
    """Return what runs these families of a run again, on its host and with its options.

    Raises `RackbenchError("unknown_host")`, and what `repeated_settings` raises.
    """
    from rackbench import runner

    settings = repeated_settings(state, families)
    inventories = recorded_inventories(state)
    if state.host not in inventory_hosts(project, inventories):
        raise RackbenchError(
            "unknown_host", f"The inventory does not have {state.host}, on which {state.run_id} ran."
        )
    return runner.Request(
        hosts=state.host,
        check=state.check,
        extra_vars=(json.dumps(settings),),
        inventories=tuple(inventories),
        verbosity=verbosity,
    )


def chosen_families(state: RunState, asked: Sequence[str]) -> list[str]:
    """Return the families that are meant, each as `ADAPTER:FAMILY`.

    Raises `RackbenchError("unknown_family")` that lists those of the run.
    """
    known = dict.fromkeys(
        f"{adapter}:{execution['family']}"
        for adapter, executions in state.planned_executions.items()
        for execution in executions
    )
    found: list[str] = []
    for text in asked:
        meant = [family for family in known if text in {family, family.partition(":")[2]}]
        if not meant:
            raise RackbenchError(
                "unknown_family",
                f"{state.run_id} planned no family {text!r}; it planned {', '.join(known) or 'none at all'}.",
                next_command=shlex.join(["rackbench", "run", "--host", str(state.host), "--families", text]),
            )
        found += meant
    if not found:
        raise RackbenchError("wrong_usage", "rackbench rerun: say which families with --family.")
    return list(dict.fromkeys(found))


def repeated_settings(state: RunState, families: Sequence[str]) -> dict[str, Any]:
    """Return the variables that give a new run the options of this one, with these families only.

    Raises `RackbenchError("unknown_option")` for text that Ansible would take as a template.
    """
    options = {name: value for name, value in state.options.items() if name not in NOT_REPEATED}
    settings = {f"lab_{name}": value for name, value in options.items() if value is not None}
    if state.run_dir:
        # A run is three directories below all runs, and a dry run as well.
        settings["lab_runs_dir"] = str(PurePosixPath(state.run_dir).parents[2])
    settings["lab_benchmarks"] = list(dict.fromkeys(family.partition(":")[0] for family in families))
    settings["lab_families"] = list(families)
    settings["lab_rerun_of"] = state.run_id
    for name, value in settings.items():
        if any(mark in text for text in _texts(value) for mark in ("{{", "{%", "{#")):
            raise RackbenchError(
                "unknown_option",
                f"The recorded option {name} holds a template and is not repeated: {value!r}.",
            )
    return settings


def changed_bundles(before: RunState, after: RunState) -> Iterator[str]:
    """Yield a sentence for each benchmark that ran from another bundle than in the earlier run."""
    from rackbench.ledger.state import used_bundle

    for adapter, packaging in after.packaging.items():
        old, new = used_bundle(before.packaging.get(adapter) or {}), used_bundle(packaging)
        if old and new and old.get("sha256") != new.get("sha256"):
            yield (
                f"{adapter} ran from another bundle than in {before.run_id}: {new.get('sha256')} and not "
                f"{old.get('sha256')}. Numbers of the two runs are those of two programs."
            )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(key)
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value


def _agreed(args: argparse.Namespace, state: RunState, families: Sequence[str], output: Output) -> bool:
    if output.as_json or not sys.stdin.isatty():
        again = [word for family in families for word in ("--family", family)]
        raise RackbenchError(
            "wrong_usage",
            "rackbench rerun: say --yes where nobody can be asked.",
            next_command=shlex.join(["rackbench", "rerun", "--run-dir", args.run_dir, *again, "--yes"]),
        )
    output.line(f"Run {', '.join(families)} on {state.host} again, as in {state.run_id}.")
    try:
        return input("Go on? [y/N]: ").strip().lower() in {"y", "yes"}
    except EOFError:
        return False
