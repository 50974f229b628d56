# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE. Bundles on their way to the host: made on the controller if need be, told of, and brought there."""

from __future__ import annotations

import contextlib
import shlex
import signal
import typing as t

from ansible_collections.rackbench.lab.plugins.plugin_utils import _lease
from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING, LabAction
from ansible_collections.rackbench.lab.plugins.plugin_utils._stops import StopLook

if MISSING is None:
    from rackbench.bundles.build import Follower
    from rackbench.bundles.catalog import read_sidecar
    from rackbench.errors import RackbenchError
    from rackbench.ledger import rundir

if t.TYPE_CHECKING:
    from pathlib import Path

    from rackbench.adapters.catalog import Adapter

# Seconds between two heartbeats of what the controller does itself, as told to readers.
INTERVAL_S = 5.0


class StagingAction(LabAction):
    """An action that puts bundles on the machine that it goes to, and keeps the lease of the host meanwhile."""

    _keeper: _lease.Keeper

    def go_where_it_runs(self, adapter: Adapter) -> None:
        """Let modules and copies go there; the lease is the host's wherever that is."""
        self._keeper = _lease.Keeper(self)
        super().go_where_it_runs(adapter)

    def put(self, tarball: Path, sha256: str) -> dict[str, t.Any]:
        """Put a bundle with its sidecar on the machine unless it is there, and return what the task says of it.

        Raises `RackbenchError` (bundle_digest_mismatch) when the sidecar does not name `sha256` any more.
        """
        sidecar = read_sidecar(tarball)
        if sidecar.sha256 != sha256:
            raise RackbenchError(
                "bundle_digest_mismatch",
                f"{tarball} was replaced after it had been chosen: {sha256[:12]}… is {sidecar.sha256[:12]}… now.",
                where=str(tarball),
                next_step="Run again: the choice is then made anew.",
            )
        document = sidecar.model_dump(mode="json", by_alias=True)
        found = self._look(document)
        result = {"changed": not found["present"], "path": found["path"], "evicted": found["evicted"]}
        if found["present"]:
            self._record_reuse(tarball, sidecar.sha256, found["path"])
        elif self.check_mode:
            return {**result, "msg": f"would upload {tarball.name} ({sidecar.size} bytes)"}
        else:
            self._stage(tarball, document, found["upload"])
        return {**result, "sha256": sidecar.sha256, "entry_point": sidecar.entry_point}

    def beat(self, label: str, elapsed_s: float, interval_s: float | None = INTERVAL_S) -> None:
        """Let the step that is running beat, and keep the host's lease.

        Without an interval nothing more is to be expected for a while.
        """
        step = self.step()
        beat = {"step": step, "label": label, "elapsed_s": elapsed_s, "interval_s": interval_s}
        self.write_live(step, beat)
        self._keeper.keep()

    def step(self) -> str:
        """Return the id of the step that is running."""
        if not hasattr(self, "_step"):
            active = self.state().active_step
            if active is None:
                raise RackbenchError(
                    "internal_error", "A bundle is put on a host in no step of a run.", where=self.host
                )
            self._step = active.step.step_id
        return self._step

    def build_log(self, adapter: str) -> Path:
        """Return the file of the run that takes what a build of the adapter's bundle says."""
        return self.run_dir / rundir.LOGS / f"{adapter}.build.log"

    def keep_log(self, log: Path) -> str:
        """Register a build's log and return its path as documents have it."""
        self.register(log, kind="log", publishable=False)
        return log.relative_to(self.run_dir).as_posix()

    def _look(self, sidecar: dict[str, t.Any]) -> dict[str, t.Any]:
        """Ask whether the target has the bundle; if not, it makes room and says where to upload it."""
        quota = None if self.on_controller else self.state().options.get("store_quota_bytes")
        try:
            return self.remote(
                "target_bundle", state="present", sha256=sidecar["sha256"], sidecar=sidecar, quota_bytes=quota
            )
        except RackbenchError as error:
            if error.code in {"store_full", "bundle_digest_mismatch"}:
                error.next_step = "Remove from the target's store what no running job uses, and run again."
                error.next_command = shlex.join(["rackbench", "bundle", "prune", "--host", self.host])
            if error.code == "store_full" and quota is not None and sidecar["unpacked_size"] > quota:
                error.next_step = "Raise lab_store_quota_bytes: the bundle alone is larger than that."
                error.next_command = None
            raise

    def _stage(self, tarball: Path, sidecar: dict[str, t.Any], upload: str) -> None:
        """Upload and unpack the bundle, a second time if somebody took the upload away."""
        if self._upload(tarball, sidecar, upload):
            return
        found = self._look(sidecar)
        if not found["present"] and not self._upload(tarball, sidecar, found["upload"]):
            raise RackbenchError(
                "target_unwritable",
                f"The upload of {tarball.name} vanished from {self.host} twice.",
                where=self.host,
                next_step="Find out what removes files from ~/.rackbench/uploads on the target.",
            )

    def _upload(self, tarball: Path, sidecar: dict[str, t.Any], upload: str) -> bool:
        """Upload and unpack the bundle; return False if the upload was not there any more."""
        bundle = {"sha256": sidecar["sha256"], "upload": upload}
        # Nothing renews it while the upload lasts.
        self._keeper.keep()
        try:
            self.upload(tarball, upload)
        except RackbenchError:
            # Half a bundle is of no use, and on a full disk it is in the way.
            with contextlib.suppress(RackbenchError):
                if self.remote("target_bundle", state="discarded", **bundle)["present"]:
                    # Another run was quicker, and took our upload away as of no more use.
                    return True
            raise
        return bool(self.remote("target_bundle", state="unpacked", **bundle, sidecar=sidecar)["present"])

    def _record_reuse(self, tarball: Path, sha256: str, path: str) -> None:
        self.record(
            "transfer",
            direction="upload",
            source=str(tarball),
            destination=self.address(path),
            bytes=0,
            sha256=sha256,
            duration_s=0.0,
            reused=True,
        )


if MISSING is None:

    class BuildFollower(Follower):
        """Lets the step beat as long as something is built, and records the build's command.

        When the run is asked to stop, what is built ends by `RackbenchError("run_cancelled")`.
        """

        def __init__(self, action: StagingAction, where: str) -> None:
            self._action = action
            self._where = where
            self._elapsed_s: float | None = None
            self._stop = StopLook(action)

        def __enter__(self) -> t.Self:
            return self

        def __exit__(self, *_failure: object) -> None:
            if self._elapsed_s is not None:
                # What follows has no pace of its own.
                self._action.beat("built", self._elapsed_s + 0.001, None)

        def goes_on(self, label: str, elapsed_s: float) -> None:
            """Let the step beat, unless the run was asked to stop."""
            if self._stop.asked():
                raise self._stop.cancelled()
            self._elapsed_s = elapsed_s
            self._action.beat(label, elapsed_s)

        def ended(self, argv: list[str], rc: int, duration_s: float, log: Path) -> None:
            """Record the command, with its log."""
            self._action.record(
                "command",
                argv=argv,
                rc=rc,
                signal=signal.Signals(-rc).name if rc < 0 else None,
                where=self._where,
                duration_s=duration_s,
                log=self._action.keep_log(log),
            )
