# SPDX-License-Identifier: Apache-2.0
"""One question to the broker, one answer: a line of JSON each over a private socket. Standard library only."""

from __future__ import annotations

import json
import socket
from typing import Any

# A password manager may wait for a person.
ANSWER_LIMIT_S = 120


def ask(path: str, question: dict[str, Any]) -> dict[str, Any]:
    """Return the broker's answer, `{"ok": true, …}` or `{"ok": false, "code", "message"}`. Raises `OSError`."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(ANSWER_LIMIT_S)
        connection.connect(path)
        connection.sendall(json.dumps(question).encode() + b"\n")
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while block := connection.recv(65536):
            received += block
    try:
        answer = json.loads(received)
    except ValueError as error:
        raise OSError("the broker gave no answer") from error
    return dict(answer)
