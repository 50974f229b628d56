# SPDX-License-Identifier: Apache-2.0
"""Put the bundle that fits the host on it; one that the controller has to make is made first."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.rackbench.lab.plugins.plugin_utils import _adapters
from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING, RUN_DIR
from ansible_collections.rackbench.lab.plugins.plugin_utils._staging import BuildFollower, StagingAction

if MISSING is None:
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
        before = state.packaging.get(adapter.name) or {}
        if made := before.get("made"):
            # An earlier task of this step had it built on the host.
            return self.put(Path(made["path"]))
        decision, chosen = _adapters.settle(before, _adapters.decide(state, self.project, adapter))
        if chosen is None:
            self.record("packaging", adapter=adapter.name, decision=decision)
            raise RackbenchError(
                "packaging_blocked", f"No bundle of {adapter.name} fits {self.host}.", where=self.host
            )
        if chosen.made_on == ON_TARGET or (chosen.made_on and self.check_mode):
            self.record("packaging", adapter=adapter.name, decision=decision)
            readiness = state.readiness.get(adapter.name) or {}
            return {
                "changed": self.check_mode,
                "build_on_target": chosen.made_on == ON_TARGET,
                "bootstrap": readiness.get("bootstrap") or [],
                "msg": f"would build {chosen.path} on {self._where(chosen)}",
            }
        made = None
        try:
            tarball = Path(chosen.path)
            if chosen.made_on == ON_CONTROLLER:
                tarball = self._make(adapter, chosen)
            if decision["chosen"]["cost"]["build"]:
                made = made_record(tarball)
        finally:
            self.record("packaging", adapter=adapter.name, decision=decision, made=made)
        return self.put(tarball)

    def _where(self, chosen: Candidate) -> str:
        return "the controller" if chosen.made_on == ON_CONTROLLER else self.machine

    def _make(self, adapter: Adapter, chosen: Candidate) -> Path:
        """Make the bundle on the controller and return its tarball; raise if it does not fit the host then."""
        options = self.state().options
        places = Places(
            dist=self.in_project(options["dist_dir"]),
            cache=self.in_project(options["cache_dir"]),
            log=self.build_log(adapter.name),
        )
        with BuildFollower(self, "controller") as follower:
            try:
                built = make(chosen, adapter, places, follower)
            except RackbenchError as error:
                if error.next_path == str(places.log):
                    error.next_path = places.log.relative_to(self.run_dir).as_posix()
                raise
        require_fit(built.tarball, _adapters.platform_for(self.state(), adapter), adapter)
        return built.tarball
