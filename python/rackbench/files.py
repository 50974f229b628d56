# SPDX-License-Identifier: Apache-2.0
"""How documents reach the disk: whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any


def write_atomic(path: Path, content: str | bytes, *, sync: bool = True, mode: int = 0o644) -> None:
    """Replace `path` by `content` in one step: a reader sees the old file or the new one, never half of it.

    With `sync` the bytes are on the disk before the name points at them. Raises `OSError`; nothing is left behind then.
    """
    import tempfile  # here and not above: readers start without it

    data = content.encode() if isinstance(content, str) else content
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            if sync:
                os.fsync(stream.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
    if sync:
        sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def json_text(document: Any) -> str:
    """Return a document as indented JSON with a final newline. Raises `ValueError` for NaN and infinities."""
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as hexadecimal digits. Raises `OSError`."""
    import hashlib  # here and not above: readers start without it

    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
