# SPDX-License-Identifier: GPL-3.0-or-later
"""Open a run again that came to its end, to publish its results. Its host is not asked for anything."""

from __future__ import annotations

import typing as t

from ansible_collections.rackbench.lab.plugins.plugin_utils import _adapters, _planning
from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING, RUN_DIR, LabAction

if MISSING is None:
    from rackbench.errors import RackbenchError
    from rackbench.ledger import claim, control, documents, rundir
    from rackbench.ledger.reopening import reopening
    from rackbench.topology.read import recorded


class ActionModule(LabAction):
    """`rackbench.lab.reopen`."""

    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {**RUN_DIR}

    def work(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        state = documents.load(self.run_dir).state
        if state.host != self.host:
            raise RackbenchError(
                "resume_refused",
                f"{self.run_dir} is a run on {state.host}, not on {self.host}.",
                where=self.host,
            )
        catalog = _adapters.catalog(self.project)
        # Those of the run: what runs by default may be others today.
        options = {**state.options, "benchmarks": state.benchmarks}
        planned = _planning.planned(catalog, options, None, recorded(self.run_dir))
        todo = reopening(state, planned.steps, self.run_dir)
        told = {"options": state.options, "to_run": [step.step_id for step in todo.to_run]}
        if self.check_mode:
            return {"begun": False, "steps": [], **told}
        # Whoever takes the run up at this moment is not disturbed.
        with claim.claim(self.run_dir):
            pass
        adapters = [catalog[name] for name in state.benchmarks if name in catalog]
        resumed = {
            "by": control.who(),
            **_planning.opening(self.project, adapters, task_vars),
            **todo.record(state),
        }
        self.open_run(self.run_dir, "run.resumed", resumed)
        return {
            "begun": True,
            "run_dir": str(self.run_dir),
            "run_id": rundir.run_id_of(self.run_dir),
            "steps": _planning.for_play(todo.to_run),
            **told,
        }
