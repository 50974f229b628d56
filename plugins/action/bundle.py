# SPDX-License-Identifier: Apache-2.0
"""Put the bundle that fits the host on it; the bytes move only when they are not there yet."""

from __future__ import annotations

import contextlib
import typing as t
from pathlib import Path

from ansible_collections.rackbench.lab.plugins.plugin_utils import _adapters
from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING, RUN_DIR, LabAction

if MISSING is None:
    from rackbench.bundles.catalog import read_sidecar
    from rackbench.errors import RackbenchError


class ActionModule(LabAction):
    """`rackbench.lab.bundle`."""

    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {**RUN_DIR, "adapter": {"type": "str", "required": True}}

    def work(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        adapter = _adapters.catalog(self.project)[args["adapter"]]
        decision = _adapters.decide(self.state(), self.project, adapter)
        self.record("packaging", adapter=adapter.name, decision=decision.as_dict())
        if decision.chosen is None:
            raise RackbenchError(
                "packaging_blocked", f"No bundle of {adapter.name} fits {self.host}.", where=self.host
            )
        tarball = Path(decision.chosen.path)
        sidecar = read_sidecar(tarball)
        found = self.remote("bundle", state="present", sha256=sidecar.sha256)
        if found["present"]:
            self._record_reuse(tarball, sidecar.sha256, found["path"])
        elif self.check_mode:
            message = f"would upload {tarball.name} ({sidecar.size} bytes)"
            return {"changed": True, "path": found["path"], "msg": message}
        else:
            self._stage(tarball, sidecar.model_dump(mode="json", by_alias=True), found["upload"])
        return {"changed": not found["present"], "path": found["path"], "sha256": sidecar.sha256}

    def _stage(self, tarball: Path, sidecar: dict[str, t.Any], upload: str) -> None:
        try:
            self.upload(tarball, upload)
        except RackbenchError:
            # Half a bundle is of no use, and on a full disk it is in the way.
            with contextlib.suppress(RackbenchError):
                self.remote("bundle", state="discarded", sha256=sidecar["sha256"], upload=upload)
            raise
        self.remote("bundle", state="unpacked", sha256=sidecar["sha256"], upload=upload, sidecar=sidecar)

    def _record_reuse(self, tarball: Path, sha256: str, path: str) -> None:
        self.record(
            "transfer",
            direction="upload",
            source=str(tarball),
            destination=f"{self.host}:{path}",
            bytes=0,
            sha256=sha256,
            duration_s=0.0,
            reused=True,
        )
