# SPDX-License-Identifier: Apache-2.0
"""Run one execution of a benchmark detached on the host, follow it, and say how it ended."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.rackbench.lab.plugins.plugin_utils import _adapters, _controller
from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING, RUN_DIR
from ansible_collections.rackbench.lab.plugins.plugin_utils._jobs import ENDINGS, JobAction

if MISSING is None:
    from rackbench.errors import RackbenchError
    from rackbench.ledger import rundir
    from rackbench.ledger.state import used_bundle

if t.TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from rackbench.adapters.catalog import Adapter

JOB_SCHEMA = "rackbench.job/1.0"
INTERVAL_S = 1.0
CODES = {
    "partial": "execution_failed",
    "failed": "execution_failed",
    "killed": "execution_failed",
    "timeout": "execution_timed_out",
    "lost": "execution_lost",
}


class ActionModule(JobAction):
    """`rackbench.lab.job`."""

    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {
        **RUN_DIR,
        "adapter": {"type": "str", "required": True},
        "execution": {"type": "dict", "required": True},
    }

    def work(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        execution = args["execution"]
        name = execution["execution_id"]
        if self.check_mode:
            return {"changed": True, "msg": f"would run {name} for at most {execution['time_limit_s']} s"}
        self._name = {"run_id": rundir.run_id_of(self.run_dir), "execution_id": name}
        adapter = _adapters.catalog(self.project)[args["adapter"]]
        with self._way_to_host(adapter) as target:
            self.go_where_it_runs(adapter)
            return self._execute(adapter.name, execution, target)

    def _way_to_host(self, adapter: Adapter) -> AbstractContextManager[dict[str, t.Any] | None]:
        """Give how a benchmark that runs on the controller reaches the host; None for one that runs on the host."""
        if not adapter.on_controller:
            return contextlib.nullcontext()
        made = self.controller_store() / "ssh" / self._name["run_id"]
        return _controller.target(
            self.host, self._connection_to_host, self._task_vars["hostvars"][self.host], made
        )

    def _execute(
        self, adapter: str, execution: dict[str, t.Any], target: dict[str, t.Any] | None
    ) -> dict[str, t.Any]:
        """Start the execution, follow it to its end and record it."""
        name = execution["execution_id"]
        answer = self.begin(**self._start_arguments(adapter, execution, target))
        self.record(
            "execution.began",
            execution=name,
            adapter=adapter,
            family=execution["family"],
            repeat=execution["repeat"],
            job_dir=answer["job_dir"],
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
        if target is not None:
            job["target"] = target
        return {
            **self._staged(adapter),
            "job": job,
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
        """Put the target's own heartbeat where the callback finds it."""
        live = {"execution": self._name["execution_id"], "at_target": beat.get("at")}
        for name in ("done", "total", "unit", "label", "elapsed_s", "interval_s"):
            live[name] = beat.get(name)
        self.write_live(self._name["execution_id"], live)

    def _record_end(self, adapter: str, name: str, answer: dict[str, t.Any]) -> None:
        """Record how the execution ended; raise if it did not pass."""
        ended = answer["job_state"]
        error = None if ended["outcome"] == "passed" else self._failure(adapter, name, answer)
        logs = f"{rundir.BENCHMARKS}/{adapter}/{name}"
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
        self.record(
            "execution.ended",
            execution=name,
            outcome=ended["outcome"],
            rc=ended["rc"],
            signal=ended["signal"],
            duration_s=ended["duration_s"],
            failure=error.as_dict() if error else None,
        )
        if error:
            raise error

    def _failure(self, adapter: str, name: str, answer: dict[str, t.Any]) -> RackbenchError:
        ended = answer["job_state"]
        outcome, reason = ended["outcome"], ended["reason"]
        if outcome == "lost":
            code = "target_rebooted" if reason == "target_rebooted" else "execution_lost"
            why = "the target rebooted" if reason == "target_rebooted" else "its supervisor vanished"
        else:
            code, why = CODES[outcome], reason
        return RackbenchError(
            code,
            f"{name} on {self.host} {ENDINGS[outcome]}: {why}.",
            where=self.host,
            next_path=f"{rundir.BENCHMARKS}/{adapter}/{name}/stderr",
            detail=answer.get("stderr_tail") or None,
        )
