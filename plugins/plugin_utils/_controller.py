# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE. What a benchmark needs that runs on the controller and reaches the host by itself."""

from __future__ import annotations

import contextlib
import sys
import typing as t

from ansible import constants
from ansible.plugins.loader import connection_loader

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ansible.playbook.play_context import PlayContext
    from ansible.plugins.connection import ConnectionBase

# What the benchmark takes over from our environment: ssh finds the agent by it.
INHERITED = ["SSH_AUTH_SOCK"]


def context_of_here(play_context: PlayContext) -> PlayContext:
    """Return the play's context for this machine: the host's shell and user are not ours."""
    here = play_context.copy()
    here.executable = constants.DEFAULT_EXECUTABLE
    here.shell = None
    return here


def connection_to_here(context: PlayContext) -> ConnectionBase:
    """Return a connection to this machine as ourselves, without the task's sudo."""
    connection = connection_loader.get("ansible.builtin.local", context)
    connection.set_options()
    return connection


def variables_of_here(task_vars: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return the host's variables with our own Python, the one that certainly works."""
    return {**task_vars, "ansible_python_interpreter": sys.executable}


@contextlib.contextmanager
def target(
    name: str, connection: ConnectionBase, variables: Mapping[str, t.Any], made: Path
) -> Iterator[dict[str, t.Any]]:
    """Give the `target` of job.json: how the benchmark reaches the host, as Ansible's connection does.

    A host of a lab file has its ssh configuration; that of another one is written to `made` and removed at the end.
    """
    from rackbench.errors import RackbenchError
    from rackbench.transport import plain

    kind = connection.transport
    reached = {"name": name, "connection": kind}
    if kind == "local":
        yield {**reached, "hostname": "localhost", "user": None, "port": None, "ssh_config": None}
        return
    if kind != "ssh":
        raise RackbenchError(
            "adapter_invalid",
            f"{name} is reached by {kind}, and a benchmark that runs on the controller can only go there by ssh.",
            where=name,
            next_step="Reach the host by ansible.builtin.ssh, or leave this benchmark out there.",
        )
    option = connection.get_option
    reached["user"] = option("remote_user")
    if "lab_ssh_config" in variables:
        yield {
            **reached,
            "hostname": str(variables["lab_hostname"]),
            "port": int(variables["lab_port"]),
            "ssh_config": str(variables["lab_ssh_config"]),
        }
        return
    hostname, port = option("host"), option("port")
    text = plain.render(
        name,
        hostname=hostname,
        user=option("remote_user"),
        port=port,
        key=option("private_key_file"),
        check_host_key=option("host_key_checking") is not False,
        arguments=option("ssh_args") or "",
        more_arguments=" ".join(filter(None, (option("ssh_common_args"), option("ssh_extra_args")))),
    )
    plain.write(made, text)
    try:
        yield {**reached, "hostname": hostname, "port": port, "ssh_config": str(made)}
    finally:
        made.unlink(missing_ok=True)
