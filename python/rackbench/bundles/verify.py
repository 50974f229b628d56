# SPDX-License-Identifier: Apache-2.0
"""Check a bundle: its sidecar against its bytes, and its members against what a target may unpack.

The rules about members are those of the target's unpacker, plugins/module_utils/_archive.py, which cannot be imported
from here; tests/unit/bundles/test_verify.py shows the same archives to both.
"""

from __future__ import annotations

import errno
import gzip
import tarfile
import zlib
from typing import IO, TYPE_CHECKING, Any, cast

from isal import igzip
from isal.igzip_lib import IsalError

from rackbench.bundles.catalog import read_sidecar
from rackbench.bundles.elf import machine_of
from rackbench.bundles.platforms import ANY, normalise_machine
from rackbench.errors import RackbenchError
from rackbench.files import sha256_of

if TYPE_CHECKING:
    from pathlib import Path

    from rackbench.models.bundle import Sidecar

_BLOCK_BYTES = 1024 * 1024
# What the headers of one member, and the zeros after the last one, may take.
_HEADER_BYTES = 16 * 1024
_TRAILER_BYTES = 1024 * 1024
_PART_BYTES = 255
_NAME_BYTES = 2048
_ELF_HEAD = 20
# What readers of gzip and tar raise for damaged files. (isal's stubs do not say that its error is a class.)
DAMAGED = (
    gzip.BadGzipFile,
    EOFError,
    ValueError,
    OverflowError,
    tarfile.TarError,
    zlib.error,
    cast("type[Exception]", IsalError),
)
# Enough to see what kind of archive it is.
_MOST_PROBLEMS = 20


def verify(tarball: Path) -> list[str]:
    """Return everything that is wrong with a bundle, in words; an empty list when it may be used.

    Checks the sidecar, size and digest of the tarball, that its members are plain files inside it, with the entry point
    among them, programs for the declared machine, and no more bytes than declared: no more are ever unrolled. Raises
    `OSError` when the tarball is not there or cannot be read.
    """
    if tarball.exists() and not tarball.is_file():
        raise OSError(errno.EINVAL, "It is no regular file", str(tarball))
    with tarball.open("rb") as stream:
        size = stream.seek(0, 2)
    try:
        sidecar = read_sidecar(tarball)
    except RackbenchError as error:
        return [error.message]
    if size != sidecar.size:
        return [f"its bytes changed: it has {size}, and the sidecar names {sidecar.size}."]
    digest = sha256_of(tarball)
    if digest != sidecar.sha256:
        return [f"{checksum_problem(sidecar, size, digest)}."]
    with igzip.open(tarball, "rb") as plain:  # type: ignore[no-untyped-call]
        return _Members(sidecar).problems_of(plain)


def checksum_problem(sidecar: Sidecar, size: int, digest: str) -> str:
    """Return how the bytes of a tarball differ from what its sidecar names."""
    return (
        f"its bytes changed: {size} bytes with SHA-256 {digest[:12]}…, "
        f"and the sidecar names {sidecar.size} bytes with {sidecar.sha256[:12]}…"
    )


class _HopelessError(Exception):
    """The archive cannot be read any further; the words are the last problem."""


class _Plain:
    """What an archive unrolls to, read forwards only: tarfile reads headers of bounded size, the rest is passed by."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream
        self.position = 0
        self.header_bytes_left = _HEADER_BYTES
        self.header = b""

    def read(self, size: int) -> bytes:
        self.header_bytes_left -= size
        if size < 0 or self.header_bytes_left < 0:
            raise _HopelessError("its headers are larger than any name needs.")
        self.header = self.stream.read(size)
        self.position += len(self.header)
        return self.header

    def tell(self) -> int:
        return self.position

    def seek(self, position: int) -> int:
        raise _HopelessError(f"its headers lead to byte {position}, and it is at {self.position}.")

    def content(self, size: int) -> bytes:
        """Pass by a file's content with its padding, and return its first bytes."""
        head = b""
        left = size + -size % tarfile.BLOCKSIZE
        while left:
            block = self.stream.read(min(left, _BLOCK_BYTES))
            if not block:
                raise EOFError("it ends within a file")
            head = head or block[: min(_ELF_HEAD, size)]
            left -= len(block)
            self.position += len(block)
        return head

    def end(self) -> None:
        """Read on to the end, so that the archive's own sum is checked."""
        if not self.header or self.header.strip(b"\0"):
            raise _HopelessError("it has no end, or a header that cannot be read.")
        left = _TRAILER_BYTES
        while block := self.stream.read(_BLOCK_BYTES):
            left -= len(block)
            if left < 0 or block.strip(b"\0"):
                raise _HopelessError("it goes on after its end.")


class _Members:
    """The members of a bundle, with what they must be together."""

    def __init__(self, sidecar: Sidecar) -> None:
        self.sidecar = sidecar
        self.problems: list[str] = []
        self.kinds = {"": "directory"}
        self.members = 0
        self.files = 0
        self.bytes = 0
        self.entry_executable = False
        self.machines: dict[str, str] = {}

    def problems_of(self, stream: IO[bytes]) -> list[str]:
        """Look at every member, and return what is wrong."""
        plain: Any = _Plain(stream)
        try:
            with tarfile.TarFile(fileobj=plain, encoding="utf-8", errors="surrogateescape") as archive:
                while (member := archive.next()) is not None:
                    self._look_at(member, plain)
                    plain.header_bytes_left = _HEADER_BYTES
            plain.end()
        except _HopelessError as error:
            return [*self.problems, str(error)]
        except (OSError, *DAMAGED) as error:
            return [*self.problems, f"it is no whole tar.gz archive: {error}."]
        return [*self.problems, *self._problems_of_all()]

    def _look_at(self, member: tarfile.TarInfo, plain: _Plain) -> None:
        shown = ascii(member.name[:80])
        self.members += 1
        if self.members > 4 * self.sidecar.file_count + 16:
            raise _HopelessError(
                f"it has many more members than the {self.sidecar.file_count} files of the sidecar."
            )
        if len(self.problems) >= _MOST_PROBLEMS:
            raise _HopelessError("what comes after that was not looked at.")
        if member.size < 0 or member.issparse():
            raise _HopelessError(f"the member {shown} has a size that cannot be trusted.")
        parts = [part for part in member.name.split("/") if part not in {"", "."}]
        name = "/".join(parts)
        if problem := _name_problem(member.name, parts):
            self.problems.append(f"the member {shown} {problem}.")
        if member.isdir():
            self._place(name, "directory", shown)
            return
        if not member.isreg():
            self.problems.append(f"the member {shown} is no plain file.")
            return
        self._place(name, "file", shown)
        self.files += 1
        self.bytes += member.size
        if self.bytes > self.sidecar.unpacked_size or self.files > self.sidecar.file_count:
            raise _HopelessError(
                f"it holds at least {self.files} files with {self.bytes} bytes, {self._declared()}"
            )
        if machine := machine_of(plain.content(member.size)):
            self.machines[name] = machine
        if name == self.sidecar.entry_point:
            self.entry_executable = member.mode & 0o111 != 0

    def _place(self, name: str, kind: str, shown: str) -> None:
        """Remember a name and the directories it lies in: a name stands once, and only a directory holds others."""
        above = name
        while above := above.rpartition("/")[0]:
            if self.kinds.setdefault(above, "directory") != "directory":
                self.problems.append(f"the member {shown} lies in a file.")
                return
        if self.kinds.get(name, kind) != kind or (kind == "file" and name in self.kinds):
            self.problems.append(f"the member {shown} is there twice.")
        self.kinds[name] = kind

    def _declared(self) -> str:
        return f"and the sidecar names {self.sidecar.file_count} with {self.sidecar.unpacked_size}."

    def _problems_of_all(self) -> list[str]:
        sidecar = self.sidecar
        problems = []
        if not self.entry_executable:
            problems.append(f"the entry point {sidecar.entry_point!r} is missing or not executable.")
        if (self.files, self.bytes) != (sidecar.file_count, sidecar.unpacked_size):
            problems.append(f"it holds {self.files} files with {self.bytes} bytes, {self._declared()}")
        return problems + self._platform_problems()

    def _platform_problems(self) -> list[str]:
        """Return where the programs contradict the platform. Scripts contradict none, and may choose among programs."""
        own = self.machines.get(self.sidecar.entry_point)
        platform = self.sidecar.platform
        if isinstance(platform, str):
            return [f"the sidecar says {ANY} platform, and the entry point is for {own}."] if own else []
        machine = normalise_machine(platform.machine)
        # ELF has one number for all 32-bit ARM, and machines that we have no name for contradict nothing.
        machine = "armv7l" if machine.startswith("armv") else machine
        found = ({own} if own else set(self.machines.values())) - {"unknown"}
        if not found or machine in found:
            return []
        return [f"the sidecar says {platform.machine}, and its programs are for {', '.join(sorted(found))}."]


def _name_problem(name: str, parts: list[str]) -> str | None:
    if not name or name.startswith("/") or ".." in parts:
        return "would be unpacked outside of the bundle"
    try:
        encoded = [part.encode() for part in parts]
    except UnicodeEncodeError:
        return "has a name that is not UTF-8"
    if any(letter < " " or letter == "\x7f" for letter in name):
        return "has a control character in its name"
    if len(b"/".join(encoded)) > _NAME_BYTES or any(len(part) > _PART_BYTES for part in encoded):
        return "has a name that is too long"
    return None
