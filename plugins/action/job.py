# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one execution of a benchmark detached on the host, follow it, and say how it ended."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.rackbench.lab.plugins.plugin_utils import (
    _adapters,
    _controller,
    _lease,
    _private,
    _repeats,
)
from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING, RUN_DIR
from ansible_collections.rackbench.lab.plugins.plugin_utils._jobs import ENDINGS, JobAction

if MISSING is None:
    from rackbench import clock
    from rackbench.errors import FAILURES, RackbenchError
    from rackbench.ledger import rundir
    from rackbench.ledger.state import attachments_of, used_bundle
    from rackbench.ledger.verdict import judge
    from rackbench.publish import embargo

if t.TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from rackbench.adapters.catalog import Adapter
    from rackbench.adapters.repeats import Family

JOB_SCHEMA = "rackbench.job/1.0"
JOB_SCHEMA_OF_AGENTS = "rackbench.job/1.1"
INTERVAL_S = 1.0
CODES = {
    "partial": "execution_failed",
    "failed": "execution_failed",
    "killed": "execution_failed",
    "timeout": "execution_timed_out",
    "lost": "execution_lost",
    "cancelled": "run_cancelled",
}


class ActionModule(JobAction):
    """`rackbench.lab.job`."""

    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {
        **RUN_DIR,
        "adapter": {"type": "str", "required": True},
        "execution": {"type": "dict", "required": True},
        "embargoes": {"type": "list", "elements": "dict", "default": []},
    }
    # None for a warm-up.
    _family: Family | None
    # Of a benchmark that runs on the controller.
    _keeper: _lease.Keeper | None = None

    def work(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        execution = args["execution"]
        name = execution["execution_id"]
        if self.check_mode:
            return {"changed": True, "msg": f"would run {name} for at most {execution['time_limit_s']} s"}
        self._name = {"run_id": rundir.run_id_of(self.run_dir), "execution_id": name}
        adapter = _adapters.catalog(self.project)[args["adapter"]]
        self._family = _repeats.family_of(self, adapter.name, execution)
        if self._family and not self._family.is_needed:
            return self._leave_out(self._family, name)
        # Whoever names embargoes here runs a benchmark that sends its results out by itself.
        embargo.require_none(embargo.read(args["embargoes"]), self.run_dir, self.state(), clock.utc_now())
        with self._way_to_host(adapter) as target:
            if adapter.on_controller:
                self._keeper = _lease.Keeper(self)
                self._keeper.begin()
            self.go_where_it_runs(adapter)
            return self._execute(adapter, execution, target)

    def _leave_out(self, family: Family, name: str) -> dict[str, t.Any]:
        """Start nothing; the first one that is left out records why its family's repeats ended."""
        if not family.is_told:
            self.record("repeats", **family.record(ended=False))
        msg = f"{name} is not needed: its family is known within {family.percent:g} %."
        return {"changed": False, "msg": msg}

    def _way_to_host(self, adapter: Adapter) -> AbstractContextManager[dict[str, t.Any] | None]:
        """Give how a benchmark that runs on the controller reaches the host; None for one that runs on the host."""
        if not adapter.on_controller:
            return contextlib.nullcontext()
        made = self.controller_store() / "ssh" / self._name["run_id"]
        return _controller.target(
            self.host, self._connection_to_host, self._task_vars["hostvars"][self.host], made
        )

    def _execute(
        self, adapter: Adapter, execution: dict[str, t.Any], target: dict[str, t.Any] | None
    ) -> dict[str, t.Any]:
        """Start the execution, follow it to its end and record it."""
        name = execution["execution_id"]
        answer = self.begin(**self._start_arguments(adapter.name, execution, target))
        self.record(
            "execution.began",
            execution=name,
            adapter=adapter.name,
            family=execution["family"],
            repeat=execution["repeat"],
            warmup=bool(execution.get("warmup")),
            job_dir=answer["job_dir"],
            reattached=name in self.state().reattached,
        )
        answer = self.follow(answer, float(execution["time_limit_s"]))
        self._record_end(adapter, name, answer)
        return {"changed": True, "outcome": answer["job_state"]["outcome"], "job_dir": answer["job_dir"]}

    def _start_arguments(
        self, adapter: str, execution: dict[str, t.Any], target: dict[str, t.Any] | None
    ) -> dict[str, t.Any]:
        limit = float(execution["time_limit_s"])
        job = {
            "schema": JOB_SCHEMA,
            **self._name,
            "adapter": adapter,
            "family": execution["family"],
            "repeat": execution["repeat"],
            "parameters": execution.get("parameters") or {},
            "cpus": execution.get("cpus"),
            "time_limit_s": limit,
        }
        if execution.get("groups") is not None:
            # Only a benchmark that runs agents has to know of this field; others may be older than it.
            job.update(schema=JOB_SCHEMA_OF_AGENTS, groups=execution["groups"])
        if target is not None:
            job["target"] = target
        return {
            **self._staged(adapter),
            "job": job,
            "attachments": attachments_of(self.state().packaging.get(adapter, {})),
            "private": _private.handed_over(
                self, adapter, job["parameters"], self._task_vars.get("lab_broker")
            ),
            **({} if self.on_controller else _lease.arguments(self)),
            "inherited": _controller.INHERITED if self.on_controller else [],
            "time_limit_s": limit,
            "interval_s": float(execution.get("heartbeat_s") or INTERVAL_S),
        }

    def _staged(self, adapter: str) -> dict[str, str]:
        """Return digest and program of the bundle that the stage step put on the host."""
        used = used_bundle(self.state().packaging.get(adapter, {}))
        if used is None or used["sha256"] is None:
            raise RackbenchError(
                "bundle_not_staged", f"No bundle of {adapter} was staged on {self.host}.", where=self.host
            )
        return {"bundle": str(used["sha256"]), "entry_point": str(used["entry_point"])}

    def pass_on(self, beat: dict[str, t.Any]) -> None:
        """Put the target's own heartbeat where the callback finds it, and keep the host's lease if nobody else does."""
        if self._keeper is not None:
            self._keeper.keep()
        live = {"execution": self._name["execution_id"], "at_target": beat.get("at")}
        for name in ("done", "total", "unit", "label", "elapsed_s", "interval_s"):
            live[name] = beat.get(name)
        self.write_live(self._name["execution_id"], live)

    def _record_end(self, adapter: Adapter, name: str, answer: dict[str, t.Any]) -> None:
        """Record how the execution ended; raise if it did not pass."""
        ended = answer["job_state"]
        error = None if ended["outcome"] == "passed" else self._failure(adapter.name, name, answer)
        metric = None if error else self._metric(adapter)
        logs = f"{rundir.BENCHMARKS}/{adapter.name}/{name}"
        self.record(
            "command",
            argv=answer["argv"],
            rc=ended["rc"],
            signal=ended["signal"],
            where="controller" if self.on_controller else "target",
            duration_s=ended["duration_s"],
            execution=name,
            log=f"{logs}/stdout",
        )
        verdict = judge(
            answer.get("conditions"), outcome=ended["outcome"], clock_offset_s=answer.get("clock_offset_s")
        )
        if self._keeper is not None and self._keeper.lost:
            # Another run may have measured on the host meanwhile.
            verdict = verdict.disturbed(self._keeper.lost)
        self.record("verdict", execution=name, **verdict.as_dict())
        self.record(
            "execution.ended",
            execution=name,
            outcome=ended["outcome"],
            rc=ended["rc"],
            signal=ended["signal"],
            duration_s=ended["duration_s"],
            failure=error.as_dict() if error else None,
            metric=metric,
        )
        if self._family and self._family.is_last:
            self.record("repeats", **self._family.record(ended=True, metric=metric))
        if error:
            raise error

    def _metric(self, adapter: Adapter) -> dict[str, t.Any] | None:
        """Return the number by which the family's repeats are judged, if they are."""
        if self._family is None or self._family.percent is None:
            return None
        try:
            answer = self._patiently(state="waited", wait_s=0.0, with_result=True, **self._name)
        except RackbenchError:
            # It passed, and what it measured is collected later; only the precision is known less well.
            return None
        return _repeats.metric_of_result(answer.get("result"), adapter)

    def _failure(self, adapter: str, name: str, answer: dict[str, t.Any]) -> RackbenchError:
        ended = answer["job_state"]
        outcome, reason = ended["outcome"], ended["reason"]
        if outcome == "cancelled" and self.stop.asked():
            return self.stop.cancelled()
        if outcome == "lost":
            code = "target_rebooted" if reason == "target_rebooted" else "execution_lost"
            why = "the target rebooted" if reason == "target_rebooted" else "its supervisor vanished"
        elif outcome in {"partial", "failed"} and (told := answer.get("told") or {}).get("code") in FAILURES:
            code, why = told["code"], str(told.get("message") or reason).rstrip(".")
        else:
            code, why = CODES[outcome], reason
        return RackbenchError(
            code,
            f"{name} on {self.host} {ENDINGS[outcome]}: {why}.",
            where=self.host,
            next_path=f"{rundir.BENCHMARKS}/{adapter}/{name}/stderr",
            detail=answer.get("stderr_tail") or None,
        )
