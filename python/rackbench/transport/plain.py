# SPDX-License-Identifier: Apache-2.0
"""Write the ssh configuration of a host that is in no lab file, from what Ansible's own inventory says of it."""

from __future__ import annotations

import getopt
import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from rackbench.errors import RackbenchError
from rackbench.transport.sshconfig import path_value

if TYPE_CHECKING:
    from collections.abc import Iterator

# The options of ssh itself, those with an argument before a colon.
OPTIONS = "46AaCfGgKkMNnqsTtVvXxYyB:b:c:D:E:e:F:I:i:J:L:l:m:O:o:P:p:Q:R:S:W:w:"
SETTING = re.compile(r"\s*([^\s=]+)\s*=?\s*(.*)", re.DOTALL)
INCLUDE = "Include"
USUAL_CONFIGS = ["~/.ssh/config", "/etc/ssh/ssh_config"]


def render(
    name: str,
    *,
    hostname: str,
    user: str | None,
    port: int | None,
    key: str | None,
    check_host_key: bool,
    arguments: str,
    more_arguments: str,
) -> str:
    """Return a configuration in which `name` is the host, its settings in the order in which Ansible gives them to ssh.

    Of the arguments those are taken over that say how the host is reached: -o, -F, -J, -i and -C. Without -F the user's
    own configuration and the system's count for what is not said. Raises `RackbenchError`.
    """
    settings = [*_settings(name, arguments), ("HostName", hostname.replace("%", "%%"))]
    if not check_host_key:
        settings.append(("StrictHostKeyChecking", "no"))
    if port is not None:
        settings.append(("Port", str(port)))
    if key:
        settings.append(("IdentityFile", path_value(Path(key).expanduser().absolute())))
    if user:
        settings.append(("User", f'"{user}"'))
    # Nobody is there to type a password.
    settings += [*_settings(name, more_arguments), ("BatchMode", "yes")]
    lines = [f"{word} {value}" for word, value in settings if word != INCLUDE]
    if any("\n" in line or "\r" in line for line in lines):
        raise RackbenchError("inventory_invalid", f"The ssh settings of {name} have a line break in them.")
    configs = [value for word, value in settings if word == INCLUDE][:1] or USUAL_CONFIGS
    included = [f"Include {value}" for value in configs if value != "none"]
    return "\n".join([f"Host {name}", *[f"  {line}" for line in lines], "Host *", *included, ""])


def write(path: Path, text: str) -> None:
    """Write the file for ourselves only: a proxy command may say what is not for others. Raises `RackbenchError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(text)
    except OSError as error:
        raise RackbenchError(
            "cache_unwritable", f"{path} cannot be written: {error.strerror or error}.", where=str(path)
        ) from error


def _settings(name: str, arguments: str) -> Iterator[tuple[str, str]]:
    try:
        options, _rest = getopt.getopt(shlex.split(arguments), OPTIONS)
    except (ValueError, getopt.GetoptError) as error:
        raise RackbenchError(
            "inventory_invalid", f"The ssh arguments of {name} cannot be read: {error}."
        ) from error
    for option, value in options:
        match option:
            case "-o":
                if found := SETTING.fullmatch(value):
                    yield found[1], found[2]
            case "-F":
                yield INCLUDE, value if value == "none" else path_value(Path(value).expanduser().absolute())
            case "-J":
                yield "ProxyJump", value
            case "-i":
                yield "IdentityFile", path_value(Path(value).expanduser().absolute())
            case "-C":
                yield "Compression", "yes"
