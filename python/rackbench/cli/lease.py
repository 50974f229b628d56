# SPDX-License-Identifier: Apache-2.0
"""`rackbench lease`: who holds hosts, and the removal of leases that are not given back."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from rackbench.cli.inputs import add_play_options, check_hosts, given_inventories, names, require_reason
from rackbench.cli.output import Output, add_json_option
from rackbench.errors import FAILURES, GOOD, INTERRUPTED, RackbenchError
from rackbench.project import find_project

if TYPE_CHECKING:
    import argparse

PLAYBOOK = "rackbench.lab.lease"
# Whose answer is read, by the action of the verb.
ACTIONS = {"list": "rackbench.lab.lease_info", "release": "rackbench.lab.lease"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions of the verb."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="who holds hosts", description="Show who holds hosts.")
    release = actions.add_parser(
        "release",
        help="remove leases that have expired, or steal them",
        description="Remove leases that have expired. One that somebody holds is removed with --steal only.",
    )
    for one in (listing, release):
        one.add_argument(
            "--host", action="append", metavar="HOST[,HOST…]", help="the hosts or groups of the inventory"
        )
        add_play_options(one)
        add_json_option(one)
    release.add_argument("--steal", action="store_true", help="remove it whoever holds the host")
    release.add_argument("--reason", metavar="TEXT", help="why it is stolen; needed with --steal")


def run(args: argparse.Namespace, output: Output) -> int:
    """Do the action and return the exit status."""
    if not args.host:
        raise RackbenchError(
            "wrong_usage",
            f"rackbench lease {args.action}: say which hosts with --host.",
            next_command=f"rackbench lease {args.action} --host HOST",
        )
    if args.action == "list":
        return _list(args, output)
    require_reason(args.steal, args.reason, "rackbench lease release --host HOST")
    return _release(args, args.reason if args.steal else None, output)


def _list(args: argparse.Namespace, output: Output) -> int:
    rows, status = _ask(args, {"lab_lease": "read"}, output)
    found = [_row(host, result) for host, result in rows]
    if output.as_json:
        output.document({"schema": "rackbench.leases/1.0", "hosts": found})
    lines = [(row["host"], *_state(row)) for row in found]
    output.table(("HOST", "STATE", "OWNER", "RUN", "FOR", "SINCE"), lines)
    for row in found:
        _complain(row, output)
    return status


def _release(args: argparse.Namespace, reason: str | None, output: Output) -> int:
    variables: dict[str, Any] = {"lab_lease": "released"}
    if reason is not None:
        variables |= {"lab_steal": True, "lab_steal_reason": reason}
    rows, status = _ask(args, variables, output)
    found = [_released(host, result) for host, result in rows]
    if output.as_json:
        document = {"schema": "rackbench.leases-released/1.0", "reason": reason, "hosts": found}
        output.document(document)
    for row in found:
        _tell(row, reason, output)
    return max([status, *(FAILURES[row["code"]].exit_status for row in found if row["code"])])


def _ask(
    args: argparse.Namespace, variables: dict[str, Any], output: Output
) -> tuple[list[tuple[str, dict[str, Any]]], int]:
    """Run the playbook; return what each host answered, and the exit status so far."""
    from rackbench.playbooks import run_playbook

    project = find_project()
    hosts, inventories = names(args.host), given_inventories(args.inventory)
    check_hosts(project, hosts, inventories)
    answers = run_playbook(
        project,
        PLAYBOOK,
        ",".join(hosts),
        variables,
        action=ACTIONS[args.action],
        check=False,
        say=output.note,
        inventories=inventories,
        given_vars=args.extra_vars,
    )
    rows = sorted(answers.results.items())
    codes = [_row(host, result)["code"] for host, result in rows]
    worst = max((FAILURES[code].exit_status for code in codes if code), default=GOOD)
    return rows, INTERRUPTED if answers.interrupted else worst


def _row(host: str, result: dict[str, Any]) -> dict[str, Any]:
    failure = (result.get("rackbench") or {}).get("failure") or {}
    if result.get("failed") or result.get("unreachable"):
        failure = failure or {"code": "task_failed", "message": str(result.get("msg"))}
    return {
        "host": host,
        "ok": not failure,
        "code": failure.get("code"),
        "message": failure.get("message"),
        "holder": result.get("holder"),
        "expires_in_s": result.get("expires_in_s"),
        "broken": bool(result.get("broken")),
    }


def _released(host: str, result: dict[str, Any]) -> dict[str, Any]:
    row = _row(host, result)
    holder = row["holder"]
    if row["ok"] and holder is not None:
        message = (
            f"{host} is held by {holder['owner']} with the run {holder['run_id']} for {holder['purpose']}; "
            "its lease has not expired."
        )
        row |= {"ok": False, "code": "lease_held", "message": message}
    return {
        **row,
        "released": bool(result.get("changed")),
        "stolen_from": result.get("stolen_from"),
        "kept_aside": result.get("kept_aside"),
    }


def _state(row: dict[str, Any]) -> tuple[str, str, str, str, str]:
    holder = row["holder"]
    if not row["ok"]:
        return (str(row["code"]), "", "", "", "")
    if holder is None:
        return ("broken" if row["broken"] else "free", "", "", "", "")
    left = row["expires_in_s"]
    state = f"held for {left:.0f} s more" if left else "expired"
    return (state, holder["owner"], holder["run_id"], holder["purpose"], holder["taken_at"] or "")


def _tell(row: dict[str, Any], reason: str | None, output: Output) -> None:
    host = row["host"]
    if row["stolen_from"]:
        whose = row["stolen_from"]
        output.line(f"{host}: stolen from {whose['owner']}, run {whose['run_id']}: {reason}")
    elif row["released"]:
        output.line(f"{host}: released")
    elif row["ok"]:
        output.line(f"{host}: free")
    if row["kept_aside"]:
        output.line(f"{host}: what stood there was no lease, and is kept as {row['kept_aside']}")
    _complain(row, output)


def _complain(row: dict[str, Any], output: Output) -> None:
    if row["ok"]:
        return
    output.line(f"{row['host']}: {row['message']} [{row['code']}]", "bold red")
    if row["code"] == "lease_held":
        command = ["rackbench", "lease", "release", "--host", row["host"], "--steal", "--reason", "TEXT"]
        output.line(f"  next: {shlex.join(command)}")
