# SPDX-License-Identifier: GPL-3.0-or-later
"""Take a run up again: see what its host knows of it, say what differs, and plan what is left."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.rackbench.lab.plugins.plugin_utils import (
    _adapters,
    _host_state,
    _lease,
    _planning,
    _topology,
)
from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING, RUN_DIR, LabAction
from ansible_collections.rackbench.lab.plugins.plugin_utils._running import name_of

if MISSING is None:
    from rackbench import clock
    from rackbench.errors import RackbenchError
    from rackbench.ledger import claim, control, documents, resume, rundir
    from rackbench.ledger.resume import Now, OnHost

if t.TYPE_CHECKING:
    from rackbench.adapters.catalog import Adapter
    from rackbench.ledger.resume import Difference, Resumption
    from rackbench.ledger.state import RunState


class ActionModule(LabAction):
    """`rackbench.lab.resume`."""

    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {
        **RUN_DIR,
        "phases": {"type": "list", "elements": "str"},
        "wait": {"type": "bool", "default": False},
        "steal": {"type": "bool", "default": False},
        "steal_reason": {"type": "str"},
        "begin": {"type": "bool", "default": True},
    }

    def work(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        loaded = documents.load(self.run_dir)
        state = loaded.state
        self._require_resumable(loaded)
        catalog = _adapters.catalog(self.project)
        adapters = [catalog[name] for name in state.benchmarks if name in catalog]
        opening = _planning.opening(self.project, adapters, task_vars)
        discovered = self.remote("target_discover")
        found_platform = discovered["platform"]
        begin = args["begin"] and not self.check_mode
        if begin:
            # Whoever takes the run up at this moment is not disturbed.
            with claim.claim(self.run_dir):
                pass
            # The run answers what was asked of its earlier part when it is resumed.
            answered = {request["id"] for request in control.requests(self.run_dir)}
            _lease.take(
                self, steal=args["steal"], reason=args["steal_reason"], wait=args["wait"], answered=answered
            )
        todo = None
        try:
            # Under the lease nobody else begins or removes anything there.
            on_host = self._survey(state, adapters)
            found = [
                *resume.differences(state, self._now(state, adapters, opening, found_platform)),
                *_host_state.differences(self, discovered["host_state"]),
            ]
            topology = _topology.told(discovered["topology"])
            planned = _planning.planned(catalog, state.options, args["phases"], topology)
            todo = resume.resumption(state, planned.steps, planned.executions, found, on_host)
            if begin:
                self._end(todo.superseded, on_host, catalog)
        finally:
            if begin and not (todo and todo.to_run):
                self._leave()
        told = {"options": state.options, **self._told(todo, found)}
        if not begin or not todo.to_run:
            return {"begun": False, "steps": [], **told}
        resumed = {
            "by": control.who(),
            **opening,
            "phases": planned.phases,
            "steps": [step.as_dict() for step in todo.steps],
            "again": todo.again,
            "executions": todo.executions,
            **{name: told[name] for name in ("reused", "reattached", "superseded", "differences")},
        }
        self.open_run(self.run_dir, "run.resumed", resumed)
        self.record("platform", **found_platform)
        _host_state.keep(self, discovered["host_state"])
        _topology.keep(self, topology)
        to_run = [step for step in todo.steps if step.step_id in todo.to_run]
        return {
            "begun": True,
            "run_dir": str(self.run_dir),
            "run_id": rundir.run_id_of(self.run_dir),
            "steps": _planning.for_play(to_run),
            **told,
        }

    def _leave(self) -> None:
        """Give the host back: the run does not go on, unless another controller has taken it up meanwhile."""
        with contextlib.suppress(RackbenchError):
            claim.check_free(documents.load(self.run_dir), clock.utc_now())
            _lease.give_back(self)

    def _end(self, superseded: list[str], on_host: OnHost, catalog: dict[str, Adapter]) -> None:
        """End what still runs and does not count any more: it would disturb what begins in its place."""
        state = self.state()
        for name in superseded:
            if on_host.jobs.get(name, {}).get("state", "ended") == "ended":
                continue
            with self.where_it_runs(catalog[state.executions[name].adapter]):
                self.remote(
                    "target_job",
                    state="stopped",
                    **name_of(state),
                    execution_id=name,
                    by=control.who(),
                    reason="it is begun anew",
                )

    def _require_resumable(self, loaded: documents.Loaded) -> None:
        state = loaded.state
        if not state.opened:
            raise RackbenchError(
                "ledger_unreadable",
                f"The journal of {self.run_dir} does not tell which run this was.",
                where=str(self.run_dir),
                next_command=self.command("recover"),
            )
        if "cache_dir" not in state.options:
            raise RackbenchError(
                "resume_refused",
                f"The settings of {self.run_dir} are lost, so it cannot go on.",
                where=self.host,
            )
        if state.check:
            raise RackbenchError(
                "resume_refused", f"{self.run_dir} is a dry run: nothing of it was begun.", where=self.host
            )
        if state.host != self.host:
            raise RackbenchError(
                "resume_refused",
                f"{self.run_dir} is a run on {state.host}, not on {self.host}.",
                where=self.host,
            )
        claim.check_free(loaded, clock.utc_now())

    def _survey(self, state: RunState, adapters: list[Adapter]) -> OnHost:
        """Return what the host knows of the run, and the controller for benchmarks that run there."""
        answers = [self.remote("target_job", state="listed", **name_of(state))]
        here = [adapter for adapter in adapters if adapter.on_controller]
        if here:
            with self.where_it_runs(here[0]):
                answers.append(self.remote("target_job", state="listed", **name_of(state)))
        return OnHost(
            {name: job for answer in answers for name, job in answer["jobs"].items()},
            frozenset(bundle for answer in answers for bundle in answer["bundles"]),
        )

    def _now(
        self,
        state: RunState,
        adapters: list[Adapter],
        opening: dict[str, t.Any],
        platform: dict[str, t.Any],
    ) -> Now:
        bundles = {}
        for adapter in adapters:
            chosen = _adapters.decide(state, self.project, adapter).chosen
            bundles[adapter.name] = chosen.sha256 if chosen and chosen.made_on is None else None
        return Now(
            adapters=opening["identity"]["adapters"],
            bundles=bundles,
            platform=platform,
            inventory=opening["identity"]["inventory"],
            versions=opening["versions"],
            project=opening["project"],
        )

    @staticmethod
    def _told(todo: Resumption, found: list[Difference]) -> dict[str, t.Any]:
        return {
            "reused": todo.reused,
            "to_run": todo.to_run,
            "reattached": todo.reattached,
            "superseded": todo.superseded,
            "differences": [one.as_dict() for one in found],
        }
