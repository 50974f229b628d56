# SPDX-License-Identifier: GPL-3.0-or-later
"""Put the bundle that fits the host on it; one that the controller has to make is made first."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.rackbench.lab.plugins.plugin_utils import _adapters
from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING, RUN_DIR
from ansible_collections.rackbench.lab.plugins.plugin_utils._staging import StagingAction

if MISSING is None:
    from ansible_collections.rackbench.lab.plugins.plugin_utils._staging import BuildFollower
    from rackbench.bundles.attachments import tarball_of
    from rackbench.bundles.decision import ON_CONTROLLER, ON_TARGET
    from rackbench.bundles.make import Places, made_record, make, require_fit
    from rackbench.errors import RackbenchError

if t.TYPE_CHECKING:
    from rackbench.adapters.catalog import Adapter
    from rackbench.bundles.decision import Candidate


class ActionModule(StagingAction):
    """`rackbench.lab.bundle`."""

    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {**RUN_DIR, "adapter": {"type": "str", "required": True}}

    def work(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        adapter = _adapters.catalog(self.project)[args["adapter"]]
        self.go_where_it_runs(adapter)
        state = self.state()
        decision = _adapters.settled(state, self.project, adapter)
        self._put_attachments(adapter.name, decision)
        if made := (state.packaging.get(adapter.name) or {}).get("made"):
            # An earlier task of this step had it built on the host, or an earlier part of this run had it built.
            return self.put(Path(made["path"]), made["sha256"])
        told = decision["chosen"]
        if told is None:
            self.record("packaging", adapter=adapter.name, decision=decision)
            raise RackbenchError(
                "packaging_blocked", f"No bundle of {adapter.name} fits {self.host}.", where=self.host
            )
        build = told["cost"]["build"]
        if build == ON_TARGET or (build and self.check_mode):
            self.record("packaging", adapter=adapter.name, decision=decision)
            readiness = state.readiness.get(adapter.name) or {}
            return {
                "changed": self.check_mode,
                "build_on_target": build == ON_TARGET,
                "bootstrap": readiness.get("bootstrap") or [],
                "msg": f"would build {told['path']} on {self._where(build)}",
            }
        made = None
        try:
            if build:
                tarball = self._make(adapter, told)
                made = made_record(tarball)
            else:
                tarball = _adapters.still_good(state, self.project, adapter, told)
        finally:
            self.record("packaging", adapter=adapter.name, decision=decision, made=made)
        return self.put(tarball, (made or told)["sha256"])

    def _put_attachments(self, adapter: str, decision: t.Mapping[str, t.Any]) -> None:
        """Put the operator's own files that the decision names on the machine."""
        folder = self.in_project(self.state().options["cache_dir"]) / "attachments"
        for told in decision.get("attachments") or []:
            if not told["accepted"]:
                raise RackbenchError("packaging_blocked", told["detail"], where=told["path"] or self.host)
            try:
                tarball = tarball_of(adapter, told, folder)
            except OSError as error:
                raise RackbenchError(
                    "cache_unwritable", f"{folder} cannot be written: {error.strerror}.", where=str(folder)
                ) from error
            self.put(tarball, told["sha256"])

    def _where(self, build: str) -> str:
        return "the controller" if build == ON_CONTROLLER else self.machine

    def _make(self, adapter: Adapter, told: t.Mapping[str, t.Any]) -> Path:
        """Make the bundle on the controller and return its tarball; raise if it does not fit the host then."""
        state = self.state()
        options = state.options

        def decide() -> Candidate | None:
            return _adapters.to_build(state, self.project, adapter, told)

        chosen = decide()
        if chosen is None:
            raise _adapters.not_to_be_built(adapter, told)
        if chosen.made_on is None:
            return Path(chosen.path)
        places = Places(
            dist=self.in_project(options["dist_dir"]),
            cache=self.in_project(options["cache_dir"]),
            log=self.build_log(adapter.name),
        )
        with BuildFollower(self, "controller") as follower:
            try:
                tarball = make(chosen, adapter, places, follower, decide)
            except RackbenchError as error:
                if error.next_path == str(places.log):
                    error.next_path = places.log.relative_to(self.run_dir).as_posix()
                raise
        require_fit(tarball, _adapters.platform_for(state, adapter), adapter)
        return tarball
