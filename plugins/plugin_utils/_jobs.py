# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE. Detached jobs on the host: begin one, follow it to its end, fetch what it left."""

from __future__ import annotations

import contextlib
import time
import typing as t

from ansible_collections.rackbench.lab.plugins.module_utils import _archive
from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING, LabAction
from ansible_collections.rackbench.lab.plugins.plugin_utils._forked import ForkedCall
from ansible_collections.rackbench.lab.plugins.plugin_utils._stops import LOOK_S, StopLook

if MISSING is None:
    from rackbench.errors import RackbenchError
    from rackbench.files import sha256_of
    from rackbench.ledger import rundir
    from rackbench.ledger.verdict import clock_offset

if t.TYPE_CHECKING:
    from pathlib import Path

# Seconds that each call on the target waits for the end; the last one repeats. Each call costs a connection's round
# trips and a Python start (0.17 s of CPU) on the machine that measures, so over ssh they are few: less than 0.1 % of a
# core in the long run.
LOCAL_WAITS = (1.0, 1.0, 2.0, 3.0, 5.0)
REMOTE_WAITS = (4.0, 25.0, 60.0, 120.0, 240.0)
# Pauses in seconds between attempts to reach a host that does not answer: the job lives on without us.
RETRY_PAUSES = (2.0, 5.0, 10.0, 20.0)
# What another attempt can mend: a refused login or a changed host key is not among it. A host that shuts down in order
# ends our module before it ends the connection, and the module then fails without a word of its own.
LOST = {"host_unreachable", "hop_unreachable"}
MAY_COME_BACK = {*LOST, "task_failed"}
GRACE_S = 10.0
# A supervisor that has not ended its job this many seconds after it should have is not believed any longer.
OVERDUE_S = 300.0
# A job that was stopped lets the call that waits for it answer: so many seconds are enough for that.
ANSWER_S = 15.0
# More than our module packs by itself is of a host that says what it likes, and is not unrolled here.
COLLECTED_BYTES = 2 * 1024**3
ENDINGS = {
    "partial": "is partial",
    "failed": "failed",
    "killed": "was killed",
    "timeout": "was ended",
    "lost": "is lost",
    "cancelled": "was stopped",
}


class JobAction(LabAction):
    """An action with a detached job. Its `_name` is the job's: `run_id` and `execution_id`."""

    _name: dict[str, str]
    # Made by `begin`.
    stop: StopLook

    def pass_on(self, beat: dict[str, t.Any]) -> None:
        """Tell of the job's own heartbeat."""
        raise NotImplementedError

    def begin(self, **arguments: t.Any) -> dict[str, t.Any]:
        """Start the job unless it was started before, and return the module's answer.

        Raises `RackbenchError("run_cancelled")` when the run was asked to stop before.
        """
        self.stop = StopLook(self)
        if self.stop.asked() and not self._runs_already():
            raise self.stop.cancelled()
        try:
            return self._watched(
                state="started", wait_s=self._waits()[0], grace_s=GRACE_S, **self._name, **arguments
            )
        except RackbenchError as error:
            if error.code == "bundle_digest_mismatch":
                error.next_step = "Remove that directory, and run again: the bundle is then brought anew."
            raise

    def follow(self, answer: dict[str, t.Any], limit: float) -> dict[str, t.Any]:
        """Wait for the end, passing the target's heartbeat on; return the last answer.

        When the run is asked to stop meanwhile, the job is stopped: its outcome is `cancelled`, if it was not faster.
        """
        waits = self._waits()[1:]
        began = time.monotonic()
        calls = 0
        while answer["job_state"]["state"] != "ended":
            wait_s = waits[min(calls, len(waits) - 1)]
            calls += 1
            self._tell(answer, wait_s)
            if time.monotonic() - began > limit + GRACE_S + OVERDUE_S:
                raise RackbenchError(
                    "execution_lost",
                    f"{self._name['execution_id']} on {self.host} did not end long after its time limit, {limit} s.",
                    where=self.host,
                )
            answer = self._watched(state="waited", wait_s=wait_s, **self._name)
        self._tell(answer, 0.0)
        return answer

    def fetch(self, names: list[str], temporary: Path) -> None:
        """Bring the directories of jobs of this run to `temporary/unpacked`; of a job that left none there is none."""
        packed = self.remote(
            "target_collect", state="packed", run_id=rundir.run_id_of(self.run_dir), executions=names
        )
        if not packed["files"]:
            return
        try:
            self._unpack(packed, temporary)
        finally:
            # The archive is of no more use; if it cannot be removed now, what was fetched counts.
            with contextlib.suppress(RackbenchError):
                self.remote(
                    "target_collect",
                    state="absent",
                    run_id=rundir.run_id_of(self.run_dir),
                    archive=packed["archive"],
                )

    def _waits(self) -> tuple[float, ...]:
        return LOCAL_WAITS if self._connection.transport == "local" else REMOTE_WAITS

    def _tell(self, answer: dict[str, t.Any], wait_s: float) -> None:
        """Pass the heartbeat on; the next one is to be expected when the next call comes back."""
        if beat := answer["heartbeat"]:
            self.pass_on({**beat, "interval_s": max(float(beat.get("interval_s") or 0), wait_s)})

    def _runs_already(self) -> bool:
        """Return whether the run was resumed and found this job on the host."""
        return self._name["execution_id"] in self.state().reattached

    def _watched(self, **arguments: t.Any) -> dict[str, t.Any]:
        """Call the module in a process of its own; stop the job as soon as the run is asked to stop."""
        with ForkedCall(lambda: self._told_home(arguments)) as call:
            while not call.wait(LOOK_S):
                if not self.stop.asked() or (answer := self._stopped()) is None:
                    continue
                # The call ends with the job. What it answers is known, but not how often it went to the host.
                if call.wait(ANSWER_S):
                    with contextlib.suppress(RuntimeError):
                        self._remote_calls += call.answer()["calls"]
                return answer
            try:
                told = call.answer()
            except RuntimeError as error:
                raise RackbenchError(
                    "task_failed",
                    f"The call that {self.machine} was to answer about {self._name['execution_id']} broke: {error}.",
                    where=self.host,
                ) from error
        self._remote_calls += told["calls"]
        if told["failure"]:
            raise RackbenchError(**told["failure"])
        return t.cast("dict[str, t.Any]", told["answer"])

    def _told_home(self, arguments: dict[str, t.Any]) -> dict[str, t.Any]:
        """Call the module in the forked process; return its answer or failure, and how often it went to the host."""
        before, made_before = self._remote_calls, self._connection._shell.tmpdir  # noqa: SLF001 - Ansible's own way
        answer, failure = None, None
        try:
            answer = self._patiently(**arguments)
        except RackbenchError as error:
            failure = error.as_dict()
        if not made_before:
            # Without pipelining the call made a directory on the host that the worker does not know of.
            self.cleanup()
        return {"answer": answer, "failure": failure, "calls": self._remote_calls - before}

    def _stopped(self) -> dict[str, t.Any] | None:
        """Stop the job and return the module's answer; None when it is not there yet, or has not ended yet."""
        request = self.stop.request or {}
        try:
            answer = self._patiently(
                state="stopped",
                by=request.get("by") or "somebody",
                reason=request.get("reason") or "",
                **self._name,
            )
        except RackbenchError as error:
            if error.code != "execution_lost":
                raise
            # The call that starts it is on its way; without one, the call that waits meets the same.
            return None
        return answer if answer["job_state"]["state"] == "ended" else None

    def _patiently(self, **arguments: t.Any) -> dict[str, t.Any]:
        """Call the module, again if the host does not answer: starting twice and waiting twice do no harm."""
        for pause in RETRY_PAUSES:
            try:
                return self._ask(arguments)
            except RackbenchError as error:
                if error.code not in MAY_COME_BACK:
                    raise
            time.sleep(pause)
            with contextlib.suppress(Exception):
                # A master connection that died with the network would fail every further call.
                self._connection.reset()
        try:
            return self._ask(arguments)
        except RackbenchError as error:
            if error.code not in LOST or arguments["state"] == "started":
                raise
            raise RackbenchError(
                error.code,
                f"{error.message} {self._name['execution_id']} was running and goes on there.",
                where=error.where,
                next_command=error.next_command,
                detail=error.detail,
            ) from error

    def _ask(self, arguments: dict[str, t.Any]) -> dict[str, t.Any]:
        """Call the module once; the answer says too how far the machine's clock is at least off ours."""
        asked = time.time()
        answer = self.remote("target_job", **arguments)
        return {**answer, "clock_offset_s": clock_offset(answer.get("now"), asked, time.time())}

    def _unpack(self, packed: dict[str, t.Any], temporary: Path) -> None:
        archive = temporary / "results.tar.gz"
        self.download(packed["archive"], archive)
        if sha256_of(archive) != packed["sha256"]:
            raise RackbenchError(
                "results_changed",
                f"The results of {self.host} changed on their way: their digest is not the one that was sent.",
                where=self.host,
            )
        declared = packed["files"]
        try:
            files = _archive.unpack(
                archive,
                temporary / "unpacked",
                max_bytes=min(sum(int(entry["size"]) for entry in declared), COLLECTED_BYTES),
                max_files=len(declared),
                max_members=int(packed["members"]),
            )
        except _archive.ArchiveRefusedError as error:
            raise RackbenchError(
                "archive_unsafe", f"The results of {self.host} are refused: {error}.", where=self.host
            ) from error
        if files != declared:
            raise RackbenchError(
                "results_changed",
                f"The results of {self.host} are not the files that it declared.",
                where=self.host,
            )
