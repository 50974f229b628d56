# SPDX-License-Identifier: Apache-2.0
"""Choose each adapter's bundle, probe the host for what it needs, and say which adapters are ready."""

from __future__ import annotations

import typing as t

from ansible_collections.rackbench.lab.plugins.plugin_utils import _adapters
from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING, RUN_DIR, LabAction

if MISSING is None:
    from rackbench.errors import RackbenchError
    from rackbench.files import json_text, write_atomic
    from rackbench.ledger import rundir
    from rackbench.readiness.classify import classify, commands_needed


class ActionModule(LabAction):
    """`rackbench.lab.preflight`."""

    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {**RUN_DIR}

    def work(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        state = self.state()
        catalog = _adapters.catalog(self.project)
        adapters = [catalog[name] for name in state.benchmarks]
        probe = self.remote("preflight", commands=sorted(commands_needed(adapters)))["probe"]
        decisions = {adapter.name: _adapters.decide(state, self.project, adapter) for adapter in adapters}
        verdicts = [classify(adapter, decisions[adapter.name], probe) for adapter in adapters]
        for name, decision in decisions.items():
            self.record("packaging", adapter=name, decision=decision.as_dict())
        for verdict in verdicts:
            self.record("readiness", **verdict.as_dict())
        self._write_report(
            {
                "schema": "rackbench.preflight/1.0",
                "host": self.host,
                "platform": state.platform,
                "probe": probe,
                "readiness": [verdict.as_dict() for verdict in verdicts],
                "packaging": {name: decision.as_dict() for name, decision in decisions.items()},
            }
        )
        blocked = [verdict for verdict in verdicts if verdict.failure_code]
        if blocked and len(blocked) == len(verdicts):
            raise RackbenchError(
                blocked[0].failure_code,
                " ".join(f"{verdict.adapter}: {verdict.message}" for verdict in blocked),
                where=self.host,
                next_command=blocked[0].next_command,
            )
        return {"readiness": {verdict.adapter: verdict.status for verdict in verdicts}}

    def _write_report(self, report: dict[str, t.Any]) -> None:
        path = self.run_dir / rundir.PREFLIGHT / "report.json"
        try:
            write_atomic(path, json_text(report))
        except OSError as error:
            raise RackbenchError(
                "ledger_write_failed", f"{path} cannot be written: {error}.", where=str(path)
            ) from error
        self.register(path, kind="preflight", publishable=False)
