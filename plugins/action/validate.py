# SPDX-License-Identifier: Apache-2.0
"""Probe the machines of a play hop by hop, once for all of them, from the controller."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

try:
    from rackbench.errors import RackbenchError
    from rackbench.transport import labfile, validation
    from rackbench.transport.secrets import BrokerSecrets
except ImportError as error:
    MISSING: ImportError | None = error
else:
    MISSING = None


class ActionModule(ActionBase):
    """Runs once for all hosts of the play, so that hops they share are entered once. Opens no Ansible connection."""

    BYPASS_HOST_LOOP = True
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the report; the task itself fails only if no report can be made."""
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        if MISSING is not None:
            raise AnsibleError(
                f"The Python package rackbench cannot be imported: {MISSING}. "
                "Install it beside ansible-core: `pip install rackbench`. [package_missing]"
            )
        variables = task_vars or {}
        _spec, arguments = self.validate_argument_spec(
            {"scope": {"type": "str", "choices": ["connectivity"], "default": "connectivity"}}
        )
        hosts = list(variables["ansible_play_hosts_all"])
        try:
            report = self._report(hosts, variables["hostvars"])
        except RackbenchError as error:
            return {**result, "failed": True, "msg": str(error), "rackbench": {"failure": error.as_dict()}}
        result.update(changed=False, scope=arguments["scope"], report=report, lines=validation.text(report))
        result["failed_hosts"] = {
            item["host"]: f"{item['failed_at']}: {item['cause']} [{item['code']}]"
            for item in report["hosts"]
            if not item["ok"]
        }
        return result

    @staticmethod
    def _report(hosts: list[str], hostvars: t.Any) -> dict[str, t.Any]:
        files: dict[str, list[str]] = {}
        brokers: dict[str, str] = {}
        for host in hosts:
            file = hostvars[host].get("lab_inventory_file")
            if file:
                files.setdefault(str(file), []).append(host)
                brokers[str(file)] = str(hostvars[host]["lab_broker"])
        found = {}
        for file, names in files.items():
            lab = labfile.load(Path(file))
            part = validation.connectivity([(lab, BrokerSecrets(brokers[file]))], names)
            found.update((item["host"], item) for item in part["hosts"])
        return validation.report([found.get(host) or validation.not_in_a_lab(host) for host in hosts])
