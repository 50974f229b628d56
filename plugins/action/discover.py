# SPDX-License-Identifier: Apache-2.0
"""Reach the host and read what it is."""

from __future__ import annotations

import typing as t

from ansible_collections.rackbench.lab.plugins.plugin_utils._action import RUN_DIR, LabAction


class ActionModule(LabAction):
    """`rackbench.lab.discover`."""

    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {**RUN_DIR}

    def work(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        found = self.remote("discover")["platform"]
        self.record("platform", **found)
        return {"platform": found}
