# SPDX-License-Identifier: Apache-2.0
"""Publish an adapter's results to its configured target."""

from __future__ import annotations

import typing as t

from ansible_collections.rackbench.lab.plugins.plugin_utils import _adapters
from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING, RUN_DIR, LabAction

if MISSING is None:
    from rackbench.adapters.results import read_result
    from rackbench.errors import RackbenchError
    from rackbench.publish.refusal import refusals


class ActionModule(LabAction):
    """`rackbench.lab.publish`."""

    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {**RUN_DIR, "adapter": {"type": "str", "required": True}}

    def work(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        adapter = _adapters.catalog(self.project)[args["adapter"]]
        if adapter.publish_target not in self.state().options["publish_targets"]:
            reason = f"lab_publish_targets has no {adapter.publish_target}."
            self.record("publish", adapter=adapter.name, state="not_configured", target=None, reason=reason)
            return {"state": "not_configured", "msg": reason}
        if reasons := refusals(self.state(), self._results(adapter.name)):
            reason = " ".join(reasons)
            self.record(
                "publish",
                adapter=adapter.name,
                state="withheld",
                target=adapter.publish_target,
                reason=reason,
            )
            return {"state": "withheld", "msg": reason}
        reason = (
            f"The publish target {adapter.publish_target} is configured, and this version cannot publish."
        )
        self.record(
            "publish", adapter=adapter.name, state="failed", target=adapter.publish_target, reason=reason
        )
        raise RackbenchError("publish_blocked", reason, where=self.host)

    def _results(self, adapter: str) -> dict[str, t.Mapping[str, t.Any]]:
        """Return the results of an adapter as their files hold them, by execution."""
        return {
            execution: read_result(self.run_dir / result["path"]).document
            for execution, result in self.state().results.items()
            if result.get("adapter") == adapter
        }
