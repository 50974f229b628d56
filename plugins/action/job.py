# SPDX-License-Identifier: Apache-2.0
"""Run one execution of a benchmark detached on the host, follow it, and say how it ended."""

from __future__ import annotations

import contextlib
import time
import typing as t

from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING, RUN_DIR, LabAction

if MISSING is None:
    from rackbench.errors import RackbenchError
    from rackbench.files import json_text, write_atomic
    from rackbench.ledger import rundir

JOB_SCHEMA = "rackbench.job/1.0"
# Seconds that each call on the target waits for the end; the last one repeats. Each call costs a connection's round
# trips and a Python start on the machine that measures, so over ssh they are few.
LOCAL_WAITS = (1.0, 1.0, 2.0, 3.0, 5.0)
REMOTE_WAITS = (4.0, 25.0)
# Pauses in seconds between attempts to reach a host that does not answer: the job lives on without us.
RETRY_PAUSES = (2.0, 5.0, 10.0, 20.0)
# What another attempt can mend: a refused login or a changed host key is not among it.
MAY_COME_BACK = {"host_unreachable", "hop_unreachable"}
GRACE_S = 10.0
INTERVAL_S = 1.0
# A supervisor that has not ended its job this many seconds after it should have is not believed any longer.
OVERDUE_S = 300.0
CODES = {
    "partial": "execution_failed",
    "failed": "execution_failed",
    "killed": "execution_failed",
    "timeout": "execution_timed_out",
    "lost": "execution_lost",
}
ENDINGS = {
    "partial": "is partial",
    "failed": "failed",
    "killed": "was killed",
    "timeout": "was ended",
    "lost": "is lost",
}


class ActionModule(LabAction):
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
        waits = LOCAL_WAITS if self._connection.transport == "local" else REMOTE_WAITS
        answer = self._patiently(wait_s=waits[0], **self._start_arguments(args["adapter"], execution))
        self.record(
            "execution.began",
            execution=name,
            adapter=args["adapter"],
            family=execution["family"],
            repeat=execution["repeat"],
            job_dir=answer["job_dir"],
        )
        answer = self._follow(answer, waits[1:], float(execution["time_limit_s"]))
        self._record_end(args["adapter"], name, answer)
        return {"changed": True, "outcome": answer["job_state"]["outcome"], "job_dir": answer["job_dir"]}

    def _start_arguments(self, adapter: str, execution: dict[str, t.Any]) -> dict[str, t.Any]:
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
        return {
            "state": "started",
            **self._name,
            "bundle": self._staged_digest(adapter),
            "job": job,
            "time_limit_s": limit,
            "grace_s": GRACE_S,
            "interval_s": float(execution.get("heartbeat_s") or INTERVAL_S),
        }

    def _staged_digest(self, adapter: str) -> str:
        """Return the digest of the bundle that the stage step put on the host."""
        chosen = self.state().packaging.get(adapter, {}).get("chosen")
        if chosen is None:
            raise RackbenchError(
                "bundle_not_staged", f"No bundle of {adapter} was staged on {self.host}.", where=self.host
            )
        return str(chosen["sha256"])

    def _follow(self, answer: dict[str, t.Any], waits: tuple[float, ...], limit: float) -> dict[str, t.Any]:
        """Wait for the end, passing the target's heartbeat on; return the last answer."""
        began = time.monotonic()
        calls = 0
        while answer["job_state"]["state"] != "ended":
            self._pass_on(answer["heartbeat"])
            if time.monotonic() - began > limit + GRACE_S + OVERDUE_S:
                raise RackbenchError(
                    "execution_lost",
                    f"{self._name['execution_id']} on {self.host} did not end long after its time limit, {limit} s.",
                    where=self.host,
                )
            wait_s = waits[min(calls, len(waits) - 1)]
            calls += 1
            answer = self._patiently(state="waited", wait_s=wait_s, **self._name)
        self._pass_on(answer["heartbeat"])
        return answer

    def _patiently(self, **arguments: t.Any) -> dict[str, t.Any]:
        """Call the module, again if the host does not answer: starting twice and waiting twice do no harm."""
        for pause in RETRY_PAUSES:
            try:
                return self.remote("job", **arguments)
            except RackbenchError as error:
                if error.code not in MAY_COME_BACK:
                    raise
            time.sleep(pause)
            with contextlib.suppress(Exception):
                # A master connection that died with the network would fail every further call.
                self._connection.reset()
        try:
            return self.remote("job", **arguments)
        except RackbenchError as error:
            if error.code not in MAY_COME_BACK or arguments["state"] == "started":
                raise
            raise RackbenchError(
                error.code,
                f"{error.message} {self._name['execution_id']} was running and goes on there.",
                where=error.where,
                next_command=error.next_command,
                detail=error.detail,
            ) from error

    def _pass_on(self, beat: dict[str, t.Any]) -> None:
        """Put the target's own heartbeat where the callback finds it. A beat that is lost costs nothing."""
        if not beat:
            return
        live = {"execution": self._name["execution_id"], "at_target": beat.get("at")}
        for name in ("done", "total", "unit", "label", "elapsed_s", "interval_s"):
            live[name] = beat.get(name)
        path = self.run_dir / rundir.live_document(self._name["execution_id"])
        with contextlib.suppress(OSError):
            write_atomic(path, json_text(live), sync=False)

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
            where="target",
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
