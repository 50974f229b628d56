# SPDX-License-Identifier: GPL-3.0-or-later
"""Put right what a run that was given up left on its host: its jobs, its noise settings, its lease."""

from __future__ import annotations

import typing as t

from ansible_collections.rackbench.lab.plugins.plugin_utils import _adapters
from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING, RUN_DIR, LabAction

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from rackbench.ledger.state import RunState

if MISSING is None:
    from rackbench.errors import RackbenchError
    from rackbench.ledger import control
    from rackbench.ledger.alerts import CONNECTIVITY_CODES
    from rackbench.ledger.recovery import may_be_at_work, may_have_noise
    from rackbench.ledger.state import RUNNING

UNREACHABLE = "unreachable"
REASON = "recovered"


class ActionModule(LabAction):
    """`rackbench.lab.recover`. What fails is told in the answer, and keeps nothing else from being done."""

    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {
        **RUN_DIR,
        "part": {"type": "str", "required": True, "choices": ["jobs", "noise", "lease"]},
        "found": {"type": "dict", "default": {}},
    }

    def work(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        self._found: dict[str, t.Any] = {
            "reached": True,
            "jobs_ended": True,
            "jobs": {},
            "noise": None,
            "lease": None,
            "failures": [],
            **args["found"],
        }
        self._changed = False
        parts: dict[str, Callable[[RunState], None]]
        parts = {"jobs": self._jobs, "noise": self._noise, "lease": self._lease}
        parts[args["part"]](self.state())
        return {"changed": self._changed, "found": self._found}

    def _jobs(self, state: RunState) -> None:
        """End what still runs, on the host and, for benchmarks that run there, on the controller."""
        known = _adapters.catalog(self.project)
        here = [known[name] for name in state.benchmarks if name in known and known[name].on_controller]
        names = {adapter.name for adapter in here}
        awaited = {entry.execution: entry.adapter for entry in may_be_at_work(state)}
        there = {name for name, adapter in awaited.items() if adapter not in names}
        self._end_jobs(state, there)
        if here:
            self.go_where_it_runs(here[0])
            self._end_jobs(state, awaited.keys() - there)

    def _end_jobs(self, state: RunState, awaited: set[str]) -> None:
        """End the run's jobs on one machine; `awaited` are those that may be at work there by the journal."""
        # Runs of two projects that began in the same second share a run id, and may share a host.
        ours: dict[str, t.Any] = {"run_id": state.run_id}
        if lease_id := state.opened.get("lease_id"):
            ours["lease_id"] = lease_id
        listing = self._try(lambda: self.remote("target_job", state="listed", **ours))
        if listing is None:
            # Whether other jobs than the awaited ones run cannot be known either.
            self._found["jobs_ended"] = False
            self._found["jobs"].update(dict.fromkeys(sorted(awaited), UNREACHABLE))
            return
        jobs = listing["jobs"]
        for name in sorted(jobs.keys() | awaited):
            job = jobs.get(name)
            if job is None:
                # One that the journal does not know to have begun never did.
                if state.executions[name].state == RUNNING:
                    self._found["jobs"][name] = "lost"
            elif job["state"] != "ended":
                outcome = self._try(lambda name=name: self._end_job(ours, name))  # type: ignore[misc]
                self._found["jobs"][name] = outcome or UNREACHABLE
                self._found["jobs_ended"] &= outcome is not None
            elif name in awaited:
                self._found["jobs"][name] = str(job.get("outcome"))

    def _end_job(self, ours: dict[str, t.Any], name: str) -> str:
        self._changed = True
        if self.check_mode:
            return "would be stopped"
        answer = self.remote(
            "target_job", state="stopped", execution_id=name, by=control.who(), reason=REASON, **ours
        )
        return str(answer["job_state"].get("outcome"))

    @property
    def _may_go_on(self) -> bool:
        """Whether the host answers and no job of the run may be at work there: one needs its noise and its lease."""
        return bool(self._found["reached"] and self._found["jobs_ended"])

    def _noise(self, state: RunState) -> None:
        """Put the noise settings back; a run without any is not asked for."""
        if not may_have_noise(state):
            return
        if not self._may_go_on:
            self._found["noise"] = UNREACHABLE
            return
        self._found["noise"] = self._try(lambda: self._restore(state)) or UNREACHABLE

    def _restore(self, state: RunState) -> str:
        answer = self.remote("target_noise", state="restored", run_id=state.run_id)
        self._changed |= bool(answer["changed"])
        return str(answer.get("outcome") or "restored")

    def _lease(self, state: RunState) -> None:
        """Give the host back."""
        if not self._may_go_on:
            self._found["lease"] = UNREACHABLE
            return
        self._found["lease"] = self._try(lambda: self._release(state)) or UNREACHABLE

    def _release(self, state: RunState) -> str:
        directory = state.options.get("lease_dir")
        where = {"dir": str(directory)} if directory else {}
        holder = self.remote("lease_info", **where)["holder"]
        if holder is None:
            return "absent"
        # The lease's own id may be lost with the journal; the run's, which another project's may share, is in it.
        known = state.opened.get("lease_id")
        if (holder.get("lease_id") != known) if known else (holder.get("run_id") != state.run_id):
            return "another_holder"
        answer = self.remote("lease", state="released", lease_id=holder["lease_id"], **where)
        self._changed |= bool(answer["changed"])
        return "released"

    def _try(self, do: Callable[[], t.Any]) -> t.Any:
        """Return what `do` returns, or None when it fails; the failure goes into the answer."""
        try:
            return do()
        except RackbenchError as error:
            self._found["failures"].append(error.as_dict())
            if error.code in CONNECTIVITY_CODES and not self.on_controller:
                self._found["reached"] = False
            return None

    def _require_ledger(self) -> None:
        """Ask for none: whoever recovers a run writes its journal."""
