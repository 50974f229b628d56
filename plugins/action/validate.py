# SPDX-License-Identifier: GPL-3.0-or-later
"""Put the report on all hosts of a play together: how they are reached, and what each benchmark would get there."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleError
from ansible_collections.rackbench.lab.plugins.plugin_utils import _adapters, _outlook
from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING, LabAction

if t.TYPE_CHECKING:
    from rackbench.adapters.catalog import Adapter

if MISSING is None:
    from rackbench import clock, validation
    from rackbench.errors import RackbenchError
    from rackbench.publish.checking import Checks
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
        targets = Checks(self.project, clock.utc_now())
        findings = []
        for host in task_vars["ansible_play_hosts_all"]:
            found = probed.get(host) or connectivity.not_probed(host)
            known = task_vars["hostvars"][host]
            planned = known.get("rackbench_plan") or {}
            staging = publish = None
            if args["scope"] in {"staging", "all"}:
                staging = _outlook.of_host(self.project, host, planned, reached=found["ok"])
            if args["scope"] in {"publish", "all"}:
                publish = targets.of_host(
                    host,
                    self._adapters(planned),
                    _setting(known, host, "lab_publish_targets", "publish_target_invalid"),
                    _setting(known, host, "lab_embargoes", "embargo_invalid"),
                    _outlook.plan_failure(host, planned),
                )
            findings.append(validation.finding(found, staging, publish))
        report = validation.report(args["scope"], findings)
        failed = {
            item["host"]: f"{item['failed_at']}: {item['cause']} [{item['code']}]"
            for item in findings
            if not item["ok"]
        }
        lines = validation.text(report)
        return {"changed": False, "report": report, "lines": lines, "failed_hosts": failed}

    def _adapters(self, planned: t.Mapping[str, t.Any]) -> list[Adapter]:
        """Return the adapters that the host's plan has; none when it could not be planned."""
        catalog = _adapters.catalog(self.project)
        return [catalog[name] for name in planned.get("benchmarks") or ()]

    def _require_ledger(self) -> None:
        """Ask for none: a report belongs to no run."""


def _setting(known: t.Mapping[str, t.Any], host: str, name: str, code: str) -> t.Any:
    """Return a variable of a host, None when it has none; or the failure, when its templates cannot be resolved."""
    try:
        return _resolved(known.get(name))
    except AnsibleError as error:
        return RackbenchError(code, f"{name} of {host}: {error}", where=name)


def _resolved(value: t.Any) -> t.Any:
    # What is deeper is resolved only when somebody looks at it.
    if isinstance(value, dict):
        return {key: _resolved(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_resolved(each) for each in value]
    return value
