# SPDX-License-Identifier: Apache-2.0
"""A proxy on 127.0.0.1 that leads to the stand-in whoever asks for GitHub's own API, and nobody anywhere else."""

from __future__ import annotations

import contextlib
import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from tests.standins.github.server import GithubStandin

API = "api.github.com:443"


class GithubProxy(ThreadingHTTPServer):
    """A context manager; `address` is for HTTPS_PROXY."""

    daemon_threads = True

    def __init__(self, standin: GithubStandin) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.port = int(standin.host.rpartition(":")[2])
        self.address = f"http://127.0.0.1:{self.server_address[1]}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: GithubProxy
    timeout = 60

    def do_CONNECT(self) -> None:
        self.close_connection = True
        if self.path != API:
            self.send_error(HTTPStatus.FORBIDDEN)
            return
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=60) as upstream:
            self.send_response(HTTPStatus.OK, "Connection established")
            self.end_headers()
            back = threading.Thread(target=_copy, args=(upstream, self.connection), daemon=True)
            back.start()
            _copy(self.connection, upstream)
            back.join()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


def _copy(source: socket.socket, destination: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            destination.sendall(data)
    with contextlib.suppress(OSError):
        destination.shutdown(socket.SHUT_WR)
