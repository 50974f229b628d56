# SPDX-License-Identifier: Apache-2.0
"""Comments and labels, which a pull request has as an issue. They are kept in memory."""

from __future__ import annotations

import json
from typing import Any

LONGEST_COMMENT = 65_536
LOGIN = "github-actions[bot]"


class Issues:
    """Comments and names of labels by the number of the issue; the token is that of a workflow."""

    def __init__(self) -> None:
        self.comments: dict[int, list[dict[str, Any]]] = {}
        self.labels: dict[int, list[str]] = {}

    def comment(self, number: int, body: str, login: str = LOGIN) -> dict[str, Any]:
        """Add a comment, and return it."""
        new = {"id": 1 + sum(map(len, self.comments.values())), "user": {"login": login}, "body": body}
        self.comments.setdefault(number, []).append(new)
        return new

    def answer(self, method: str, path: list[str], body: bytes) -> tuple[int, Any]:
        """Return status and content, or the message of a refusal, for what is asked below `issues`."""
        match (method, path):
            case ("GET", [number, "comments"]):
                return 200, self.comments.get(int(number), [])
            case ("POST" | "PATCH", [*_, "comments"] | ["comments", _]):
                return self._write(path, json.loads(body)["body"])
            case (_, [number, "labels", *name]):
                return self._label(method, self.labels.setdefault(int(number), []), name, body)
        return 404, "Not Found"

    def _write(self, path: list[str], text: str) -> tuple[int, Any]:
        if len(text) > LONGEST_COMMENT:
            return 422, "Validation Failed"
        if path[0] != "comments":
            return 201, self.comment(int(path[0]), text)
        for each in (each for issue in self.comments.values() for each in issue):
            if each["id"] == int(path[1]):
                each["body"] = text
                return 200, each
        return 404, "Not Found"

    def _label(self, method: str, labels: list[str], name: list[str], body: bytes) -> tuple[int, Any]:
        if method == "POST":
            labels += [each for each in json.loads(body)["labels"] if each not in labels]
        elif method == "DELETE":
            if name[0] not in labels:
                return 404, "Label does not exist"
            labels.remove(name[0])
        return 200, [{"name": each} for each in labels]
