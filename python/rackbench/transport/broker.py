# SPDX-License-Identifier: Apache-2.0
"""The one who knows the passwords: a thread in the controller that answers askpass over a private socket.

Secrets live in the memory of this process only. The socket is 0600 in a 0700 directory, and the peer must be of our
own user. A prompt is answered only inside an attempt that the opener announced, only if it is exactly the prompt that
ssh gives for that machine or key, and once: a refused password fails at once instead of being tried again.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets as randomness
import socket
import socketserver
import struct
import threading
from typing import TYPE_CHECKING, Any

from rackbench.errors import RackbenchError

if TYPE_CHECKING:
    from pathlib import Path

    from rackbench.transport.routes import Endpoint, Routes
    from rackbench.transport.secrets import Secrets

# ssh cuts the path in its question for a passphrase after this many bytes.
KEY_PATH_SHOWN = 100


class Broker:
    """Answers questions about the secrets of one lab until it is closed."""

    def __init__(self, path: Path, routes: Routes, secrets: Secrets) -> None:
        self._routes = routes
        self._secrets = secrets
        self._lock = threading.Lock()
        self._attempts: dict[str, dict[str, str]] = {}
        self._server = _Server(str(path), _Handler)
        self._server.broker = self
        path.chmod(0o600)
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 3600},
            name="rackbench-broker",
            daemon=True,
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening. The thread ends with the process."""
        with contextlib.suppress(OSError):
            self._server.socket.close()

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to one question; a refusal says why, a secret is in no refusal."""
        try:
            match question.get("do"):
                case "begin":
                    return {"ok": True, "attempt": self._begin(str(question.get("alias")))}
                case "end":
                    with self._lock:
                        self._attempts.pop(str(question.get("attempt")), None)
                    return {"ok": True}
                case "prompt":
                    return self._prompt(str(question.get("attempt")), str(question.get("prompt")))
                case "secret":
                    return {"ok": True, "value": self._secrets.get(str(question.get("ref")))}
        except RackbenchError as error:
            return {"ok": False, "code": error.code, "message": error.message}
        return {"ok": False, "code": "internal_error", "message": "This is no question for the broker."}

    def _begin(self, alias: str) -> str:
        """Announce an attempt: its secrets are fetched first, so that a missing one costs no login."""
        endpoint = self._routes.endpoints.get(alias)
        if endpoint is None:
            raise RackbenchError("unknown_host", f"The lab has no machine {alias!r}.")
        key = self._routes.key_path(endpoint)
        if key is not None and not os.access(key, os.R_OK):
            raise RackbenchError(
                "missing_secret", f"The key file {key} is missing or cannot be read.", where=alias
            )
        prompts = {}
        if ref := self._routes.password_ref(endpoint):
            self._secrets.get(ref)
            prompts[password_prompt(endpoint)] = ref
        if key is not None and (ref := self._routes.passphrase_ref(endpoint)):
            self._secrets.get(ref)
            prompts[passphrase_prompt(key)] = ref
        attempt = randomness.token_hex(16)
        with self._lock:
            self._attempts[attempt] = prompts
        return attempt

    def _prompt(self, attempt: str, prompt: str) -> dict[str, Any]:
        with self._lock:
            ref = self._attempts.get(attempt, {}).pop(prompt.rstrip(" "), None)
        if ref is None:
            return {"ok": False, "code": "auth_refused", "message": "This prompt is not expected."}
        return {"ok": True, "value": self._secrets.get(ref)}


def password_prompt(endpoint: Endpoint) -> str:
    """Return what ssh asks for the password of an endpoint, without the space at its end."""
    return f"{endpoint.user}@{endpoint.name}'s password:"


def passphrase_prompt(key: Path) -> str:
    """Return what ssh asks for the passphrase of a key file, without the space at its end."""
    shown = os.fsencode(key)[:KEY_PATH_SHOWN].decode(errors="replace")
    return f"Enter passphrase for key '{shown}':"


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 128
    broker: Broker


class _Handler(socketserver.StreamRequestHandler):
    timeout = 30

    def handle(self) -> None:
        """Answer one question of a process of our own user."""
        server = self.server
        if not isinstance(server, _Server) or peer_uid(self.request) != os.getuid():
            return
        # A peer that goes away or speaks something else gets no answer; that is all it may expect.
        with contextlib.suppress(OSError, ValueError):
            question = json.loads(self.rfile.readline(65536))
            if isinstance(question, dict):
                self.wfile.write(json.dumps(server.broker.answer(question)).encode())


def peer_uid(connection: socket.socket) -> int:
    """Return the user id of the process at the other end of a unix socket."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    uid: int = struct.unpack("3i", credentials)[1]
    return uid
