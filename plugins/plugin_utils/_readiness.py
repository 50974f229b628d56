# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE. The readiness of every adapter of a run: recorded, and reported in `preflight/`, reached or not."""

from __future__ import annotations

import typing as t

from ansible_collections.rackbench.lab.plugins.plugin_utils import _adapters, _planning
from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING, LabAction

if t.TYPE_CHECKING:
    from pathlib import Path

    from rackbench.adapters.catalog import Adapter
    from rackbench.adapters.plan import Plan
    from rackbench.bundles.decision import Decision
    from rackbench.readiness.cached import Cached
    from rackbench.readiness.classify import Readiness
    from rackbench.topology.model import Topology

if MISSING is None:
    from rackbench.bundles.platforms import platform_of
    from rackbench.errors import RackbenchError
    from rackbench.files import json_text, write_atomic
    from rackbench.ledger import rundir
    from rackbench.ledger.alerts import CONNECTIVITY_CODES
    from rackbench.ledger.journal import write_failed
    from rackbench.ledger.steps import COMPLETED
    from rackbench.readiness.assess import assess
    from rackbench.readiness.cached import last_preflight
    from rackbench.readiness.classify import bootstrapped_commands, chosen_digests, commands_needed
    from rackbench.readiness.local import local_probe
    from rackbench.readiness.report import report, summary
    from rackbench.readiness.states import Evidence
    from rackbench.topology.read import recorded

# What Ansible calls the password of sudo; the inventory plugin sets the first from the lab file.
BECOME_SECRETS = frozenset({"ansible_become_password", "ansible_become_pass", "ansible_sudo_pass"})


def ask(action: LabAction, task_vars: t.Mapping[str, t.Any]) -> list[Readiness]:
    """Probe the host, record what follows for each adapter, and write the report. Raises what broke the connection."""
    weighing = _Weighing(action)
    mine = [adapter for adapter in weighing.adapters if not adapter.on_controller]
    try:
        found = action.remote(
            "target_preflight",
            commands=sorted(commands_needed(mine, weighing.decisions)),
            bootstrapped=sorted(bootstrapped_commands(weighing.decisions[adapter.name] for adapter in mine)),
            bundles=chosen_digests(weighing.decisions[adapter.name] for adapter in mine),
            root=any(adapter.needs.root for adapter in mine),
            noise=weighing.state.options.get("noise") or {},
        )
    except RackbenchError as error:
        if error.code in CONNECTIVITY_CODES:
            weighing.record(None, error)
        raise
    action.record("noise", state="observed", settings=found["noise"], reason=None)
    probe = found["probe"]
    if BECOME_SECRETS & task_vars.keys():
        probe = {**probe, "root": True}
    return weighing.record(probe)


def not_reached(action: LabAction, failure: RackbenchError) -> None:
    """Record for each adapter that the host was not reached, with what would have been looked for, and report it."""
    if failure.code in CONNECTIVITY_CODES:
        _Weighing(action).record(None, failure)


def planned(
    catalog: t.Mapping[str, Adapter],
    adapters: t.Sequence[Adapter],
    options: t.Mapping[str, t.Any],
    topology: Topology | None,
) -> Plan:
    """Return the whole plan of a run on a host: one that ends before execute is told what it would have taken."""
    asked = {**options, "benchmarks": [adapter.name for adapter in adapters]}
    return _planning.planned(catalog, asked, None, topology)


def quota(adapter: Adapter, options: t.Mapping[str, t.Any]) -> int | None:
    """Return the most bytes that bundles may take where the adapter runs. It is for targets only."""
    return None if adapter.on_controller else options.get("store_quota_bytes")


class _Weighing:
    """The adapters of a run with the decisions about their bundles, and what an earlier run knew of the host."""

    def __init__(self, action: LabAction) -> None:
        self.action = action
        self.state = action.state()
        self.catalog = _adapters.catalog(action.project)
        self.adapters = [self.catalog[name] for name in self.state.benchmarks]
        self.bundles = _adapters.Bundles(self.state.options, action.project)
        platform = platform_of(self.state.platform) if self.state.platform else None
        self.decisions = {adapter.name: self.bundles.decide(platform, adapter) for adapter in self.adapters}
        # Run directories lie three levels below the directory of all runs: day or dry-runs, host, stamp.
        self.cached = last_preflight(action.run_dir.parents[2], action.host, exclude=action.run_dir)

    def record(
        self, probe: dict[str, t.Any] | None, failure: RackbenchError | None = None
    ) -> list[Readiness]:
        """Record decisions and verdicts, write and register the report, and return the verdicts."""
        controller = self._controller_probe() if probe else None
        verdicts = [
            assess(
                adapter,
                self.action.host,
                Evidence(
                    self.decisions[adapter.name],
                    controller if adapter.on_controller else probe,
                    reached=failure is None,
                    quota_bytes=quota(adapter, self.state.options),
                ),
                self._expected(adapter),
            )
            for adapter in self.adapters
        ]
        for name, decision in self.decisions.items():
            stage = self.state.steps.get(f"{name}.stage")
            if stage is not None and stage.state == COMPLETED:
                # A resumed run: what was measured was measured with the bundle that is on record.
                continue
            self.action.record("packaging", adapter=name, decision=decision.as_dict(), made=None)
        for verdict in verdicts:
            self.action.record("readiness", **verdict.as_dict())
        plan = planned(self.catalog, self.adapters, self.state.options, self._topology())
        if failure is None:
            self._record_families(plan)
        document = report(
            self.action.host,
            platform=self.state.platform,
            probe=probe,
            controller_probe=controller,
            verdicts=verdicts,
            decisions=self.decisions,
            plan=plan,
            failure=failure,
        )
        self._write(self.action.run_dir / rundir.PREFLIGHT_REPORT, json_text(document))
        self._write(self.action.run_dir / rundir.PREFLIGHT_SUMMARY, summary(document))
        return verdicts

    def _topology(self) -> Topology | None:
        """Return what is known of the host's CPUs: by this run, or by the last one that reached it."""
        found = recorded(self.action.run_dir)
        if found is None and self.cached is not None:
            found = recorded(self.cached.run_dir)
        return found

    def _record_families(self, plan: Plan) -> None:
        """Record what families with CPUs of their own mean on this host. A resumed run has planned that before."""
        executes = "execute" in self.state.phases
        for name, families in plan.families.items():
            missing = plan.unavailable[name]
            if missing or any(family.cpus is not None for family in families):
                fresh = executes and not self.state.planned_executions.get(name)
                self.action.record(
                    "families",
                    adapter=name,
                    executions=plan.executions.get(name, []) if fresh else None,
                    unavailable=[family.as_dict() for family in missing],
                )

    def _controller_probe(self) -> dict[str, t.Any] | None:
        here = [adapter for adapter in self.adapters if adapter.on_controller]
        if not here:
            return None
        return local_probe(
            commands_needed(here, self.decisions),
            self.action.controller_store(),
            bundles=chosen_digests(self.decisions[adapter.name] for adapter in here),
            root=any(adapter.needs.root for adapter in here),
        )

    def _expected(self, adapter: Adapter) -> Evidence | None:
        """Return the evidence of the last preflight, with the bundles of today."""
        if self.cached is None:
            return None
        return Evidence(
            self._decision_then(adapter, self.cached),
            self.cached.probe_for(adapter),
            quota_bytes=quota(adapter, self.state.options),
        )

    def _decision_then(self, adapter: Adapter, cached: Cached) -> Decision:
        then = platform_of(cached.platform)
        if self.state.platform and platform_of(self.state.platform) == then:
            return self.decisions[adapter.name]
        return self.bundles.decide(then, adapter)

    def _write(self, path: Path, text: str) -> None:
        try:
            write_atomic(path, text)
        except OSError as error:
            raise write_failed(path, error) from error
        self.action.register(path, kind="preflight", publishable=False)
