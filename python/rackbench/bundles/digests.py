# SPDX-License-Identifier: Apache-2.0
"""Digests of files on the controller: a large bundle is read once, and again only when it changed."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from rackbench.files import json_text, sha256_of, write_atomic

_SCHEMA = "rackbench.digests/1.0"
# A file that was written this recently may be written again within one tick of its clock: it is not remembered yet.
_SETTLED_NS = 2_000_000_000


class Digests:
    """SHA-256 of files, remembered in a document for as long as size, modification time and inode stay the same.

    The document is a cache: one that cannot be read is begun anew, and one that cannot be written is done without.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._entries: dict[str, Any] | None = None

    def of(self, file: Path) -> str:
        """Return the SHA-256 of a file's bytes as hexadecimal digits. Raises `OSError`."""
        if self._path is None:
            return sha256_of(file)
        status = file.stat()
        key = [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns]
        name = os.path.realpath(file)
        entry = self._load().get(name)
        if isinstance(entry, dict) and entry.get("key") == key and isinstance(entry.get("sha256"), str):
            return str(entry["sha256"])
        digest = sha256_of(file)
        after = file.stat()
        unchanged = [after.st_dev, after.st_ino, after.st_size, after.st_mtime_ns] == key
        if unchanged and time.time_ns() - status.st_mtime_ns > _SETTLED_NS:
            self._remember(name, {"key": key, "sha256": digest})
        return digest

    def _load(self) -> dict[str, Any]:
        if self._entries is None:
            self._entries = self._read()
        return self._entries

    def _read(self) -> dict[str, Any]:
        assert self._path is not None  # noqa: S101 - the callers looked
        try:
            document = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return {}
        known = isinstance(document, dict) and document.get("schema") == _SCHEMA
        files = document.get("files") if known else None
        return files if isinstance(files, dict) else {}

    def _remember(self, name: str, entry: dict[str, Any]) -> None:
        assert self._path is not None  # noqa: S101 - the callers looked
        # What other processes found meanwhile is kept; of two at the same moment one is lost and found again later.
        files = {other: known for other, known in self._read().items() if Path(other).exists()}
        files[name] = entry
        self._entries = files
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self._path, json_text({"schema": _SCHEMA, "files": files}), sync=False)
        except OSError:
            return
