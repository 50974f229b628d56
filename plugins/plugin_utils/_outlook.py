# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE. What a host's plan and its dry run, or without one the last preflight, say of its bundles and readiness."""

from __future__ import annotations

import json
import os
import shlex
import typing as t
from pathlib import Path

from ansible_collections.rackbench.lab.plugins.plugin_utils import _adapters, _readiness
from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING

if MISSING is None:
    from rackbench.bundles.platforms import platform_of
    from rackbench.errors import RackbenchError
    from rackbench.ledger import documents, rundir
    from rackbench.readiness.assess import assess
    from rackbench.readiness.cached import last_preflight
    from rackbench.readiness.report import report
    from rackbench.readiness.states import Evidence
    from rackbench.topology.read import recorded
    from rackbench.validation import not_staged, staging


def of_host(project: Path, host: str, plan: t.Mapping[str, t.Any], *, reached: bool) -> dict[str, t.Any]:
    """Return the `staging` block of a host in a validation report.

    `plan` is what the plan task returned. Never raises for what is wrong with the settings: the block has its failure.
    """
    if failure := plan_failure(host, plan):
        return not_staged(failure)
    if not plan["begun"]:
        return _offline(project, host, plan, reached=reached)
    path = Path(plan["run_dir"]) / rundir.PREFLIGHT_REPORT
    try:
        return staging(json.loads(path.read_bytes()), os.path.relpath(path, project))
    except (OSError, ValueError):
        return not_staged(_why_no_report(Path(plan["run_dir"])))


def plan_failure(host: str, plan: t.Mapping[str, t.Any]) -> dict[str, t.Any] | None:
    """Return why the host could not be planned; None when it was. `plan` is what the plan task returned."""
    failure: dict[str, t.Any] | None = (plan.get("rackbench") or {}).get("failure")
    return failure or (None if "begun" in plan else _not_planned(host, plan))


def _offline(project: Path, host: str, plan: t.Mapping[str, t.Any], *, reached: bool) -> dict[str, t.Any]:
    """Return what the last preflight of the host and today's bundles say; the host is not asked."""
    catalog, options = _adapters.catalog(project), plan["options"]
    adapters = [catalog[name] for name in plan["benchmarks"]]
    last = last_preflight(Path(plan["runs_dir"]), host)
    platform = platform_of(last.platform) if last else None
    bundles = _adapters.Bundles(options, project)
    decisions = {each.name: bundles.decide(platform, each) for each in adapters}
    verdicts = [
        assess(
            each,
            host,
            Evidence(decisions[each.name], reached=reached, quota_bytes=quota),
            Evidence(decisions[each.name], last.probe_for(each), quota_bytes=quota) if last else None,
        )
        for each in adapters
        for quota in [_readiness.quota(each, options)]
    ]
    foreseen = report(
        host,
        platform=last.platform if last else {},
        probe=None,
        controller_probe=None,
        verdicts=verdicts,
        decisions=decisions,
        plan=_readiness.planned(catalog, adapters, options, recorded(last.run_dir) if last else None),
    )
    return staging(foreseen, os.path.relpath(last.path, project) if last else None)


def _why_no_report(run_dir: Path) -> dict[str, t.Any]:
    """Return the failure of a dry run that ended before its preflight could write its report."""
    for step in documents.load(run_dir).state.failed_steps:
        if step.failure:
            return dict(step.failure)
    return RackbenchError(
        "task_failed",
        "The dry run ended without a report.",
        where=str(run_dir),
        next_command=shlex.join(["rackbench", "status", "--run-dir", str(run_dir)]),
    ).as_dict()


def _not_planned(host: str, plan: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    message = str(plan.get("msg") or "The play ended on this host before it was planned.")
    return RackbenchError("task_failed", message, where=host).as_dict()
