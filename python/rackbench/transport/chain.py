# SPDX-License-Identifier: Apache-2.0
"""Walk the way to a machine with paramiko, one hop after the other, so that it can be said which one failed and why."""

from __future__ import annotations

import logging
import socket
import subprocess
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import paramiko

from rackbench.errors import RackbenchError
from rackbench.models import lab as models
from rackbench.transport import failures, sshconfig

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rackbench.transport.routes import Endpoint, Routes
    from rackbench.transport.secrets import SecretSource

LOG_CHANNEL = "rackbench.transport.paramiko"


class ChainError(Exception):
    """Where and why the way ended: `cause` is one of the words of INV-5, `code` one of our failure codes."""

    def __init__(self, code: str, at: str, cause: str, message: str) -> None:
        super().__init__(message)
        self.code, self.at, self.cause, self.message = code, at, cause, message


@dataclass
class Link:
    """One machine of the way: reached (`transport`), then logged in, or failed. Times are seconds."""

    endpoint: Endpoint
    lock: threading.Lock = field(default_factory=threading.Lock)
    transport: paramiko.Transport | None = None
    failure: ChainError | None = None
    logged_in: bool = False
    duration_s: float = 0.0


class Chain:
    """The links of a lab. Each is opened at most once, however many machines lie behind it, and so is each failure.

    `check_key` is called with the host key of each machine before anybody logs in; it raises `ChainError` to refuse.
    """

    def __init__(
        self,
        routes: Routes,
        secrets: SecretSource,
        check_key: Callable[[Endpoint, paramiko.PKey], None] | None = None,
    ) -> None:
        # Paramiko logs what it raises anyway; without a handler Python would print it.
        logger = logging.getLogger(LOG_CHANNEL)
        logger.addHandler(logging.NullHandler())
        logger.propagate = False
        self.routes = routes
        self._secrets = secrets
        self._check_key = check_key or self._verify
        self._links = {name: Link(endpoint) for name, endpoint in routes.endpoints.items()}
        self._doors: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        """Nothing is open yet."""
        return self

    def __exit__(self, *_details: object) -> None:
        """Close everything, the farthest machine first."""
        for link in reversed(list(self._links.values())):
            if link.transport is not None:
                link.transport.close()
        for door in self._doors:
            door.kill()
            door.wait()

    def link(self, name: str) -> Link:
        """Return the link to `name` as it stands."""
        return self._links[name]

    def login(self, name: str) -> paramiko.Transport:
        """Return the connection to `name`, logged in, its hops first. Raises `ChainError`."""
        return self._open(name, login=True)

    def reach(self, name: str) -> paramiko.Transport:
        """Return the connection to `name` after its host key was checked, not logged in. Raises `ChainError`."""
        return self._open(name, login=False)

    def _open(self, name: str, *, login: bool) -> paramiko.Transport:
        link = self._links[name]
        before = self.login(link.endpoint.via) if link.endpoint.via is not None else None
        with link.lock:
            if link.failure is not None:
                raise link.failure
            began = time.monotonic()
            try:
                if link.transport is None:
                    link.transport = self._connect(link.endpoint, before)
                if login and not link.logged_in:
                    self._login(link.endpoint, link.transport)
                    link.logged_in = True
            except ChainError as failure:
                link.failure = failure
                raise
            finally:
                link.duration_s += time.monotonic() - began
            return link.transport

    def _connect(self, endpoint: Endpoint, before: paramiko.Transport | None) -> paramiko.Transport:
        stream, door = self._stream(endpoint, before)
        transport = paramiko.Transport(stream)
        transport.set_log_channel(LOG_CHANNEL)
        transport.daemon = True
        transport.banner_timeout = transport.handshake_timeout = endpoint.connect_timeout_s
        self._prefer_known(endpoint, transport)
        try:
            transport.start_client(timeout=endpoint.connect_timeout_s)
            self._check_key(endpoint, transport.get_remote_server_key())
        except ChainError:
            transport.close()
            raise
        except (paramiko.SSHException, EOFError, OSError) as error:
            transport.close()
            said = _last_words(door) if door else ""
            text = said or str(error) or "the connection was closed"
            cause = "timeout" if "timeout" in text.lower() or "timed out" in text else "network"
            raise self._unreachable(endpoint, cause, text) from error
        return transport

    def _stream(
        self, endpoint: Endpoint, before: paramiko.Transport | None
    ) -> tuple[Any, subprocess.Popen[bytes] | None]:
        """Return what carries the bytes to the machine, and the proxy command that does if there is one."""
        if before is not None:
            try:
                return before.open_channel(
                    "direct-tcpip",
                    (endpoint.hostname, endpoint.port),
                    ("127.0.0.1", 0),
                    timeout=endpoint.connect_timeout_s,
                ), None
            except (paramiko.SSHException, EOFError, OSError) as error:
                finding = failures.classify(str(error).replace("Timeout", "timed out"))
                message = f"seen from {endpoint.via}: {error}"
                raise self._unreachable(endpoint, finding.cause, message) from error
        if endpoint.proxy_command is not None:
            ours, theirs = socket.socketpair()
            try:
                with theirs:
                    door = subprocess.Popen(
                        list(endpoint.proxy_command),
                        cwd=self.routes.lab.project,
                        stdin=theirs.fileno(),
                        stdout=theirs.fileno(),
                        stderr=subprocess.PIPE,
                    )
            except OSError as error:
                ours.close()
                message = f"the proxy command cannot be started: {error}"
                raise self._unreachable(endpoint, "network", message) from error
            self._doors.append(door)
            return ours, door
        try:
            return socket.create_connection(
                (endpoint.hostname, endpoint.port), timeout=endpoint.connect_timeout_s
            ), None
        except (socket.gaierror, UnicodeError) as error:
            raise self._unreachable(endpoint, "name", f"it has no address: {error}") from error
        except TimeoutError as error:
            message = f"no answer in {endpoint.connect_timeout_s} s"
            raise self._unreachable(endpoint, "timeout", message) from error
        except OSError as error:
            raise self._unreachable(endpoint, "network", str(error.strerror)) from error

    def _login(self, endpoint: Endpoint, transport: paramiko.Transport) -> None:
        name, user = endpoint.name, endpoint.user
        transport.auth_timeout = endpoint.connect_timeout_s + 10
        try:
            if password := self.routes.password_ref(endpoint):
                transport.auth_password(user, self._secrets.get(password), fallback=False)
                return
            keys = self._keys(endpoint)
            if not keys:
                raise ChainError("missing_secret", name, "missing secret", "no key to log in with was found")
            for index, key in enumerate(keys, start=1):
                try:
                    transport.auth_publickey(user, key)
                except paramiko.AuthenticationException:
                    if index == len(keys):
                        raise
                else:
                    return
        except RackbenchError as error:
            raise ChainError(error.code, name, "missing secret", error.message) from error
        except paramiko.BadAuthenticationType as error:
            allowed = ", ".join(error.allowed_types)
            message = f"{user} cannot log in with {endpoint.auth.type}; the machine allows: {allowed}"
            raise ChainError("auth_refused", name, "auth", message) from error
        except paramiko.AuthenticationException as error:
            message = f"the machine refused {user} with {endpoint.auth_ref}"
            raise ChainError("auth_refused", name, "auth", message) from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise self._unreachable(endpoint, "network", f"the login broke off: {error}") from error

    def _keys(self, endpoint: Endpoint) -> list[Any]:
        if (path := self.routes.key_path(endpoint)) is not None:
            return [self._key(path, self.routes.passphrase_ref(endpoint), endpoint.name)]
        files = []
        if isinstance(endpoint.auth, models.SshConfig):
            own = sshconfig.own_settings(endpoint.auth.host or endpoint.hostname)
            files = [value.strip('"') for key, value in own if key == "IdentityFile"]
        keys: list[Any] = list(paramiko.Agent().get_keys())
        for file in files:
            try:
                keys.append(paramiko.PKey.from_path(file))
            except (OSError, paramiko.SSHException, ValueError):
                # The user's configuration names keys that may not exist, or wait in the agent for their passphrase.
                continue
        return keys

    def _key(self, path: Path, passphrase_ref: str | None, at: str) -> paramiko.PKey:
        passphrase: Any = self._secrets.get(passphrase_ref).encode() if passphrase_ref else None
        try:
            return paramiko.PKey.from_path(path, passphrase)
        except OSError as error:
            message = f"The key file {path} cannot be read: {error.strerror}."
            raise RackbenchError("missing_secret", message, where=at) from error
        except (paramiko.SSHException, ValueError, TypeError) as error:
            locked = passphrase is not None or "password" in str(error)
            reason = "its passphrase is wrong or missing" if locked else str(error)
            raise ChainError(
                "auth_refused", at, "auth", f"the key {path} cannot be used: {reason}"
            ) from error

    def _prefer_known(self, endpoint: Endpoint, transport: paramiko.Transport) -> None:
        """Ask the machine for a key of the kind that is recorded, as OpenSSH does."""
        kinds = {key.split()[0] for key in recorded_keys(self.routes, endpoint)}
        if "ssh-rsa" in kinds:
            kinds |= {"rsa-sha2-512", "rsa-sha2-256"}
        options = transport.get_security_options()
        options.key_types = sorted(options.key_types, key=lambda kind: kind not in kinds)

    def _verify(self, endpoint: Endpoint, key: paramiko.PKey) -> None:
        known = recorded_keys(self.routes, endpoint)
        if not known:
            message = f"no host key is recorded; the machine shows {fingerprint(key)}"
            raise ChainError("host_key_unknown", endpoint.name, "host key", message)
        if f"{key.get_name()} {key.get_base64()}" not in known:
            message = f"the machine shows {fingerprint(key)}, which is not the recorded key"
            raise ChainError("host_key_changed", endpoint.name, "host key", message)

    @staticmethod
    def _unreachable(endpoint: Endpoint, cause: str, message: str) -> ChainError:
        code = failures.unreachable_code(is_hop=endpoint.is_hop)
        where = f"{endpoint.hostname} port {endpoint.port}"
        return ChainError(code, endpoint.name, cause, f"{where}: {message}")


def fingerprint(key: paramiko.PKey) -> str:
    """Return a host key's fingerprint as ssh-keygen prints it: `SHA256:… (ssh-ed25519)`."""
    return f"{key.fingerprint} ({key.get_name()})"


def recorded_keys(routes: Routes, endpoint: Endpoint) -> list[str]:
    """Return the host keys on record for a machine, `type base64` each: the lab file's own, or known_hosts'."""
    if endpoint.host_key is not None:
        return [endpoint.host_key]
    try:
        lines = routes.lab.known_hosts.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        message = f"{routes.lab.known_hosts} cannot be read: {error}"
        raise ChainError("host_key_unknown", endpoint.name, "host key", message) from error
    fields = [line.split() for line in lines]
    return [
        f"{parts[1]} {parts[2]}"
        for parts in fields
        if len(parts) >= 3 and endpoint.name in parts[0].split(",")
    ]


def _last_words(door: subprocess.Popen[bytes]) -> str:
    """Return what a proxy command that has ended said on standard error; nothing if it still runs."""
    try:
        _out, said = door.communicate(timeout=2)
    except subprocess.TimeoutExpired:
        return ""
    lines = said.decode(errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else ""
