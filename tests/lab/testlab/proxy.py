# SPDX-License-Identifier: Apache-2.0
"""`lab.py proxy HOST PORT`: stdin and stdout joined to a TCP connection made from the controller's namespace."""

from __future__ import annotations

import os
import socket
import sys
import threading

from testlab import netns
from testlab.errors import NOT_RUNNING

CONTROLLER = "lab-ctl"
CONNECT_LIMIT_S = 30
# A peer behind a cut cable never answers: without this a proxy whose ssh was killed would wait for it for ever.
UNANSWERED_LIMIT_MS = 60_000
CHUNK = 1 << 18


def main(arguments: list[str], program: str) -> int:
    """Join stdin and stdout to HOST PORT until the far side ends; returns the exit code."""
    if len(arguments) != 2 or not arguments[1].isdigit():
        return _fail("usage: lab.py proxy HOST PORT")
    top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(program))))  # noqa: PTH120
    if not os.path.exists(f"{top}/.lab/run/ready"):  # noqa: PTH110 -- pathlib takes as long as all the rest
        return _fail(NOT_RUNNING)
    try:
        netns.enter(netns.path_of(CONTROLLER))
    except PermissionError:
        return _fail("the lab's proxy needs root: it enters a network namespace")
    except OSError:
        return _fail(NOT_RUNNING)
    host, port = arguments[0], int(arguments[1])
    try:
        line = socket.create_connection((host, port), CONNECT_LIMIT_S)
    except OSError as error:
        return _fail(f"cannot connect to {host} port {port}: {error.strerror or error}")
    line.settimeout(None)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNANSWERED_LIMIT_MS)
    threading.Thread(target=_upload, args=(line,), daemon=True).start()
    _download(line)
    # The upload may still wait for stdin; nothing is left for it to do.
    os._exit(0)


def _upload(line: socket.socket) -> None:
    try:
        while chunk := os.read(0, CHUNK):
            line.sendall(chunk)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10)
        line.shutdown(socket.SHUT_WR)
    except OSError:
        # The connection is gone: the download sees it too and ends the process.
        return


def _download(line: socket.socket) -> None:
    while True:
        try:
            # sshd at a hop only forwards, and then sends by Nagle's rule: an answer of several small parts would wait
            # for our kernel's late acknowledgement, 40 ms each time. The setting lasts for one answer.
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            chunk = line.recv(CHUNK)
        except OSError as error:
            # ssh itself reports only that the connection closed.
            sys.stderr.write(f"the connection was lost: {error.strerror}\n")
            return
        if not chunk:
            return
        try:
            left = memoryview(chunk)
            while left:
                left = left[os.write(1, left) :]
        except BrokenPipeError:
            # Nobody reads any more: ssh has ended.
            return


def _fail(message: str) -> int:
    sys.stderr.write(message + "\n")
    return 1
