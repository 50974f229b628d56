# SPDX-License-Identifier: Apache-2.0
"""Choose each adapter's bundle, probe the host for what it needs, and say which adapters are ready."""

from __future__ import annotations

import typing as t

from ansible_collections.rackbench.lab.plugins.plugin_utils import _adapters
from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING, RUN_DIR, LabAction

if MISSING is None:
    from rackbench.errors import RackbenchError
    from rackbench.readiness.classify import classify, commands_needed


class ActionModule(LabAction):
    """`rackbench.lab.preflight`."""

    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {**RUN_DIR}

    def work(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        state = self.state()
        catalog = _adapters.catalog(self.project)
        adapters = [catalog[name] for name in state.benchmarks]
        probe = self.remote("preflight", commands=sorted(commands_needed(adapters)))["probe"]
        verdicts = []
        for adapter in adapters:
            decision = _adapters.decide(state, self.project, adapter)
            verdict = classify(adapter, decision, probe)
            self.record("packaging", adapter=adapter.name, decision=decision.as_dict())
            self.record("readiness", **verdict.as_dict())
            verdicts.append(verdict)
        blocked = [verdict for verdict in verdicts if verdict.failure_code]
        if blocked and len(blocked) == len(verdicts):
            raise RackbenchError(
                blocked[0].failure_code,
                " ".join(f"{verdict.adapter}: {verdict.message}" for verdict in blocked),
                where=self.host,
                next_command=blocked[0].install_command,
            )
        return {"readiness": {verdict.adapter: verdict.status for verdict in verdicts}}
