# SPDX-License-Identifier: Apache-2.0
"""PRIVATE. Detached jobs on the host: begin one, follow it to its end, fetch what it left."""

from __future__ import annotations

import contextlib
import time
import typing as t

from ansible_collections.rackbench.lab.plugins.module_utils import _archive
from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING, LabAction

if MISSING is None:
    from rackbench.errors import RackbenchError
    from rackbench.files import sha256_of
    from rackbench.ledger import rundir

if t.TYPE_CHECKING:
    from pathlib import Path

# Seconds that each call on the target waits for the end; the last one repeats. Each call costs a connection's round
# trips and a Python start on the machine that measures, so over ssh they are few.
LOCAL_WAITS = (1.0, 1.0, 2.0, 3.0, 5.0)
REMOTE_WAITS = (4.0, 25.0)
# Pauses in seconds between attempts to reach a host that does not answer: the job lives on without us.
RETRY_PAUSES = (2.0, 5.0, 10.0, 20.0)
# What another attempt can mend: a refused login or a changed host key is not among it.
MAY_COME_BACK = {"host_unreachable", "hop_unreachable"}
GRACE_S = 10.0
# A supervisor that has not ended its job this many seconds after it should have is not believed any longer.
OVERDUE_S = 300.0
ENDINGS = {
    "partial": "is partial",
    "failed": "failed",
    "killed": "was killed",
    "timeout": "was ended",
    "lost": "is lost",
}


class JobAction(LabAction):
    """An action with a detached job. Its `_name` is the job's: `run_id` and `execution_id`."""

    _name: dict[str, str]

    def pass_on(self, beat: dict[str, t.Any]) -> None:
        """Tell of the job's own heartbeat."""
        raise NotImplementedError

    def begin(self, **arguments: t.Any) -> dict[str, t.Any]:
        """Start the job unless it was started before, and return the module's answer."""
        try:
            return self._patiently(
                state="started", wait_s=self._waits()[0], grace_s=GRACE_S, **self._name, **arguments
            )
        except RackbenchError as error:
            if error.code == "bundle_digest_mismatch":
                error.next_step = "Remove that directory, and run again: the bundle is then brought anew."
            raise

    def follow(self, answer: dict[str, t.Any], limit: float) -> dict[str, t.Any]:
        """Wait for the end, passing the target's heartbeat on; return the last answer."""
        waits = self._waits()[1:]
        began = time.monotonic()
        calls = 0
        while answer["job_state"]["state"] != "ended":
            self._tell(answer)
            if time.monotonic() - began > limit + GRACE_S + OVERDUE_S:
                raise RackbenchError(
                    "execution_lost",
                    f"{self._name['execution_id']} on {self.host} did not end long after its time limit, {limit} s.",
                    where=self.host,
                )
            wait_s = waits[min(calls, len(waits) - 1)]
            calls += 1
            answer = self._patiently(state="waited", wait_s=wait_s, **self._name)
        self._tell(answer)
        return answer

    def fetch(self, names: list[str], temporary: Path) -> None:
        """Bring the directories of jobs of this run to `temporary/unpacked`; of a job that left none there is none."""
        packed = self.remote(
            "collect", state="packed", run_id=rundir.run_id_of(self.run_dir), executions=names
        )
        if not packed["files"]:
            return
        try:
            self._unpack(packed, temporary)
        finally:
            # The archive is of no more use; if it cannot be removed now, what was fetched counts.
            with contextlib.suppress(RackbenchError):
                self.remote(
                    "collect",
                    state="absent",
                    run_id=rundir.run_id_of(self.run_dir),
                    archive=packed["archive"],
                )

    def _waits(self) -> tuple[float, ...]:
        return LOCAL_WAITS if self._connection.transport == "local" else REMOTE_WAITS

    def _tell(self, answer: dict[str, t.Any]) -> None:
        if answer["heartbeat"]:
            self.pass_on(answer["heartbeat"])

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
                max_bytes=sum(int(entry["size"]) for entry in declared),
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
