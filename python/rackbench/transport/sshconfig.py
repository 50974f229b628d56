# SPDX-License-Identifier: Apache-2.0
"""Write the ssh configuration of a lab, the one that everything passes with `-F`.

Each machine has two names in it. Its alias is what Ansible, sftp and later hops use: it goes only over a connection
that is already open, and first runs the opener, which opens it if need be. `<alias>+dial` is what the opener dials.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from rackbench.errors import RackbenchError
from rackbench.models import lab as models
from rackbench.transport.opener import CONTROL, DIAL, STATE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rackbench.transport.routes import Endpoint, Routes

OPEN = "open"
KEEP_OPEN_S = 300
# What ssh -G may say about a host that we take over for an auth reference of type ssh_config.
OWN_CONFIG_KEYS = {
    "identityfile": "IdentityFile",
    "certificatefile": "CertificateFile",
    "identityagent": "IdentityAgent",
    "identitiesonly": "IdentitiesOnly",
    "pkcs11provider": "PKCS11Provider",
}


def proxy_command(arguments: Sequence[str]) -> str:
    """Return an argument list as the value of ProxyCommand: through the shell each argument arrives as it was.

    `%` is doubled since ssh expands it; the first argument is always quoted, since ssh takes a leading `=` away and
    understands the word `none`.
    """
    first = "'" + arguments[0].replace("'", "'\"'\"'") + "'"
    return " ".join([first, *map(shlex.quote, arguments[1:])]).replace("%", "%%")


def path_value(path: Path) -> str:
    """Return a path as a quoted value. Raises `RackbenchError` for characters that ssh gives no way to write."""
    text = str(path)
    if any(sign in text for sign in ('"', "\\", "\n", "\r", "${")):
        raise RackbenchError(
            "inventory_invalid", f'{text!r}: ssh cannot take a path with ", \\ or ${{ in it.'
        )
    return '"' + text.replace("%", "%%") + '"'


def control_path(runtime: Path, name: str) -> Path:
    """Return the socket of an alias's shared connection: hashed, since a socket's path must be short."""
    return runtime / CONTROL / hashlib.sha256(name.encode()).hexdigest()[:12]


def render(routes: Routes, runtime: Path, pinned: Path) -> str:
    """Return the whole configuration. `pinned` is the known_hosts with the keys that stand in the lab file itself."""
    blocks = [
        f"# Made by Rackbench from {routes.lab.path}; ssh -F this file ALIAS. It goes away with the run.\n"
    ]
    for endpoint in routes.endpoints.values():
        known_hosts = pinned if endpoint.host_key else routes.lab.known_hosts
        blocks.append(_alias(endpoint, runtime))
        blocks.append(_dial(routes, endpoint, runtime, known_hosts))
    blocks.append(
        _block("Host *", [("BatchMode", "yes"), ("ControlMaster", "no"), ("ProxyCommand", "false")])
    )
    return "\n".join(blocks)


def pinned_keys(routes: Routes) -> str:
    """Return the known_hosts lines of the host keys that stand in the lab file."""
    return "".join(f"{name} {item.host_key}\n" for name, item in routes.endpoints.items() if item.host_key)


def _alias(endpoint: Endpoint, runtime: Path) -> str:
    control = control_path(runtime, endpoint.name)
    opener = f"/bin/sh {runtime}/{OPEN} {endpoint.name} {control}"
    settings = [
        ("HostName", endpoint.hostname.replace("%", "%%")),
        ("ControlPath", path_value(control)),
        ("ControlMaster", "no"),
        ("BatchMode", "yes"),
        # Reached only when the opener could not open the connection, and has said why.
        ("ProxyCommand", "false"),
    ]
    # The opener runs for its effect; the block it guards has nothing that the next one does not have.
    return f'Match originalhost {endpoint.name} exec "{opener}"\n' + _block(f"Host {endpoint.name}", settings)


def _dial(routes: Routes, endpoint: Endpoint, runtime: Path, known_hosts: Path) -> str:
    settings = [
        ("HostName", endpoint.hostname.replace("%", "%%")),
        ("Port", str(endpoint.port)),
        ("User", endpoint.user),
        ("HostKeyAlias", endpoint.name),
        ("StrictHostKeyChecking", "yes"),
        ("UserKnownHostsFile", path_value(known_hosts)),
        ("GlobalKnownHostsFile", "/dev/null"),
        ("UpdateHostKeys", "no"),
        ("CheckHostIP", "no"),
        ("ControlMaster", "yes"),
        ("ControlPath", path_value(control_path(runtime, endpoint.name))),
        ("ControlPersist", str(KEEP_OPEN_S)),
        ("ConnectTimeout", str(endpoint.connect_timeout_s)),
        ("ConnectionAttempts", "1"),
        ("ServerAliveInterval", "5"),
        ("ServerAliveCountMax", "3"),
        ("NumberOfPasswordPrompts", "1"),
        ("Compression", "no"),
        ("ForwardAgent", "no"),
        ("ForwardX11", "no"),
        ("BatchMode", "no"),
        *_auth(routes, endpoint),
    ]
    if endpoint.via is not None:
        settings.append(("ProxyJump", endpoint.via))
    elif endpoint.proxy_command is not None:
        # With ControlPersist ssh would throw away what the command says.
        said = runtime / STATE / f"{endpoint.name}.stderr"
        settings.append(("ProxyCommand", f"{proxy_command(endpoint.proxy_command)} 2>>{said}"))
    else:
        settings.append(("ProxyCommand", "none"))
    return _block(f"Host {endpoint.name}{DIAL}", settings)


def _auth(routes: Routes, endpoint: Endpoint) -> list[tuple[str, str]]:
    auth = endpoint.auth
    if auth.type in models.PASSWORD_TYPES:
        return [("PreferredAuthentications", "password"), ("PubkeyAuthentication", "no")]
    settings = [("PreferredAuthentications", "publickey"), ("PasswordAuthentication", "no")]
    if isinstance(auth, models.KeyFile):
        key = routes.lab.resolve(auth.path)
        return [*settings, ("IdentityFile", path_value(key)), ("IdentitiesOnly", "yes")]
    if isinstance(auth, models.SshConfig):
        return [*settings, *own_settings(auth.host or endpoint.hostname)]
    return settings


def own_settings(host: str) -> list[tuple[str, str]]:
    """Return the keys and agent that the user's own ssh configuration gives for a host. Nothing is dialled."""
    done = subprocess.run(["ssh", "-G", "--", host], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    settings = []
    for line in done.stdout.splitlines():
        key, _, value = line.partition(" ")
        if key in OWN_CONFIG_KEYS and value not in {"none", ""}:
            plain = value if key == "identitiesonly" else path_value(Path(os.path.expanduser(value)))  # noqa: PTH111
            settings.append((OWN_CONFIG_KEYS[key], plain))
    return settings


def _block(head: str, settings: list[tuple[str, str]]) -> str:
    return head + "\n" + "".join(f"  {key} {value}\n" for key, value in settings)
