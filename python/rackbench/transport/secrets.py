# SPDX-License-Identifier: Apache-2.0
"""Turn an auth reference into its secret, when it is asked for and not before."""

from __future__ import annotations

import os
import subprocess
import threading
from typing import TYPE_CHECKING, Protocol

from rackbench.errors import RackbenchError
from rackbench.models import lab as models
from rackbench.transport import wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from rackbench.transport.labfile import LabFile

COMMAND_LIMIT_S = 100


class Secrets:
    """The secrets of a lab, each fetched at most once in the life of this object; a failure is kept as well.

    `decrypt` turns the text of a `vault` reference into its plain text; without it such a reference is missing.
    """

    def __init__(self, lab: LabFile, decrypt: Callable[[str], str] | None = None) -> None:
        self._lab = lab
        self._decrypt = decrypt
        self._lock = threading.Lock()
        self._known: dict[str, str | RackbenchError] = {}

    def get(self, name: str) -> str:
        """Return the secret behind a reference. Raises `RackbenchError("missing_secret")`, never with the secret."""
        with self._lock:
            if name not in self._known:
                try:
                    self._known[name] = self._fetch(name)
                except RackbenchError as error:
                    self._known[name] = error
            known = self._known[name]
        if isinstance(known, RackbenchError):
            raise known
        return known

    def _fetch(self, name: str) -> str:
        auth = self._lab.model.auth_refs.get(name)
        if isinstance(auth, models.PasswordEnv):
            value = os.environ.get(auth.variable, "")
            if not value:
                raise _missing(name, f"the environment variable {auth.variable} is not set")
        elif isinstance(auth, models.Command):
            value = self._from_command(name, auth.command)
        elif isinstance(auth, models.Vault):
            value = self._from_vault(name, auth.value)
        else:
            raise _missing(name, "it is not a reference to a password")
        if "\n" in value or "\0" in value:
            raise _missing(name, "it is more than one line")
        return value

    def _from_command(self, name: str, command: list[str]) -> str:
        try:
            done = subprocess.run(
                command,
                cwd=self._lab.project,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=COMMAND_LIMIT_S,
            )
        except OSError as error:
            raise _missing(name, f"the command {command[0]} cannot be started: {error.strerror}") from error
        except subprocess.TimeoutExpired as error:
            raise _missing(name, f"the command {command[0]} did not end in {COMMAND_LIMIT_S} s") from error
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            reason = f": {said[-1][:200]}" if said else ""
            raise _missing(name, f"the command {command[0]} ended with status {done.returncode}{reason}")
        lines = done.stdout.decode(errors="replace").splitlines()
        if not lines or not lines[0]:
            raise _missing(name, f"the command {command[0]} printed nothing")
        return lines[0]

    def _from_vault(self, name: str, text: str) -> str:
        if self._decrypt is None:
            raise _missing(name, "no vault password was given to this command")
        try:
            return self._decrypt(text).rstrip("\n")
        except Exception as error:
            # Whatever ansible-vault raises: its text names the cause, and never the plain text.
            raise _missing(name, f"it cannot be decrypted: {str(error).splitlines()[0][:200]}") from error


def _missing(name: str, reason: str) -> RackbenchError:
    return RackbenchError("missing_secret", f"The secret {name!r} is missing: {reason}.", where=name)


class BrokerSecrets:
    """The secrets of a lab as the broker of this controller gives them, for processes that Ansible forked."""

    def __init__(self, socket: str) -> None:
        self._socket = socket

    def get(self, name: str) -> str:
        """Return the secret behind a reference. Raises `RackbenchError("missing_secret")`."""
        try:
            answer = wire.ask(self._socket, {"do": "secret", "ref": name})
        except OSError as error:
            raise _missing(name, f"the broker does not answer: {error}") from error
        if not answer["ok"]:
            raise RackbenchError(answer["code"], answer["message"], where=name)
        return str(answer["value"])


class SecretSource(Protocol):
    """Whatever knows the secret behind an auth reference."""

    def get(self, name: str) -> str:
        """Return the secret behind a reference. Raises `RackbenchError("missing_secret")`."""
