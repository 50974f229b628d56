# SPDX-License-Identifier: GPL-3.0-or-later
"""Publish an adapter's results to its configured target, part by part."""

from __future__ import annotations

import typing as t

from ansible_collections.rackbench.lab.plugins.plugin_utils import _adapters
from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING, RUN_DIR, LabAction

if MISSING is None:
    from rackbench import clock
    from rackbench.publish.parts import Order, go


class ActionModule(LabAction):
    """`rackbench.lab.publish`."""

    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {
        **RUN_DIR,
        "adapter": {"type": "str", "required": True},
        "part": {
            "type": "str",
            "choices": ["payload", "commit", "push", "pull_request"],
            "required": True,
        },
        # They are checked where each fault of them has words.
        "targets": {"type": "raw", "default": {}},
        "embargoes": {"type": "raw", "default": []},
        "push": {"type": "bool", "default": False},
        "create_pr": {"type": "bool", "default": False},
    }

    def work(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        order = Order(
            run_dir=self.run_dir,
            state=self.state(),
            adapter=_adapters.catalog(self.project)[args["adapter"]],
            project=self.project,
            settings=args["targets"],
            embargoes=args["embargoes"],
            push=args["push"],
            create_pr=args["create_pr"],
            now=clock.utc_now(),
        )
        reached = go(args["part"], order)
        self.record("publish", adapter=order.adapter.name, state=reached.state, **reached.fields)
        if reached.failure is not None:
            raise reached.failure
        return {"state": reached.state, "goes_on": reached.goes_on, **reached.fields}
