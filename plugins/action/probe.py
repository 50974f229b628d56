# SPDX-License-Identifier: GPL-3.0-or-later
"""Probe the machines of a play hop by hop, once for all of them, from the controller."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.rackbench.lab.plugins.plugin_utils import _package

try:
    _package.require_release()
    from rackbench.errors import RackbenchError
    from rackbench.transport import connectivity, labfile
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
        """Return the findings; the task itself fails only if none can be made."""
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        if MISSING is not None:
            raise AnsibleError(_package.refusal(MISSING))
        variables = task_vars or {}
        self.validate_argument_spec({})
        try:
            hosts = self._probe(list(variables["ansible_play_hosts_all"]), variables["hostvars"])
        except RackbenchError as error:
            return {**result, "failed": True, "msg": str(error), "rackbench": {"failure": error.as_dict()}}
        failed = {item["host"]: item["code"] for item in hosts if not item["ok"]}
        return {**result, "changed": False, "hosts": hosts, "failed_hosts": failed}

    @staticmethod
    def _probe(hosts: list[str], hostvars: t.Any) -> list[dict[str, t.Any]]:
        files: dict[str, list[str]] = {}
        brokers: dict[str, str] = {}
        for host in hosts:
            file = hostvars[host].get("lab_inventory_file")
            if file:
                files.setdefault(str(file), []).append(host)
                brokers[str(file)] = str(hostvars[host]["lab_broker"])
        found = {}
        for file, names in files.items():
            labs = [(labfile.load(Path(file)), BrokerSecrets(brokers[file]))]
            found.update((item["host"], item) for item in connectivity.probed(labs, names))
        return [found.get(host) or connectivity.not_in_a_lab(host) for host in hosts]
