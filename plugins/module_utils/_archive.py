# SPDX-License-Identifier: Apache-2.0
"""Pack directories and unpack archives that nobody vouches for.

PRIVATE to rackbench.lab. Used on targets (standard library of Python 3.9 only) and by our action plugins
on the controller.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import stat
import tarfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

BLOCK_BYTES = 1024 * 1024
# What an archive's own headers may take, so that a small file cannot unroll into endless ones.
HEADER_BYTES_PER_MEMBER = 4096


class ArchiveRefusedError(Exception):
    """An archive breaks the rules. `member` is the name in question, or None if the whole archive is meant."""

    def __init__(self, what: str, member: str | None = None) -> None:
        super().__init__(what if member is None else f"{what}: {member!r}")
        self.what = what
        self.member = member


class TooLargeError(ArchiveRefusedError):
    """There are more bytes to pack than allowed."""


@dataclass
class Packed:
    """What `pack` wrote: the archive's size in bytes, SHA-256, members and files, and what was left out and why."""

    size: int
    sha256: str
    members: int
    files: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as hexadecimal digits. Raises `OSError`."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


class _HashingReader:
    """A readable file that hashes what is read from it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        block = self.stream.read(size)
        self.digest.update(block)
        return block


class _LimitedReader:
    """A readable file that refuses to give more bytes than a limit."""

    def __init__(self, stream: Any, limit: int) -> None:
        self.stream = stream
        self.left = limit

    def read(self, size: int = -1) -> bytes:
        block: bytes = self.stream.read(self.left + 1 if size < 0 else size)
        self.left -= len(block)
        if self.left < 0:
            raise ArchiveRefusedError("the archive unrolls to more bytes than declared")
        return block


def pack(base: Path, names: list[str], archive: Path, max_bytes: int) -> Packed:
    """Write the files and directories `names` below `base` to a new tar.gz file.

    Sockets, pipes, devices, names that are not UTF-8 and links that leave `base` are skipped and listed with the
    reason. Raises `TooLargeError` before writing when the files hold more than `max_bytes` bytes, and `OSError`; no
    archive is left behind then.
    """
    found, skipped = _walk(base, names)
    total = sum(entry.size for entry in found)
    if total > max_bytes:
        largest = max(found, key=lambda entry: entry.size)
        raise TooLargeError(
            f"{total} bytes to collect, {max_bytes} allowed; the largest file has {largest.size} bytes",
            largest.name,
        )
    packed = Packed(0, "", len(found), skipped=skipped)
    try:
        with archive.open("xb") as raw:
            with (
                gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=raw, mtime=0) as squeezed,
                tarfile.open(fileobj=squeezed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
            ):
                for entry in found:
                    _add(tar, base, entry, packed)
            raw.flush()
            os.fsync(raw.fileno())
        packed.size = archive.stat().st_size
        packed.sha256 = sha256_file(archive)
    except BaseException:
        with contextlib.suppress(OSError):
            archive.unlink()
        raise
    return packed


@dataclass
class _Entry:
    name: str
    kind: str
    size: int
    target: str = ""


def _walk(base: Path, names: list[str]) -> tuple[list[_Entry], list[dict[str, str]]]:
    """Return what is below `base` in a fixed order, without following links, and what is left out."""
    found: list[_Entry] = []
    skipped: list[dict[str, str]] = []
    waiting = sorted(names, reverse=True)
    while waiting:
        name = waiting.pop()
        path = base / name
        status = path.lstat()
        reason = None
        if not _is_utf8(name):
            name, reason = ascii(name), "its name is not UTF-8"
        elif stat.S_ISDIR(status.st_mode):
            found.append(_Entry(name, "dir", 0))
            waiting.extend(sorted((f"{name}/{child}" for child in os.listdir(path)), reverse=True))  # noqa: PTH208
        elif stat.S_ISREG(status.st_mode):
            found.append(_Entry(name, "file", status.st_size))
        elif stat.S_ISLNK(status.st_mode):
            target = str(path.readlink())
            reason = _link_problem(PurePosixPath(name), target)
            if reason is None:
                found.append(_Entry(name, "link", 0, target))
        else:
            reason = "it is no regular file"
        if reason is not None:
            skipped.append({"path": name, "reason": reason})
    return found, skipped


def _add(tar: tarfile.TarFile, base: Path, entry: _Entry, packed: Packed) -> None:
    info = tarfile.TarInfo(entry.name)
    if entry.kind == "dir":
        info.type, info.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(info)
        return
    if entry.kind == "link":
        info.type, info.linkname = tarfile.SYMTYPE, entry.target
        tar.addfile(info)
        return
    handle = os.open(base / entry.name, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(handle, "rb") as stream:
        status = os.fstat(stream.fileno())
        info.size = status.st_size
        info.mode = 0o755 if status.st_mode & 0o111 else 0o644
        info.mtime = int(status.st_mtime)
        reader = _HashingReader(stream)
        tar.addfile(info, reader)
    packed.files.append({"path": entry.name, "size": info.size, "sha256": reader.digest.hexdigest()})


def unpack(
    archive: Path, destination: Path, *, max_bytes: int, max_files: int, max_members: int | None = None
) -> list[dict[str, Any]]:
    """Unpack a tar.gz file into the new directory `destination`; return its files as `path`, `size`, `sha256`.

    Owners, times and special mode bits of the archive are not taken over. Raises `ArchiveRefusedError` for a name
    that is absolute, has `..` or stands twice; for links that leave the directory, hard links, devices and the like;
    for more bytes, files or members than declared (without `max_members`: four for each file); for anything that is
    no tar.gz. Raises `OSError`. What was unpacked until then stays: the caller unpacks to a place it throws away.
    """
    destination.mkdir(mode=0o755)
    members = 4 * max_files + 16 if max_members is None else max_members
    unpacking = _Unpacking(destination, max_bytes, max_files, members)
    limit = max_bytes + HEADER_BYTES_PER_MEMBER * (members + 16)
    try:
        with archive.open("rb") as raw, gzip.GzipFile(fileobj=raw, mode="rb") as plain:
            reader: Any = _LimitedReader(plain, limit)
            with tarfile.open(fileobj=reader, mode="r|") as tar:
                for member in tar:
                    unpacking.take(tar, member)
            # Reading on to the end lets gzip check its own sum.
            while reader.read(BLOCK_BYTES):
                pass
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, UnicodeError) as error:
        raise ArchiveRefusedError(f"it is no whole tar.gz file ({error})") from error
    unpacking.make_links()
    return unpacking.files


class _Unpacking:
    """The members taken so far, with their kinds: a name may stand once, and only a directory may hold others."""

    def __init__(self, destination: Path, max_bytes: int, max_files: int, max_members: int) -> None:
        self.destination = destination
        self.bytes_left = max_bytes
        self.members_left = max_members
        self.files_left = max_files
        self.kinds: dict[PurePosixPath, str] = {PurePosixPath("."): "dir"}
        self.links: list[tuple[PurePosixPath, str]] = []
        self.files: list[dict[str, Any]] = []

    def take(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        name = _safe_name(member.name)
        self.members_left -= 1
        if self.members_left < 0:
            raise ArchiveRefusedError("it has more members than declared")
        if member.isdir():
            self.make_directory(name, member.name)
            return
        if name in self.kinds:
            raise ArchiveRefusedError("a name stands twice", member.name)
        self.make_directory(name.parent, member.name)
        if member.isreg():
            self.kinds[name] = "file"
            self.write(tar, member, name)
        elif member.issym():
            problem = _link_problem(name, member.linkname)
            if problem is not None:
                raise ArchiveRefusedError(problem, member.name)
            self.kinds[name] = "link"
            self.links.append((name, member.linkname))
        else:
            raise ArchiveRefusedError("it is neither file, directory nor symbolic link", member.name)

    def make_directory(self, name: PurePosixPath, member: str) -> None:
        for part in (*reversed(name.parents), name):
            kind = self.kinds.get(part)
            if kind is None:
                (self.destination / part).mkdir(mode=0o755)
                self.kinds[part] = "dir"
            elif kind != "dir":
                raise ArchiveRefusedError("a name stands twice", member)

    def write(self, tar: tarfile.TarFile, member: tarfile.TarInfo, name: PurePosixPath) -> None:
        self.files_left -= 1
        self.bytes_left -= member.size
        if self.files_left < 0:
            raise ArchiveRefusedError("it has more files than declared", member.name)
        if self.bytes_left < 0:
            raise ArchiveRefusedError("it has more bytes than declared", member.name)
        source = tar.extractfile(member)
        if source is None:
            raise ArchiveRefusedError("it cannot be read", member.name)
        digest = hashlib.sha256()
        mode = 0o755 if member.mode & 0o111 else 0o644
        handle = os.open(self.destination / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        with os.fdopen(handle, "wb") as stream:
            while block := source.read(BLOCK_BYTES):
                digest.update(block)
                stream.write(block)
            os.fchmod(stream.fileno(), mode)
        self.files.append({"path": str(name), "size": member.size, "sha256": digest.hexdigest()})

    def make_links(self) -> None:
        """Make the links last, so that nothing is ever written through one."""
        for name, target in self.links:
            (self.destination / name).symlink_to(target)


def _safe_name(text: str) -> PurePosixPath:
    """Return a member's name as a relative path. Raises `ArchiveRefusedError`."""
    if not text or text.startswith("/") or "\0" in text:
        raise ArchiveRefusedError("its name is absolute or empty", text)
    if not _is_utf8(text):
        raise ArchiveRefusedError("its name is not UTF-8", ascii(text))
    name = PurePosixPath(text)
    if ".." in name.parts:
        raise ArchiveRefusedError("its name leaves the directory", text)
    return name


def _link_problem(name: PurePosixPath, target: str) -> str | None:
    """Return why a link must not be made, or None.

    Only leading `..` parts are allowed: they start at a real directory, so they can be counted. After a name they
    cannot, since that name may be another link.
    """
    if not target or target.startswith("/") or "\0" in target or not _is_utf8(target):
        return "the link leaves the directory"
    parts = [part for part in target.split("/") if part not in ("", ".")]
    climbs = 0
    while climbs < len(parts) and parts[climbs] == "..":
        climbs += 1
    if climbs > len(name.parts) - 1 or ".." in parts[climbs:]:
        return "the link leaves the directory"
    return None


def _is_utf8(text: str) -> bool:
    """Say whether a file's name can stand in a JSON document."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
