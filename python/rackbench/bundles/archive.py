# SPDX-License-Identifier: Apache-2.0
"""Reproducible archives: the same files give the same bytes, whoever packs them, where and when."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from isal import igzip_threaded

from rackbench.errors import RackbenchError
from rackbench.files import sync_directory

if TYPE_CHECKING:
    from collections.abc import Mapping

# These two decide about the bytes; the number of threads does not.
_LEVEL = 2
_BLOCK_BYTES = 1024 * 1024
_THREADS = 2


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
            hashing = _Hashing(stream)
            unpacked = _write(files, hashing)
            stream.flush()
            os.fchmod(stream.fileno(), 0o644)
            os.fsync(stream.fileno())
        packed = Packed(hashing.digest.hexdigest(), hashing.position, unpacked, len(files))
        part.replace(out)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    sync_directory(out.parent)
    return packed


class _Counting:
    """A file to write to that knows how far it is, as tarfile wants it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream
        self.position = 0

    def write(self, block: bytes) -> int:
        self.position += len(block)
        return self.stream.write(block)

    def tell(self) -> int:
        return self.position

    def flush(self) -> None:
        self.stream.flush()


class _Hashing(_Counting):
    """A file to write to that hashes what it is given, so that nobody has to read it again."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(stream)
        self.digest = hashlib.sha256()

    def write(self, block: bytes) -> int:
        self.digest.update(block)
        return super().write(block)


def _write(files: Mapping[str, Path], stream: _Hashing) -> int:
    unpacked = 0
    with igzip_threaded.open(  # type: ignore[no-untyped-call]
        stream, "wb", compresslevel=_LEVEL, threads=_THREADS, block_size=_BLOCK_BYTES
    ) as compressed:
        counting: Any = _Counting(compressed)
        archive = tarfile.TarFile(
            fileobj=counting, mode="w", format=tarfile.USTAR_FORMAT, copybufsize=_BLOCK_BYTES
        )
        for name in sorted(files):
            path = files[name]
            if path.is_symlink() or not path.is_file():
                raise RackbenchError(
                    "bundle_toml_invalid", f"{path}: a bundle holds plain files only.", where=str(path)
                )
            with path.open("rb", buffering=0) as content:
                member = _member(name, os.fstat(content.fileno()))
                try:
                    archive.addfile(member, content)
                except ValueError as error:
                    raise RackbenchError(
                        "bundle_toml_invalid", f"{name}: {error}.", where=str(path)
                    ) from error
            unpacked += member.size
        archive.close()
    return unpacked


def _member(name: str, status: os.stat_result) -> tarfile.TarInfo:
    member = tarfile.TarInfo(PurePosixPath(name).as_posix())
    member.size = status.st_size
    member.mode = 0o755 if status.st_mode & 0o100 else 0o644
    member.mtime = 0
    return member
