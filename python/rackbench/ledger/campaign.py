# SPDX-License-Identifier: Apache-2.0
"""A campaign: the runs that one call started on several hosts, or that several controllers share, rolled up.

`campaigns/<id>/members/<run_id>.json` says which runs belong to it, one file by each run's own callback, so that
controllers never write to the same file. `campaign.json` is computed from the members' journals at any time.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from rackbench import clock
from rackbench.errors import RackbenchError
from rackbench.files import json_text, read_regular, write_atomic
from rackbench.ledger import documents, monitoring
from rackbench.ledger.outcome import outcome_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

DIRECTORY = "campaigns"
DOCUMENT = "campaign.json"
SCHEMA = "rackbench.campaign/1.0"
MEMBER_SCHEMA = "rackbench.campaign-member/1.0"


def directory(runs_dir: Path, campaign_id: str) -> Path:
    """Return the directory of a campaign below the directory of all runs."""
    return runs_dir / DIRECTORY / campaign_id


def join(runs_dir: Path, campaign_id: str, run_id: str, run_dir: Path) -> None:
    """Record that a run belongs to a campaign. Raises `RackbenchError("ledger_write_failed")`."""
    members = directory(runs_dir, campaign_id) / "members"
    member = {"schema": MEMBER_SCHEMA, "run_id": run_id, "run_dir": os.path.relpath(run_dir, runs_dir)}
    try:
        members.mkdir(parents=True, exist_ok=True)
        write_atomic(members / f"{run_id}.json", json_text(member))
    except OSError as error:
        raise RackbenchError(
            "ledger_write_failed",
            f"The campaign {members.parent} cannot be written: {error}.",
            where=str(members),
        ) from error


def rollup(runs_dir: Path, campaign_id: str, now: datetime) -> dict[str, Any]:
    """Return the campaign's document, computed from its runs as they stand.

    `exit_status` is that of the worst run. Raises `RackbenchError`: not_a_campaign, and ledger_unreadable that names
    what says of a run that it is a member.
    """
    runs = sorted(_runs(runs_dir, campaign_id, now), key=lambda run: (run["host"] or "", run["run_id"]))
    states = [run["state"] for run in runs]
    return {
        "schema": SCHEMA,
        "campaign_id": campaign_id,
        "computed_at": clock.utc_text(now),
        "state": "ended" if monitoring.AT_WORK.isdisjoint(states) else "running",
        "counts": {state: states.count(state) for state in sorted(set(states))},
        "exit_status": max((run["exit_status"] or 0 for run in runs), default=0),
        "runs": runs,
    }


def refresh(runs_dir: Path, campaign_id: str, now: datetime) -> dict[str, Any]:
    """Compute the campaign's document, write it, and return it. Raises `RackbenchError` as `rollup` and `join` do."""
    document = rollup(runs_dir, campaign_id, now)
    documents.write_json(directory(runs_dir, campaign_id), DOCUMENT, document, sync=True)
    return document


def members(runs_dir: Path, campaign_id: str) -> list[Path]:
    """Return the directories of a campaign's runs so far, by host and stamp. Raises `RackbenchError` as `rollup` does.

    One that was moved away is left out.
    """
    found = [runs_dir / member["run_dir"] for member in _members(runs_dir, campaign_id)]
    return sorted((path for path in found if path.is_dir()), key=lambda path: (path.parent.name, path.name))


def _members(runs_dir: Path, campaign_id: str) -> Iterator[dict[str, str]]:
    folder = directory(runs_dir, campaign_id)
    if not folder.is_dir():
        raise RackbenchError("not_a_campaign", f"{folder} is no campaign.", where=str(folder))
    for path in folder.glob("members/*.json"):
        yield _member(path)


def _member(path: Path) -> dict[str, str]:
    try:
        member = json.loads(read_regular(path))
        return {name: str(member[name]) for name in ("run_id", "run_dir")}
    except (OSError, ValueError, RecursionError, TypeError, KeyError) as error:
        raise RackbenchError(
            "ledger_unreadable",
            f"The file that makes a run a member of its campaign cannot be read: {error}.",
            where=str(path),
            next_step="The run itself has lost nothing. Bring the file back from a copy, or remove it.",
        ) from error


def _runs(runs_dir: Path, campaign_id: str, now: datetime) -> Iterator[dict[str, Any]]:
    for member in _members(runs_dir, campaign_id):
        run_dir = runs_dir / member["run_dir"]
        try:
            loaded = documents.load(run_dir)
        except RackbenchError as error:
            # A run directory that was moved away still counts: the campaign must not look smaller than it was.
            lost = {"state": "lost", "exit_status": error.exit_status, "host": None, "failed_steps": []}
            yield {"run_id": member["run_id"], "run_dir": member["run_dir"], **lost, "worker": None}
            continue
        status = documents.status_of(loaded, now)
        yield {
            "run_id": member["run_id"],
            "run_dir": member["run_dir"],
            "host": status["host"],
            "state": status["state"],
            "exit_status": status["exit_status"],
            "failed_steps": outcome_of(loaded.state).failed_steps,
            "worker": status["worker"],
        }
