# SPDX-License-Identifier: Apache-2.0
"""Bring bytes of a remote cache to this machine: resumed where they broke off, and good or not there at all."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Protocol

from rackbench.errors import RackbenchError
from rackbench.files import sha256_of, sync_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

BLOCK = 1 << 20
# A server may ask us to wait, but not for longer than this.
LONGEST_WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a remote is asked again that breaks off or fails, and how long it may keep silent."""

    tries: int = 5
    first_wait_s: float = 0.5
    connect_s: float = 10.0
    read_s: float = 60.0


class LostError(Exception):
    """The remote broke off or failed in a way that may pass; `wait_s` is how long it asks us to wait."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class Reply:
    """What a remote sends: bytes of a file from `start` on. `total` is the whole file's size when it is known.

    `tag` names this version of the file, so that a later request can ask to go on with the same one.
    """

    start: int
    total: int | None
    tag: str | None
    blocks: Iterator[bytes]


class Remote(Protocol):
    """Where the files of a cache are. Raises `LostError`, or `RackbenchError` (cache_unreachable) when it is final."""

    def url(self, name: str) -> str:
        """Return how messages call a file."""

    def open(self, name: str, start: int, tag: str | None) -> AbstractContextManager[Reply]:
        """Ask for a file from `start` on; the reply may begin at 0 instead."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file of the cache, and the only bytes of it that are taken."""

    name: str
    size: int
    sha256: str


class _Tries:
    """Counts failures in a row."""

    def __init__(self, patience: Patience, where: str) -> None:
        self.patience, self.where, self.failed = patience, where, 0

    def again(self, lost: LostError) -> None:
        """Wait before the next try. Raises `RackbenchError` (cache_unreachable) when it was the last one."""
        self.failed += 1
        if self.failed >= self.patience.tries:
            raise RackbenchError(
                "cache_unreachable",
                f"{self.where} could not be fetched; it was tried {self.failed} times in a row. "
                f"The last time {lost}.",
                where=self.where,
            ) from lost
        wait = self.patience.first_wait_s * 2 ** (self.failed - 1)
        time.sleep(min(max(wait, lost.wait_s), LONGEST_WAIT_S))


def read_small(remote: Remote, name: str, limit: int, patience: Patience) -> bytes:
    """Return a whole document. Raises `RackbenchError`: cache_unreachable, or cache_refused above `limit` bytes."""
    where = remote.url(name)
    tries = _Tries(patience, where)
    while True:
        content = bytearray()
        try:
            with remote.open(name, 0, None) as reply:
                for block in reply.blocks:
                    content += block
                    if len(content) > limit:
                        raise RackbenchError(
                            "cache_refused", f"{where} is larger than {limit} bytes.", where=where
                        )
            return bytes(content)
        except LostError as lost:
            tries.again(lost)


def download(remote: Remote, wanted: Wanted, part: Path, target: Path, patience: Patience) -> None:
    """Put the wanted file at `target`, through the file `part`, which a call that broke off leaves to the next one.

    Of two at the same time the second one waits, and finds the file there. Raises `RackbenchError`:
    cache_unreachable, cache_refused (other bytes; the part is removed), cache_unwritable (so it is then).
    """
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        with _locked(part) as stream:
            if is_good(target, wanted):
                part.unlink()
                return
            try:
                _Download(remote, wanted, stream, patience).run()
                os.fsync(stream.fileno())
                target.parent.mkdir(exist_ok=True)
                part.replace(target)
                sync_directory(target.parent)
            except RackbenchError as error:
                if error.code != "cache_unreachable":
                    part.unlink(missing_ok=True)
                raise
            except OSError:
                # On a full disk the part would only be in the way of others.
                with contextlib.suppress(OSError):
                    part.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise unwritable(part.parent, error) from error


def is_good(path: Path, wanted: Wanted, digest: Callable[[Path], str] = sha256_of) -> bool:
    """Say whether a file has exactly the wanted bytes. Raises `OSError` when it cannot be read."""
    try:
        return path.stat().st_size == wanted.size and digest(path) == wanted.sha256
    except FileNotFoundError:
        return False


def unwritable(directory: Path, error: OSError) -> RackbenchError:
    """Return that downloads cannot be kept in a directory."""
    return RackbenchError(
        "cache_unwritable",
        f"What the bundle cache sends cannot be kept in {directory}: {error.strerror or error}.",
        where=str(directory),
        next_step="Free space or correct the permissions there, or choose another lab_cache_dir.",
    )


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[BinaryIO]:
    """Open a file for us alone. Its name may have gone on to another file while we waited: then try that one."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        with os.fdopen(handle, "r+b", buffering=0) as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            try:
                current = os.path.samestat(path.stat(), os.fstat(stream.fileno()))
            except FileNotFoundError:
                current = False
            if current:
                yield stream
                return


class _Download:
    """One file on its way; `have` bytes of it are in the part and in `digest`."""

    def __init__(self, remote: Remote, wanted: Wanted, stream: BinaryIO, patience: Patience) -> None:
        self.remote, self.wanted, self.stream, self.patience = remote, wanted, stream, patience
        self.where = remote.url(wanted.name)
        self.tag: str | None = None
        self.have = 0
        self.digest = hashlib.sha256()

    def run(self) -> None:
        """Make the part the wanted file."""
        resumed = self._take_up()
        self._fetch_rest()
        if resumed and not self._right():
            # What an earlier call left may be of other bytes: once, everything is fetched anew.
            self._begin_anew()
            self._fetch_rest()
        if not self._right():
            raise self._refusal(
                f"{self.have} bytes with SHA-256 {self.digest.hexdigest()} came, "
                f"and {self.wanted.size} bytes with SHA-256 {self.wanted.sha256} were wanted"
            )

    def _right(self) -> bool:
        return self.digest.hexdigest() == self.wanted.sha256

    def _take_up(self) -> bool:
        """Take what an earlier call left; say whether there was something."""
        while block := self.stream.read(BLOCK):
            self.digest.update(block)
            self.have += len(block)
        if self.have > self.wanted.size:
            self._begin_anew()
        return self.have > 0

    def _begin_anew(self) -> None:
        self.stream.seek(0)
        self.stream.truncate()
        self.have = 0
        self.digest = hashlib.sha256()

    def _fetch_rest(self) -> None:
        tries = _Tries(self.patience, self.where)
        while self.have < self.wanted.size:
            self._check_room()
            before = self.have
            try:
                with self.remote.open(self.wanted.name, self.have, self.tag) as reply:
                    self._take(reply)
            except LostError as lost:
                # A line that breaks again and again still gets there, as long as each try brings something worth it.
                if self.have - before >= BLOCK:
                    tries.failed = 0
                tries.again(lost)

    def _check_room(self) -> None:
        """Fail before a byte is fetched that the disk has no room for."""
        disk = os.fstatvfs(self.stream.fileno())
        free, needed = disk.f_bavail * disk.f_frsize, self.wanted.size - self.have
        if disk.f_blocks and free < needed:
            raise OSError(f"{needed} more bytes are needed and {free} are free")

    def _take(self, reply: Reply) -> None:
        if reply.total is not None and reply.total != self.wanted.size:
            raise self._refusal(
                f"the cache has {reply.total} bytes, and {self.wanted.size} bytes "
                f"with SHA-256 {self.wanted.sha256} were wanted"
            )
        if reply.start != self.have:
            self._begin_anew()
        self.tag = reply.tag
        for block in reply.blocks:
            if self.have + len(block) > self.wanted.size:
                raise self._refusal(
                    f"more than the {self.wanted.size} bytes came that were wanted "
                    f"with SHA-256 {self.wanted.sha256}"
                )
            _write_all(self.stream, block)
            self.digest.update(block)
            self.have += len(block)
        if self.have < self.wanted.size:
            raise LostError(f"it ended after {self.have} of {self.wanted.size} bytes")

    def _refusal(self, reason: str) -> RackbenchError:
        return RackbenchError(
            "cache_refused", f"{self.where} is not the bundle of the index: {reason}.", where=self.where
        )


def _write_all(stream: BinaryIO, block: bytes) -> None:
    """Write a block; an unbuffered file may take only a part of it at once."""
    view = memoryview(block)
    while view:
        view = view[stream.write(view) :]
