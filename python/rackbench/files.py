# SPDX-License-Identifier: Apache-2.0
"""How documents reach the disk: whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rackbench.words import escaped

if TYPE_CHECKING:
    from io import BufferedReader


class NotRegularError(OSError):
    """What is in the place of a file is a link, or something else that is no regular file."""


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


def let_only_us_write() -> None:
    """Make what this process creates from now on writable by its owner alone, whatever umask it was started with."""
    os.umask(os.umask(0o077) | 0o022)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def open_regular(path: Path) -> BufferedReader:
    """Open a file that others may have put there for reading: nothing is waited for, and a link is not followed.

    Raises `OSError` that names the path, `NotRegularError` for what is no regular file, and `ValueError` for a name
    with NUL in it.
    """
    return os.fdopen(_opened(path, path, os.O_RDONLY), "rb")


def read_regular(path: Path) -> bytes:
    """Return the bytes of a file that others may have put there. Raises as `open_regular` does."""
    with open_regular(path) as stream:
        return stream.read()


def open_below(top: Path, name: str, flags: int) -> int:
    """Return a descriptor of the regular file `name`, a relative path, below a directory; `flags` are those of `open`.

    With `O_CREAT` missing directories are made. No link below `top` is followed, and nothing is waited for. Raises
    `OSError` that names the path, and `NotRegularError` for what is no regular file or no directory.
    """
    *folders, last = name.split("/")
    path = top
    folder = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in folders:
            path /= part
            if flags & os.O_CREAT:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, dir_fd=folder)
            try:
                below = os.open(
                    part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder
                )
            except NotADirectoryError as error:
                raise NotRegularError(
                    error.errno, "it is a link, or no directory", os.fspath(path)
                ) from error
            os.close(folder)
            folder = below
        return _opened(path / last, last, flags, folder)
    finally:
        os.close(folder)


def _opened(path: Path, name: str | Path, flags: int, folder: int | None = None) -> int:
    """Return a descriptor of the regular file `name` in `folder`, which is called `path`."""
    flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        handle = os.open(name, flags, 0o644, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise NotRegularError(errno.ELOOP, "it is a link", os.fspath(path)) from error
        raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise NotRegularError(errno.EINVAL, "it is no regular file", os.fspath(path))
    return handle


def json_text(document: Any) -> str:
    """Return a document as indented JSON with a final newline, which a terminal may show.

    Raises `ValueError` for NaN and infinities.
    """
    return escaped(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)) + "\n"


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as hexadecimal digits. Raises `OSError`."""
    import hashlib  # here and not above: readers start without it

    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
