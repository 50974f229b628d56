# SPDX-License-Identifier: Apache-2.0
"""Put the report on all hosts of a play together: how they are reached, and what each benchmark would get there."""

from __future__ import annotations

import typing as t

from ansible_collections.rackbench.lab.plugins.plugin_utils import _outlook
from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING, LabAction

if MISSING is None:
    from rackbench import validation
    from rackbench.transport import connectivity


class ActionModule(LabAction):
    """`rackbench.lab.validate`. Runs once for all hosts of the play, after their plans. Opens no connection."""

    BYPASS_HOST_LOOP = True
    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {
        "scope": {
            "type": "str",
            "choices": ["connectivity", "staging", "publish", "all"],
            "default": "connectivity",
        },
        "probed": {"type": "list", "elements": "dict", "default": []},
    }

    def work(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        probed = {item["host"]: item for item in args["probed"]}
        findings = []
        for host in task_vars["ansible_play_hosts_all"]:
            found = probed.get(host) or connectivity.not_probed(host)
            staging = None
            if args["scope"] != "connectivity":
                planned = task_vars["hostvars"][host].get("rackbench_plan") or {}
                staging = _outlook.of_host(self.project, host, planned, reached=found["ok"])
            findings.append(validation.finding(found, staging))
        report = validation.report(args["scope"], findings)
        failed = {
            item["host"]: f"{item['failed_at']}: {item['cause']} [{item['code']}]"
            for item in findings
            if not item["ok"]
        }
        lines = validation.text(report)
        return {"changed": False, "report": report, "lines": lines, "failed_hosts": failed}

    def _require_ledger(self) -> None:
        """Ask for none: a report belongs to no run."""
