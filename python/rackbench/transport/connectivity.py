# SPDX-License-Identifier: Apache-2.0
"""Which of many hosts can be reached: one function for the command line and for the playbook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rackbench.transport import routes as lab_routes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rackbench.transport.labfile import LabFile
    from rackbench.transport.secrets import SecretSource


def probed(labs: Sequence[tuple[LabFile, SecretSource]], hosts: Sequence[str]) -> list[dict[str, Any]]:
    """Probe hosts hop by hop and return the findings, in the order of `hosts`.

    A host that no lab file describes, as this machine, has nothing to probe. Whatever goes wrong at a host is part of
    its findings and not raised.
    """
    from rackbench.transport.probe import probe

    found: dict[str, dict[str, Any]] = {}
    for lab, secrets in labs:
        mine = [name for name in hosts if name in lab.model.hosts and name not in found]
        if mine:
            found.update((item["host"], item) for item in probe(lab_routes.resolve(lab), mine, secrets))
    return [found.get(name) or not_in_a_lab(name) for name in hosts]


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
    return {**not_probed(host), "checks": [check]}


def not_probed(host: str) -> dict[str, Any]:
    """Return the finding for a host that nobody was to reach."""
    return {
        "host": host,
        "ok": True,
        "route": [host],
        "failed_at": None,
        "cause": None,
        "code": None,
        "checks": [],
        "duration_s": 0.0,
    }
