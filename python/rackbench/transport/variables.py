# SPDX-License-Identifier: Apache-2.0
"""What Ansible is told about the machines of a lab: groups and variables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rackbench.transport.references import group_name

if TYPE_CHECKING:
    from pathlib import Path

    from rackbench.transport.labfile import LabFile
    from rackbench.transport.routes import Routes


def groups(lab: LabFile) -> dict[str, list[str]]:
    """Return the names of the groups of each host, beside `lab` and `all`."""
    return {name: [group_name(tag) for tag in host.tags] for name, host in lab.model.hosts.items()}


def of_host(routes: Routes, name: str, config: Path, broker: Path) -> dict[str, Any]:
    """Return the variables of a host. None holds a password: the one for sudo is a template that asks for it."""
    model = routes.lab.model
    host = model.hosts[name]
    endpoint = routes.endpoints[name]
    values: dict[str, Any] = {
        "ansible_connection": "ansible.builtin.ssh",
        # ssh knows the machine by its alias; address, port, user and keys are in the configuration.
        "ansible_host": name,
        "ansible_user": endpoint.user,
        # The configuration keeps connections open itself, and brings no compression.
        "ansible_ssh_args": f"-F {config}",
        # While sudo is awaited, Ansible counts this time from the start of ssh, which may have to open the chain.
        "ansible_ssh_timeout": routes.longest_wait_s(name),
        "lab_hostname": endpoint.hostname,
        "lab_port": endpoint.port,
        "lab_hops": routes.hops(name),
        "lab_display_name": host.display_name or name,
        "lab_inventory_file": str(routes.lab.path),
        "lab_broker": str(broker),
        "lab_ssh_config": str(config),
    }
    if python := host.python or model.defaults.python:
        values["ansible_python_interpreter"] = python
    if become := host.become or model.defaults.become:
        values["ansible_become_password"] = f"{{{{ lookup('rackbench.lab.secret', '{become.auth_ref}') }}}}"
    return {**values, **model.defaults.vars, **host.vars}
