# SPDX-License-Identifier: GPL-3.0-or-later
"""Install a Rust toolchain on the host, in one call."""

from __future__ import annotations

import typing as t

from ansible_collections.rackbench.lab.plugins.plugin_utils._action import LabAction


class ActionModule(LabAction):
    """`rackbench.lab.rust_toolchain`. An action, so that a lost host is a failure that a step can rescue."""

    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {
        "mirror": {"type": "str", "required": True},
        "init_version": {"type": "str", "required": True},
        "init_sha256": {"type": "dict", "required": True},
        "toolchain": {"type": "str", "required": True},
        "toolchain_sha256": {"type": "str", "default": ""},
        "profile": {"type": "str", "choices": ["minimal", "default", "complete"], "default": "minimal"},
        "root": {"type": "str", "default": "~/.rackbench"},
    }

    def work(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        answer = self.remote("rust_toolchain", **args)
        return {name: answer[name] for name in ("changed", "cargo", "toolchain", "version")}
