# SPDX-License-Identifier: Apache-2.0
"""Reproducible archives: the same files give the same bytes, whoever packs them, where and when."""

from __future__ import annotations

import contextlib
import gzip
import os
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from rackbench.errors import RackbenchError
from rackbench.files import sha256_of, sync_directory

if TYPE_CHECKING:
    from collections.abc import Mapping

_LEVEL = 9


@dataclass(frozen=True, slots=True)
class Packed:
    """What `pack` made: the archive's SHA-256 and size, and size and number of the files in it (bytes)."""

    digest: str
    size: int
    unpacked_size: int
    file_count: int


def pack(files: Mapping[str, Path], out: Path) -> Packed:
    """Write the files (name in the archive: file) to the gzipped ustar archive `out`, and say what came out.

    Names are relative POSIX paths. Owners, times and the umask leave no trace; a file is 0755 when its owner may
    execute it, else 0644. Raises `RackbenchError` for a file that is not a plain one, and `OSError`; a failure leaves
    no `out` behind.
    """
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.", suffix=".tmp")
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            unpacked = _write(files, stream)
            stream.flush()
            os.fchmod(stream.fileno(), 0o644)
            os.fsync(stream.fileno())
        packed = Packed(sha256_of(part), part.stat().st_size, unpacked, len(files))
        part.replace(out)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    sync_directory(out.parent)
    return packed


def _write(files: Mapping[str, Path], stream: IO[bytes]) -> int:
    unpacked = 0
    with (
        gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=stream, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name in sorted(files):
            path = files[name]
            if path.is_symlink() or not path.is_file():
                raise RackbenchError(
                    "bundle_toml_invalid", f"{path}: a bundle holds plain files only.", where=str(path)
                )
            with path.open("rb") as content:
                member = _member(name, os.fstat(content.fileno()))
                try:
                    archive.addfile(member, content)
                except ValueError as error:
                    raise RackbenchError(
                        "bundle_toml_invalid", f"{name}: {error}.", where=str(path)
                    ) from error
            unpacked += member.size
    return unpacked


def _member(name: str, status: os.stat_result) -> tarfile.TarInfo:
    member = tarfile.TarInfo(PurePosixPath(name).as_posix())
    member.size = status.st_size
    member.mode = 0o755 if status.st_mode & 0o100 else 0o644
    member.mtime = 0
    return member
