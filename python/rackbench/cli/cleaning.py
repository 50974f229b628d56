# SPDX-License-Identifier: Apache-2.0
"""What `rackbench bundle prune` and `rackbench hosts clean` share: the playbook clean.yml, and its report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from rackbench.cli.inputs import check_hosts, names
from rackbench.errors import CHECK_SAYS_NO, FAILURES, GOOD, INTERRUPTED
from rackbench.project import find_project

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from rackbench.cli.output import Output

PLAYBOOK = "rackbench.lab.clean"
STORE = "rackbench.lab.store"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options that both actions have."""
    parser.add_argument(
        "--host", action="append", metavar="HOST[,HOST…]", help="the hosts or groups of the inventory"
    )
    parser.add_argument("--check", action="store_true", help="say what would be removed, and remove nothing")


def clean(
    action: Literal["prune", "clean"],
    given: Sequence[str],
    output: Output,
    *,
    check: bool,
    keep_days: float | None = None,
) -> int:
    """Run the playbook on hosts, print its report, and return the exit status."""
    from rackbench.playbooks import run_playbook

    project = find_project()
    hosts = names(given)
    check_hosts(project, hosts)
    variables: dict[str, Any] = {"lab_clean": action}
    if keep_days is not None:
        variables["lab_keep_days"] = keep_days
    answers = run_playbook(
        project, PLAYBOOK, ",".join(hosts), variables, action=STORE, check=check, say=output.note
    )
    rows = [_host(name, answers.results[name]) for name in sorted(answers.results)]
    if output.as_json:
        output.document({"schema": "rackbench.store/1.0", "action": action, "check": check, "hosts": rows})
    for row in rows:
        _show(row, output, check=check)
    worst = max((FAILURES[row["code"]].exit_status for row in rows if row["code"]), default=GOOD)
    if action == "clean" and any(row["kept"] for row in rows):
        worst = max(worst, CHECK_SAYS_NO)
    return INTERRUPTED if answers.interrupted else worst


def _host(name: str, result: dict[str, Any]) -> dict[str, Any]:
    failure = (result.get("rackbench") or {}).get("failure") or {}
    if result.get("failed") or result.get("unreachable"):
        failure = failure or {"code": "task_failed", "message": str(result.get("msg"))}
    return {
        "host": name,
        "ok": not failure,
        "code": failure.get("code"),
        "message": failure.get("message"),
        "removed": result.get("removed", []),
        "kept": result.get("kept", []),
        "freed_bytes": result.get("freed_bytes", 0),
    }


def _show(row: dict[str, Any], output: Output, *, check: bool) -> None:
    if not row["ok"]:
        output.line(f"{row['host']}: {row['message']} [{row['code']}]", "bold red")
        return
    items = [item for item in row["removed"] if item["kind"] != "directory"]
    verb = "would be removed" if check else "removed"
    output.line(f"{row['host']}: {len(items)} {verb}, {row['freed_bytes']} bytes; {len(row['kept'])} kept")
    for word, found in (("would remove" if check else "removed", items), ("kept", row["kept"])):
        for item in found:
            output.line(f"  {word} {item['kind']} {item['name']} ({item['bytes']} bytes): {item['reason']}")
            output.line(f"    {item['path']}")
