# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE. What of a run is still at work on its host when the run comes to its end."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from ansible_collections.rackbench.lab.plugins.plugin_utils._action import LabAction
    from rackbench.ledger.state import RunState


def name_of(state: RunState) -> dict[str, str]:
    """Return what the host knows the run's jobs by; the lease's id tells runs of one second and host name apart."""
    lease_id = state.opened.get("lease_id")
    return {"run_id": str(state.run_id), **({"lease_id": str(lease_id)} if lease_id else {})}


def still_running(action: LabAction) -> list[str]:
    """Return the jobs of the run that its host still works on; those of a run that was stopped are ended here.

    A benchmark goes on when its line breaks, and a build too: until it has ended, the host is not free.
    """
    state = action.state()
    jobs = action.remote("target_job", state="listed", **name_of(state))["jobs"]
    running = sorted(name for name, job in jobs.items() if job["state"] != "ended")
    stop = action.stop_request()
    if stop is None:
        return running
    for name in running:
        _stop(action, name, stop)
    return []


def _stop(action: LabAction, name: str, stop: t.Mapping[str, t.Any]) -> None:
    """End a job that nobody waits for any more."""
    state = action.state()
    answer = action.remote(
        "target_job",
        state="stopped",
        **name_of(state),
        execution_id=name,
        by=stop.get("by"),
        reason=stop.get("reason"),
    )
    if name in state.executions:
        ended = answer["job_state"]
        action.record(
            "execution.ended",
            execution=name,
            outcome=ended["outcome"],
            rc=ended["rc"],
            signal=ended["signal"],
            duration_s=ended["duration_s"],
            failure=None,
        )
