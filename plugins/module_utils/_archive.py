# SPDX-License-Identifier: GPL-3.0-or-later
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
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK_BYTES = 1024 * 1024
# How many unpacked blocks may wait for the disk: what unpacking takes of memory, whatever the archive's size.
BLOCKS_AHEAD = 3
# What the headers of one member may take: a name and a link of 4096 bytes each fit, endless headers do not.
HEADER_BYTES = 16 * 1024
# What may follow the last member: nothing but zeros, as much as the largest usual record of tar.
TRAILER_BYTES = 1024 * 1024
# What file systems take as a name, and as a path with room for the directory that it is unpacked to.
PART_BYTES = 255
NAME_BYTES = 2048
# ELF's machines by number, bits and whether they are little-endian: their names on Linux and elsewhere.
ELF_MACHINES = {
    (3, 32, True): {"i386", "i486", "i586", "i686", "x86"},
    (8, 64, True): {"mips64el", "mips64le"},
    (21, 64, False): {"ppc64", "powerpc64"},
    (21, 64, True): {"ppc64le", "ppc64el", "powerpc64le"},
    (22, 64, False): {"s390x"},
    (40, 32, True): {"arm", "armel", "armhf", "armv5tel", "armv6l", "armv7", "armv7l", "armv8l"},
    (62, 64, True): {"amd64", "x64", "x86-64", "x86_64"},
    (183, 64, True): {"aarch64", "arm64"},
    (243, 64, True): {"riscv64", "riscv64gc"},
    (258, 64, True): {"loong64", "loongarch64"},
}


class ArchiveRefusedError(Exception):
    """An archive breaks the rules. `member` is the name in question, or None if the whole archive is meant."""

    def __init__(self, what: str, member: str | None = None) -> None:
        super().__init__(what if member is None else f"{what}: {member!r}")
        self.what = what
        self.member = member


class TooLargeError(ArchiveRefusedError):
    """There are more bytes to pack than allowed."""


class OtherBytesError(ArchiveRefusedError):
    """An archive is not the one that was asked for. `found` is the SHA-256 that it has."""

    def __init__(self, found: str) -> None:
        super().__init__(f"its bytes are others: their SHA-256 is {found}")
        self.found = found


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
    block = memoryview(bytearray(BLOCK_BYTES // 4))
    with path.open("rb", buffering=0) as stream:
        while size := stream.readinto(block):
            digest.update(block[:size])
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


class _HashingWriter:
    """A writable file that hashes and counts what is written to it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, block: bytes) -> int:
        self.digest.update(block)
        self.size += len(block)
        return self.stream.write(block)

    def flush(self) -> None:
        self.stream.flush()


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
        # It may hold files that are for their owner only.
        with os.fdopen(os.open(archive, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as raw:
            out: Any = _HashingWriter(raw)
            with (
                gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=out, mtime=0) as squeezed,
                tarfile.open(fileobj=squeezed, mode="w", format=tarfile.PAX_FORMAT) as tar,
            ):
                for entry in found:
                    _add(tar, base, entry, packed)
            raw.flush()
            os.fsync(raw.fileno())
        packed.size = out.size
        packed.sha256 = out.digest.hexdigest()
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
        problem = _text_problem(name)
        if problem is not None:
            name, reason = ascii(name), f"its name {problem}"
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
        info.mode = _mode(entry.name, status.st_mode)
        info.mtime = int(status.st_mtime)
        reader = _HashingReader(stream)
        tar.addfile(info, reader)
    packed.files.append({"path": entry.name, "size": info.size, "sha256": reader.digest.hexdigest()})


def _mode(name: str, mode: int) -> int:
    """Return what a file's mode comes to: executable or not; what is in a directory `private` is for its owner only."""
    plain = 0o755 if mode & 0o111 else 0o644
    return plain & 0o700 if "private" in PurePosixPath(name).parts[:-1] else plain


def unpack(
    archive: Path, destination: Path, *, max_bytes: int, max_files: int, max_members: int | None = None
) -> list[dict[str, Any]]:
    """Unpack a tar.gz file into the new directory `destination`; return its files as `path`, `size`, `sha256`.

    Owners, times and special mode bits of the archive are not taken over. Raises `ArchiveRefusedError` for a name
    that is absolute, has `..` or control characters, or stands twice; for links that leave the directory, hard links,
    devices and the like; for more bytes, files or members than declared (without `max_members`: four for each file);
    for anything that is no whole tar.gz. Raises `OSError`. What was unpacked until then stays: the caller unpacks to
    a place it throws away.
    """
    members = 4 * max_files + 16 if max_members is None else max_members
    unpacking = _Unpacking(destination, max_bytes, max_files, members)
    with archive.open("rb", buffering=0) as raw:
        _unroll(_Inflated(raw), unpacking)
    return unpacking.files


def unpack_bundle(
    archive: Path, destination: Path, sidecar: dict[str, Any], sha256: str
) -> list[dict[str, Any]]:
    """Unpack a bundle as `unpack` does, and hold it to its sidecar; its bytes are hashed on the way.

    Raises `OtherBytesError` when the archive's SHA-256 is not `sha256`, and `ArchiveRefusedError` as `unpack` does,
    for any link, and when size, number of files, bytes, entry point or machine type are not those of the sidecar.
    """
    size = archive.stat().st_size
    if size != sidecar["size"]:
        # Half an upload is not the archive that was sent; only the very archive can be one that breaks a rule.
        if (found := sha256_file(archive)) != sha256:
            raise OtherBytesError(found)
        raise ArchiveRefusedError(f"it has {size} bytes, and its sidecar names {sidecar['size']}")
    unpacking = _Unpacking(
        destination,
        int(sidecar["unpacked_size"]),
        int(sidecar["file_count"]),
        4 * int(sidecar["file_count"]) + 16,
        links=False,
    )
    with archive.open("rb", buffering=0) as raw:
        inflated = _Inflated(raw)
        try:
            _unroll(inflated, unpacking)
            unpacking.hold_to(sidecar)
        except ArchiveRefusedError:
            # Other bytes than expected are the better reason for whatever is wrong with them.
            if inflated.digest_of_all() != sha256:
                raise OtherBytesError(inflated.digest_of_all()) from None
            raise
        if inflated.digest_of_all() != sha256:
            raise OtherBytesError(inflated.digest_of_all())
    return unpacking.files


class _Inflated:
    """The plain bytes of a gzip file in blocks of at most `BLOCK_BYTES`; hashes the file as it reads it."""

    def __init__(self, raw: IO[bytes]) -> None:
        self.raw = raw
        self.digest = hashlib.sha256()
        self.waiting = b""
        self.member: Any = zlib.decompressobj(31)
        self.fresh = True
        self.complete = False

    def block(self) -> bytes:
        """Return the next bytes; none at the end. Raises `zlib.error` and `EOFError`."""
        while True:
            waiting = self.waiting or self._read()
            if self.fresh and self.complete:
                # A gzip file may hold several members, and end in zeros.
                if not waiting:
                    return b""
                waiting = waiting.lstrip(b"\0")
                if not waiting:
                    self.waiting = b""
                    continue
            plain: bytes = self.member.decompress(waiting, BLOCK_BYTES)
            self.waiting, self.fresh = self.member.unconsumed_tail, False
            if self.member.eof:
                self.waiting = self.member.unused_data
                self.member, self.fresh, self.complete = zlib.decompressobj(31), True, True
            elif not waiting and not plain:
                raise EOFError("it ends too early")
            if plain:
                return plain

    def _read(self) -> bytes:
        block = self.raw.read(BLOCK_BYTES // 4)
        self.digest.update(block)
        return block

    def digest_of_all(self) -> str:
        """Return the SHA-256 of the whole file, after reading what is left of it."""
        while self._read():
            pass
        return self.digest.hexdigest()


class _Plain:
    """What an archive unrolls to, read forwards only. A thread inflates a few blocks ahead of the one in hand.

    tarfile reads the headers by `read`, which gives no endless ones; the bytes of files are taken as `pieces`.
    """

    def __init__(self, inflated: _Inflated, pool: ThreadPoolExecutor) -> None:
        self.inflated = inflated
        self.pool = pool
        self.ahead: deque[Future[bytes]] = deque(
            pool.submit(inflated.block) for _number in range(BLOCKS_AHEAD)
        )
        self.block = memoryview(b"")
        self.position = 0
        self.header_bytes_left = HEADER_BYTES
        self.header = b""

    def _more(self) -> bool:
        """Take the next block in hand; return False at the end."""
        block = self.ahead.popleft().result() if self.ahead else b""
        if not block:
            self.ahead.clear()
            return False
        self.ahead.append(self.pool.submit(self.inflated.block))
        self.block = memoryview(block)
        return True

    def pieces(self, size: int) -> Iterator[memoryview]:
        """Give the next `size` bytes. Raises `EOFError` when there are fewer."""
        while size:
            if not self.block and not self._more():
                raise EOFError("it ends within a file")
            piece = self.block[:size]
            self.block = self.block[len(piece) :]
            self.position += len(piece)
            size -= len(piece)
            yield piece

    def read(self, size: int) -> bytes:
        self.header_bytes_left -= size
        if size < 0 or self.header_bytes_left < 0:
            raise ArchiveRefusedError("its headers are larger than any name needs")
        parts: list[bytes] = []
        while size and (self.block or self._more()):
            part = bytes(self.block[:size])
            self.block = self.block[len(part) :]
            self.position += len(part)
            size -= len(part)
            parts.append(part)
        self.header = b"".join(parts)
        return self.header

    def tell(self) -> int:
        return self.position

    def seek(self, position: int) -> int:
        """Refuse: tarfile seeks only when a header says something else than what follows it."""
        raise ArchiveRefusedError(f"its headers lead to byte {position}, and it is at {self.position}")

    def end(self) -> None:
        """Read to the end, so that the sum of the archive is checked. Raises `ArchiveRefusedError` for any data."""
        if not self.header or self.header.strip(b"\0"):
            raise ArchiveRefusedError("it has no end, or a header that cannot be read")
        left = TRAILER_BYTES
        while self.block or self._more():
            left -= len(self.block)
            if left < 0 or bytes(self.block).strip(b"\0"):
                raise ArchiveRefusedError("it goes on after its end")
            self.block = memoryview(b"")


def _unroll(inflated: _Inflated, unpacking: _Unpacking) -> None:
    """Unpack an archive member by member."""
    unpacking.destination.mkdir(mode=0o755)
    # Inflating and hashing release the interpreter's lock, so one thread inflates while this one writes.
    with ThreadPoolExecutor(1) as pool:
        plain: Any = _Plain(inflated, pool)
        try:
            with tarfile.TarFile(fileobj=plain, encoding="utf-8", errors="surrogateescape") as tar:
                while (member := tar.next()) is not None:
                    unpacking.take(member, plain)
                    plain.header_bytes_left = HEADER_BYTES
            plain.end()
        except (tarfile.TarError, zlib.error, EOFError, ValueError, OverflowError) as error:
            raise ArchiveRefusedError(f"it is no whole tar.gz file ({error})") from error
    unpacking.make_links()


class _Unpacking:
    """The members taken so far, with their kinds: a name may stand once, and only a directory may hold others."""

    def __init__(
        self, destination: Path, max_bytes: int, max_files: int, max_members: int, *, links: bool = True
    ) -> None:
        self.destination = destination
        self.bytes_left = max_bytes
        self.files_left = max_files
        self.members_left = max_members
        self.links_allowed = links
        self.kinds = {"": "dir"}
        self.links: list[tuple[str, str]] = []
        self.files: list[dict[str, Any]] = []
        self.executable: set[str] = set()
        self.machines: dict[str, tuple[int, int, bool]] = {}

    def take(self, member: tarfile.TarInfo, plain: _Plain) -> None:
        name = _safe_name(member.name)
        self.members_left -= 1
        if self.members_left < 0:
            raise ArchiveRefusedError("it has more members than declared")
        if member.size < 0 or member.issparse():
            raise ArchiveRefusedError("its size cannot be trusted", member.name)
        if member.isdir():
            self.make_directory(name, member.name)
            return
        if name in self.kinds:
            raise ArchiveRefusedError("a name stands twice", member.name)
        self.make_directory(name.rpartition("/")[0], member.name)
        if member.isreg():
            self.kinds[name] = "file"
            self.write(member, plain, name)
        elif member.issym():
            problem = _link_problem(PurePosixPath(name), member.linkname)
            if not self.links_allowed:
                problem = "a bundle holds no links"
            if problem is not None:
                raise ArchiveRefusedError(problem, member.name)
            self.kinds[name] = "link"
            self.links.append((name, member.linkname))
        else:
            raise ArchiveRefusedError("it is neither file, directory nor symbolic link", member.name)

    def make_directory(self, name: str, member: str) -> None:
        kind = self.kinds.get(name)
        if kind == "dir":
            return
        if kind is not None:
            raise ArchiveRefusedError("a name stands twice", member)
        self.make_directory(name.rpartition("/")[0], member)
        (self.destination / name).mkdir(mode=0o755)
        self.kinds[name] = "dir"

    def write(self, member: tarfile.TarInfo, plain: _Plain, name: str) -> None:
        self.files_left -= 1
        self.bytes_left -= member.size
        if self.files_left < 0:
            raise ArchiveRefusedError("it has more files than declared", member.name)
        if self.bytes_left < 0:
            raise ArchiveRefusedError("it has more bytes than declared", member.name)
        digest = hashlib.sha256()
        head = b""
        mode = _mode(name, member.mode)
        handle = os.open(
            f"{self.destination}/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode
        )
        try:
            for piece in plain.pieces(member.size):
                head = head or bytes(piece[:_ELF_HEAD])
                digest.update(piece)
                while piece:
                    piece = piece[os.write(handle, piece) :]  # noqa: PLW2901 - what is left of it
            os.fchmod(handle, mode)
        finally:
            os.close(handle)
        for _padding in plain.pieces(-member.size % tarfile.BLOCKSIZE):
            pass
        self.files.append({"path": name, "size": member.size, "sha256": digest.hexdigest()})
        if mode & 0o100:
            self.executable.add(name)
        machine = _elf_machine(head)
        if machine is not None:
            self.machines[name] = machine

    def make_links(self) -> None:
        """Make the links last, so that nothing is ever written through one."""
        for name, target in self.links:
            (self.destination / name).symlink_to(target)

    def hold_to(self, sidecar: dict[str, Any]) -> None:
        """Refuse a bundle that is not what its sidecar says. Raises `ArchiveRefusedError`."""
        if self.bytes_left or self.files_left:
            raise ArchiveRefusedError(
                f"it holds {len(self.files)} files with {sum(each['size'] for each in self.files)} bytes, and its "
                f"sidecar names {sidecar['file_count']} with {sidecar['unpacked_size']}"
            )
        entry = sidecar["entry_point"]
        if entry not in self.executable:
            raise ArchiveRefusedError("its entry point is missing or not executable", entry)
        platform = sidecar["platform"]
        if platform == "any":
            if entry in self.machines:
                raise ArchiveRefusedError(
                    "its sidecar says any platform, and the entry point is no script", entry
                )
            return
        fitting = {machine for machine, names in ELF_MACHINES.items() if platform["machine"].lower() in names}
        own = self.machines.get(entry)
        # Another byte order of a machine that we know is another machine; one that we do not know may be anything.
        known = {number for number, _bits, _little in ELF_MACHINES}
        found = {each for each in ({own} if own else self.machines.values()) if each[0] in known}
        if fitting and found and not fitting & found:
            raise ArchiveRefusedError(
                f"its sidecar says {platform['machine']}, and its programs are for another machine"
            )


# An ELF file's first bytes, up to and with the number of the machine it is for.
_ELF_HEAD = 20


def _elf_machine(head: bytes) -> tuple[int, int, bool] | None:
    """Return the machine that a program is for as `ELF_MACHINES` names it; None for any other file."""
    if len(head) < _ELF_HEAD or not head.startswith(b"\x7fELF"):
        return None
    little = head[5] != 2
    return int.from_bytes(head[18:20], "little" if little else "big"), 64 if head[4] == 2 else 32, little


def _safe_name(text: str) -> str:
    """Return a member's name as a relative path, empty for the directory itself. Raises `ArchiveRefusedError`."""
    if not text or text.startswith("/"):
        raise ArchiveRefusedError("its name is absolute or empty", text)
    problem = _text_problem(text)
    if problem is not None:
        raise ArchiveRefusedError(f"its name {problem}", ascii(text))
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ArchiveRefusedError("its name leaves the directory", text)
    name = "/".join(parts)
    if len(name.encode()) > NAME_BYTES or any(len(part.encode()) > PART_BYTES for part in parts):
        raise ArchiveRefusedError("its name is too long", f"{text[:40]}...")
    return name


def _link_problem(name: PurePosixPath, target: str) -> str | None:
    """Return why a link must not be made, or None.

    Only leading `..` parts are allowed: they start at a real directory, so they can be counted. After a name they
    cannot, since that name may be another link.
    """
    if not target or target.startswith("/") or _text_problem(target) is not None:
        return "the link leaves the directory"
    parts = [part for part in target.split("/") if part not in ("", ".")]
    climbs = 0
    while climbs < len(parts) and parts[climbs] == "..":
        climbs += 1
    if climbs > len(name.parts) - 1 or ".." in parts[climbs:]:
        return "the link leaves the directory"
    return None


def _text_problem(text: str) -> str | None:
    """Return why a file's name cannot stand in a JSON document or on one line, or None."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "is not UTF-8"
    if any(letter < " " or letter == "\x7f" for letter in text):
        return "holds a control character"
    return None
