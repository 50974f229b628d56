# SPDX-License-Identifier: Apache-2.0
"""``rackbench campaign``: the runs that belong together, rolled up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rackbench.cli.output import add_json_option

if TYPE_CHECKING:
    import argparse

    from rackbench.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    refresh = actions.add_parser(
        "refresh", help="compute a campaign's record again from its runs, and show it"
    )
    refresh.add_argument("campaign", metavar="ID", help="its id: a directory below automation-runs/campaigns")
    add_json_option(refresh)
    listing = actions.add_parser("list", help="list the campaigns")
    add_json_option(listing)


def run(args: argparse.Namespace, output: Output) -> int:
    """Return 0, or the exit status of the campaign's worst run."""
    from rackbench.clock import utc_now
    from rackbench.ledger import campaign
    from rackbench.project import RUNS, find_project

    runs_dir = find_project() / RUNS
    if args.action == "list":
        names = sorted(path.name for path in (runs_dir / campaign.DIRECTORY).glob("*/") if path.is_dir())
        if output.as_json:
            output.document({"schema": "rackbench.campaigns/1.0", "campaigns": names})
        for name in names:
            output.line(name)
        return 0
    document = campaign.refresh(runs_dir, args.campaign, utc_now())
    if output.as_json:
        output.document(document)
    output.line(f"Campaign {document['campaign_id']}: {document['state']}", "bold")
    rows = [
        (
            str(run["host"]),
            str(run["state"]),
            str(run["exit_status"]),
            ", ".join(run["failed_steps"]),
            f"{runs_dir.name}/{run['run_dir']}",
        )
        for run in document["runs"]
    ]
    output.table(("host", "state", "exit", "failed steps", "run directory"), rows, right=(2,))
    return int(document["exit_status"])
