# SPDX-License-Identifier: GPL-3.0-or-later
"""Build an adapter's bundle on the host from the source of its benchmark, and keep it on the controller."""

from __future__ import annotations

import shutil
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.rackbench.lab.plugins.plugin_utils import _adapters, _lease
from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING, RUN_DIR
from ansible_collections.rackbench.lab.plugins.plugin_utils._jobs import (
    ENDINGS,
    REMOTE_WAITS,
    JobAction,
)
from ansible_collections.rackbench.lab.plugins.plugin_utils._staging import StagingAction

if MISSING is None:
    from ansible_collections.rackbench.lab.plugins.plugin_utils._staging import BuildFollower
    from rackbench.bundles.capture import capture, prepare
    from rackbench.bundles.decision import ON_TARGET
    from rackbench.bundles.make import made_record, only_one, require_fit
    from rackbench.errors import RackbenchError
    from rackbench.ledger import rundir

if t.TYPE_CHECKING:
    from rackbench.adapters.catalog import Adapter
    from rackbench.bundles.build import Built
    from rackbench.bundles.capture import SourceBuild
    from rackbench.bundles.decision import Candidate

# A build that takes longer than this (s) is ended.
LIMIT_S = 7200.0
# Seconds between two heartbeats of the build on the host; they are heard of with each call there.
INTERVAL_S = 5.0


class ActionModule(StagingAction, JobAction):
    """`rackbench.lab.source_build`."""

    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {**RUN_DIR, "adapter": {"type": "str", "required": True}}

    def work(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        adapter = _adapters.catalog(self.project)[args["adapter"]]
        self.go_where_it_runs(adapter)
        if self.check_mode:
            return {"changed": True, "msg": f"would build the bundle of {adapter.name} on {self.machine}"}
        state = self.state()
        decision = _adapters.settled(state, self.project, adapter)
        captured = self.in_project(state.options["cache_dir"]) / "captured"
        platform = _adapters.platform_for(state, adapter)
        lock = f"{adapter.name}-{platform.tag() if platform else None}"
        with BuildFollower(self, "target") as follower, only_one(captured, lock, follower):
            # Another host of the same kind may have built it while this one waited.
            chosen = _adapters.to_build(state, self.project, adapter, decision["chosen"])
            if chosen is None:
                raise _adapters.not_to_be_built(adapter, decision["chosen"])
            is_built = chosen.made_on == ON_TARGET
            tarball = self._build(adapter, chosen, captured).tarball if is_built else Path(chosen.path)
        require_fit(tarball, platform, adapter)
        self.record("packaging", adapter=adapter.name, decision=decision, made=made_record(tarball))
        return {"changed": is_built, "path": str(tarball)}

    def pass_on(self, beat: dict[str, t.Any]) -> None:
        """Let the step beat as the build on the host does."""
        self.beat(str(beat.get("label") or "building"), float(beat.get("elapsed_s") or 0.0), REMOTE_WAITS[-1])

    def _build(self, adapter: Adapter, chosen: Candidate, captured: Path) -> Built:
        """Build on the host and return the bundle that was captured."""
        state = self.state()
        build = prepare(Path(chosen.path).parent, captured.parent / "made")
        staged = self.put(build.bundle.tarball, build.bundle.digest)
        self._name = {"run_id": rundir.run_id_of(self.run_dir), "execution_id": self.step()}
        if state.resumed:
            self._forget_failure()
        answer = self.begin(
            bundle=staged["sha256"],
            entry_point=staged["entry_point"],
            job=build.job,
            time_limit_s=LIMIT_S,
            interval_s=INTERVAL_S,
            # The lease is the host's, and the controller may build for many.
            **({} if self.on_controller else _lease.arguments(self)),
        )
        answer = self.follow(answer, LIMIT_S)
        with tempfile.TemporaryDirectory(prefix=".build-", dir=captured) as folder:
            temporary = Path(folder)
            job = temporary / "unpacked" / self._name["execution_id"]
            problem = self._fetched(temporary)
            self._record(adapter, build, answer, job / "stderr")
            if problem:
                raise problem
            platform = _adapters.platform_for(state, adapter)
            if platform is None:
                raise AssertionError("without a platform the resolver does not choose a source build")
            return capture(build, job / "out", captured, platform, (self.host, self._name["run_id"]))

    def _forget_failure(self) -> None:
        """Remove a build of before the run was resumed that did not pass: it has the name of this one."""
        ours = _lease.lease_of(self).get("lease_id")
        known = self.remote("target_job", state="listed", run_id=self._name["run_id"], lease_id=ours)["jobs"]
        before = known.get(self._name["execution_id"])
        if before is not None and before["state"] == "ended" and before["outcome"] != "passed":
            self.remote("target_job", state="absent", **self._name)

    def _fetched(self, temporary: Path) -> RackbenchError | None:
        """Bring what the build left; return why that failed. The build's own end counts for more."""
        try:
            self.fetch([self._name["execution_id"]], temporary)
        except RackbenchError as error:
            return error
        return None

    def _record(self, adapter: Adapter, build: SourceBuild, answer: dict[str, t.Any], said: Path) -> None:
        """Keep the build's log and record its command; raise if it did not end well."""
        ended = answer["job_state"]
        log = None
        if said.is_file():
            path = self.build_log(adapter.name)
            shutil.copyfile(said, path)
            log = self.keep_log(path)
        self.record(
            "command",
            argv=build.job["command"],
            rc=ended["rc"],
            signal=ended["signal"],
            where="controller" if self.on_controller else "target",
            duration_s=ended["duration_s"],
            log=log,
        )
        if ended["outcome"] == "cancelled" and self.stop.asked():
            raise self.stop.cancelled()
        if ended["outcome"] != "passed":
            raise RackbenchError(
                "source_build_failed",
                f"The build of {build.source.name} on {self.machine} {ENDINGS[ended['outcome']]}: "
                f"{ended['reason']}.",
                where=self.host,
                next_path=log,
                detail=answer.get("stderr_tail") or None,
            )
