# SPDX-License-Identifier: Apache-2.0
"""The connectivity report: one function for the command line and for the playbook, as data and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rackbench.clock import utc_now, utc_text
from rackbench.errors import RackbenchError
from rackbench.transport import routes as lab_routes
from rackbench.transport.references import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rackbench.transport.labfile import LabFile
    from rackbench.transport.secrets import SecretSource

SCHEMA = "rackbench.validation/1.0"


def connectivity(
    labs: Sequence[tuple[LabFile, SecretSource]],
    hosts: Sequence[str] | None = None,
    elsewhere: Sequence[str] = (),
) -> dict[str, Any]:
    """Probe hosts hop by hop and return the report, a `rackbench.validation/1.0` document.

    `hosts` are names from the labs, by default all of them, or from `elsewhere`: the hosts that Ansible knows without
    a lab file, which have nothing to probe. Raises `RackbenchError("unknown_host")` before anything is dialled;
    whatever goes wrong at a host is part of the report and not raised.
    """
    from rackbench.transport.probe import probe

    known = [name for lab, _secrets in labs for name in lab.model.hosts]
    wanted = list(dict.fromkeys(hosts)) if hosts is not None else known
    for name in wanted:
        if name not in known and name not in elsewhere:
            allowed = list(dict.fromkeys([*known, *elsewhere]))
            raise RackbenchError(
                "unknown_host", f"No inventory has a host {name!r}; {nearest(name, allowed)}."
            )
    found: dict[str, dict[str, Any]] = {}
    for lab, secrets in labs:
        mine = [name for name in wanted if name in lab.model.hosts and name not in found]
        if mine:
            found.update((item["host"], item) for item in probe(lab_routes.resolve(lab), mine, secrets))
    return report([found.get(name) or not_in_a_lab(name) for name in wanted])


def report(findings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the document around the findings for each host."""
    return {
        "schema": SCHEMA,
        "at": utc_text(utc_now()),
        "scope": "connectivity",
        "ok": all(item["ok"] for item in findings),
        "hosts": list(findings),
    }


def not_in_a_lab(host: str) -> dict[str, Any]:
    """Return the finding for a host that no lab inventory describes, such as this machine: nothing to probe."""
    check = {
        "name": "login",
        "at": host,
        "status": "skipped",
        "required": False,
        "duration_s": 0.0,
        "message": "not a host of a lab inventory",
    }
    return {
        "host": host,
        "ok": True,
        "route": [host],
        "failed_at": None,
        "cause": None,
        "code": None,
        "checks": [check],
        "duration_s": 0.0,
    }


def text(document: Mapping[str, Any]) -> list[str]:
    """Return the report as lines for people: a heading for each host, and a line for each thing that was tried."""
    lines = []
    for host in document["hosts"]:
        way = " -> ".join(host["route"])
        if host["ok"]:
            lines.append(f"{host['host']}: ok in {host['duration_s']:.2f} s ({way})")
        else:
            lines.append(f"{host['host']}: failed at {host['failed_at']}: {host['cause']} ({way})")
        for check in host["checks"]:
            note = f"  {check['message']}" if check.get("message") else ""
            state = check["status"] if check["required"] or check["status"] != "failed" else "not there"
            lines.append(
                f"  {check['name']:<7} {check['at']:<16} {state:<9} {check['duration_s']:>6.2f} s{note}"
            )
            if check["status"] == "failed" and check["required"]:
                lines.append(f"  {'next':<7} {check['next_step']} [{check['code']}]")
    return lines
