# SPDX-License-Identifier: Apache-2.0
"""A web server over a directory on loopback, with ranges, that can be told to go wrong in many ways."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator
    from pathlib import Path


@dataclass
class Fault:
    """How requests for a file go wrong: the first `times` of them, after `after` bytes of the body."""

    kind: str
    times: int = 1_000_000
    after: int = 0
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    hook: Callable[[], None] = lambda: None


@dataclass
class Asked:
    """A request that came, and the status that went back."""

    name: str
    headers: dict[str, str]
    status: int


class CacheServer:
    """The server; `asked` are the requests, and `faults` how those for a file go wrong."""

    def __init__(self, directory: Path, context: ssl.SSLContext | None = None) -> None:
        self.directory = directory
        self.asked: list[Asked] = []
        self.faults: dict[str, Fault] = {}
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        if context:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self.url = f"http{'s' if context else ''}://127.0.0.1:{self._server.server_port}/cache"

    def asked_for(self, suffix: str = ".tar.gz") -> list[Asked]:
        """Return the requests for files with this ending."""
        return [asked for asked in self.asked if asked.name.endswith(suffix)]

    def fault_of(self, name: str) -> Fault | None:
        """Return how the next request for a file goes wrong."""
        fault = self.faults.get(name)
        if fault is None or fault.times <= 0:
            return None
        fault.times -= 1
        return fault

    @contextmanager
    def serving(self) -> Iterator[CacheServer]:
        """Serve until the end of the block."""
        self._thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    owner: CacheServer

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients of these tests hang up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        name = unquote(self.path.removeprefix("/cache/"))
        fault = self.server.owner.fault_of(name) or Fault("none")
        path = self.server.owner.directory / name
        if fault.kind == "status":
            self.answer(name, fault.status, fault.headers, b"an answer that is no file", fault)
        elif fault.kind == "hang up":
            self.close_connection = True
        elif not path.is_file():
            self.answer(name, 404, {}, b"no such file", fault)
        else:
            self.send_file(name, path.read_bytes(), fault)

    def send_file(self, name: str, content: bytes, fault: Fault) -> None:
        tag = f'"{len(content)}-{hash(content)}"'
        if fault.kind == "other bytes":
            content = bytes(byte ^ 1 for byte in content)
        elif fault.kind == "short":
            content = content[: fault.after]
        elif fault.kind == "long":
            content += b"x" * 1000
        headers = {"ETag": tag, "Accept-Ranges": "bytes", **fault.headers}
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = self.headers.get("If-Range", tag) == tag
        if not wanted or not same or fault.kind == "no ranges":
            self.answer(name, 200, headers, content, fault)
            return
        start = int(wanted[1])
        if start >= len(content) or fault.kind == "416":
            self.answer(name, 416, {"Content-Range": f"bytes */{len(content)}"}, b"", fault)
            return
        shown = 0 if fault.kind == "wrong range" else start
        headers["Content-Range"] = f"bytes {shown}-{len(content) - 1}/{len(content)}"
        self.answer(name, 206, headers, content[start:], fault)

    def answer(self, name: str, status: int, headers: dict[str, str], body: bytes, fault: Fault) -> None:
        self.server.owner.asked.append(Asked(name, dict(self.headers), status))
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        if "no length" in fault.headers:
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: fault.after] if fault.kind in {"drop", "hook"} else body)
        self.wfile.flush()
        if fault.kind == "drop":
            self.close_connection = True
        elif fault.kind == "hook":
            fault.hook()
            self.wfile.write(body[fault.after :])
