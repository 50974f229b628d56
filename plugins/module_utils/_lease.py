# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease of a target: one file, in a directory that all users of the target share, says which run has the target.

PRIVATE to rackbench.lab. In the directory (mode 1777, made by whoever is first) are:

- `lease.json` (mode 0666): who holds the target, for what and since when. Its time of change is when the holder last
  renewed it; by the target's own clock it expires `ttl_s` seconds later. A time that lies more than `ttl_s` in the
  future was written before the clock was set back, and counts as expired too.
- `lease.lock`: held (a lock of the kernel) by whoever reads or changes the file. It holds nothing.
- `lease.broken-*.json`: files that were no lease, kept aside before another took their place.

Whoever did not make a file cannot replace or remove it there, so it is written in place, always at the same length and
in one call: a writer that dies leaves the old or the new lease, and a full disk cannot take away one that is there.
Anybody on the target may write anything into these files. No link is followed, no more is read than a lease can have,
and what a file says is shown and compared, and nothing else.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import secrets
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.rackbench.lab.plugins.module_utils import _supervisor
from ansible_collections.rackbench.lab.plugins.module_utils._target import TargetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KIND = "rackbench.lease/"
SCHEMA = f"{KIND}1.0"
# For all users of the target, whoever they are; nothing in it is believed.
DIRECTORY = "/var/tmp/rackbench"  # noqa: S108
DIRECTORY_OPTION: dict[str, dict[str, Any]] = {"dir": {"type": "str", "default": DIRECTORY}}
TTL_S = 1800.0
MAX_TTL_S = 86400.0
FILE, LOCK = "lease.json", "lease.lock"
# One page: written and read in one go, and once it is there it takes no more room.
FILE_BYTES = 4096
# Of what is no lease, so much is kept aside.
KEPT_BYTES = 64 * 1024
# Four texts of so many characters, with what else there is, fit into the file whatever their letters are.
TEXT_CHARACTERS = 200
LOCK_WAIT_S = 30.0
POLL_S = 0.05
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")


@dataclass(frozen=True)
class Found:
    """The lease file as it is: a lease with its age in seconds, none, or something `broken` that is no lease."""

    lease: dict[str, Any] | None = None
    age_s: float = 0.0
    broken: bytes | None = None

    @property
    def expired(self) -> bool:
        """Whether there is a lease that its holder has not renewed in time."""
        return self.lease is not None and abs(self.age_s) > self.lease["ttl_s"]

    @property
    def expires_in_s(self) -> float | None:
        """How many seconds the lease holds on without another renewal: 0 if it has expired, None if there is none."""
        if self.lease is None:
            return None
        if self.expired:
            return 0.0
        return round(float(self.lease["ttl_s"]) - max(0.0, self.age_s), 1)

    def as_dict(self) -> dict[str, Any]:
        """Return what was found as results of modules name it."""
        return {
            "holder": holder_of(self.lease),
            "expires_in_s": self.expires_in_s,
            "broken": self.broken is not None,
        }

    def held_by_another(self, lease_id: str | None) -> bool:
        """Say whether somebody holds the target whose lease has not this id."""
        return self.lease is not None and not self.expired and self.lease["lease_id"] != lease_id


@dataclass(frozen=True)
class Done:
    """What stood in the file before, whether what was asked for happened, and where something broken is kept now.

    For who may not write, `done` says whether it would have happened.
    """

    before: Found
    done: bool
    kept_aside: str | None = None


def lease_path(directory: str) -> Path:
    """Return the lease file of a directory. Raises `TargetError` for one that is not the same for all users."""
    if not directory.startswith("/"):
        raise TargetError(
            "unknown_option",
            f"The lease directory is {directory!r}, and must be an absolute path of the target.",
        )
    return Path(directory) / FILE


@contextlib.contextmanager
def usable(path: Path) -> Iterator[None]:
    """Raise `TargetError("target_unwritable")` for what the system refuses in the block, unless the disk is full."""
    try:
        yield
    except PermissionError as error:
        raise TargetError(
            "target_unwritable",
            f"{path.parent} and the files in it must be open to all users of this target, and they are not: "
            f"{error.strerror} ({error.filename}).",
        ) from error
    except FileNotFoundError as error:
        raise TargetError(
            "target_unwritable", f"The lease directory {path.parent} cannot be made: {error.strerror}."
        ) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise TargetError("target_unwritable", f"The lease {path} cannot be used: {error}.") from error


def new_lease(lease_id: str, run_id: str, owner: str, purpose: str, ttl_s: float = TTL_S) -> dict[str, Any]:
    """Return a lease that is taken now. Raises `TargetError` for a lifetime that makes no sense."""
    if not 0 < ttl_s <= MAX_TTL_S:
        raise TargetError(
            "unknown_option", f"ttl_s is {ttl_s}, and must be more than 0 and at most {MAX_TTL_S:g}."
        )
    if lease_id != plain(lease_id):
        raise TargetError("internal_error", f"{lease_id!r} is no name of a lease.")
    return {
        "schema": SCHEMA,
        "lease_id": lease_id,
        "run_id": plain(run_id),
        "owner": plain(owner),
        "purpose": plain(purpose),
        "taken_at": _supervisor.utc_text(),
        "ttl_s": ttl_s,
        "boot_id": _supervisor.boot_id(),
    }


def holder_of(lease: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return who holds a lease, as answers name it; nothing in it can move a terminal's cursor."""
    if lease is None:
        return None
    named = {name: plain(str(lease.get(name) or "")) for name in ("run_id", "owner", "purpose", "lease_id")}
    taken_at = str(lease.get("taken_at") or "")
    return {**named, "taken_at": taken_at if TIME.fullmatch(taken_at) else None}


def plain(text: str) -> str:
    """Return a text of one line with a question mark for each character that is not printable."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:TEXT_CHARACTERS])


def read(path: Path) -> dict[str, Any] | None:
    """Return the lease that stands in the file, expired or not; None if there is none."""
    return look(path).lease


def look(path: Path) -> Found:
    """Return what the file holds; nothing is made or changed."""
    with _locked(path, fcntl.LOCK_SH) as folder:
        return Found() if folder is None else _found(folder, path)


def take(path: Path, lease: dict[str, Any], *, steal: bool = False, may_write: bool = True) -> Done:
    """Take the target, or renew the lease that is ours already. It stays with another holder, unless `steal`."""
    with _locked(path, fcntl.LOCK_EX if may_write else fcntl.LOCK_SH, make=may_write) as folder:
        found = Found() if folder is None else _found(folder, path)
        if found.held_by_another(lease["lease_id"]) and not steal:
            return Done(found, done=False)
        if folder is None or not may_write:
            return Done(found, done=True)
        kept = _keep_aside(folder, path, found)
        if found.lease is not None and found.lease["lease_id"] == lease["lease_id"]:
            _touch(folder, path)
        else:
            _write(folder, path, lease)
        return Done(found, done=True, kept_aside=kept)


def hold(lease: Mapping[str, Any], *, may_write: bool = True) -> Done:
    """Renew a run's lease, or take the target again if another one's has expired. Raises `TargetError("lease_lost")`.

    This decides whether something may begin, or go on, for a run. Where there is no lease it was given back: whoever
    comes with it is late, such as the worker of a controller that was killed. `lease` is what the controller hands to
    modules: `path`, `lease_id`, `owner` and `purpose`.
    """
    if read(Path(lease["path"])) is None:
        raise TargetError(
            "lease_lost", "The lease of this target was given back, so nothing is begun for this run."
        )
    lease_id = str(lease["lease_id"])
    owner, purpose = str(lease.get("owner") or "unknown"), str(lease.get("purpose") or "")
    again = new_lease(lease_id, lease_id.rpartition("-")[0] or lease_id, owner, purpose)
    taken = take(Path(lease["path"]), again, may_write=may_write)
    if not taken.done:
        holder = holder_of(taken.before.lease) or {}
        raise TargetError(
            "lease_lost",
            f"The lease of this target is not this run's any more: {holder.get('owner')} holds it with the run "
            f"{holder.get('run_id')} ({holder.get('purpose')}) since {holder.get('taken_at')}.",
        )
    return taken


def renew(path: Path, lease_id: str) -> bool:
    """Say that the holder is still there; return False if the lease is not the one with this id any more."""
    with _locked(path, fcntl.LOCK_EX) as folder:
        if folder is None:
            return False
        found = _found(folder, path)
        if found.lease is None or found.lease["lease_id"] != lease_id:
            return False
        _touch(folder, path)
        return True


def release(path: Path, lease_id: str | None, *, steal: bool = False, may_write: bool = True) -> Done:
    """Give the target back.

    With a `lease_id` that very lease goes; without one what nobody holds: an expired lease, or what is no lease. With
    `steal` it goes whoever holds it.
    """
    with _locked(path, fcntl.LOCK_EX if may_write else fcntl.LOCK_SH) as folder:
        if folder is None:
            return Done(Found(), done=False)
        found = _found(folder, path)
        if found == Found() or not (steal or _may_go(found, lease_id)):
            return Done(found, done=False)
        if not may_write:
            return Done(found, done=True)
        kept = _keep_aside(folder, path, found)
        _clear(folder, path)
        return Done(found, done=True, kept_aside=kept)


def _may_go(found: Found, lease_id: str | None) -> bool:
    if lease_id is None:
        return not found.held_by_another(None)
    return found.lease is not None and found.lease["lease_id"] == lease_id


@contextlib.contextmanager
def _locked(path: Path, kind: int, *, make: bool = False) -> Iterator[int | None]:
    """Hold the lock in the block; the value is an open handle of the directory, or None if there is none.

    With `make` the directory is made. Who only reads makes no lock: there is one as soon as there is a lease.
    """
    try:
        folder = _open_directory(path.parent, make=make)
    except FileNotFoundError:
        if make:
            raise
        yield None
        return
    lock = None
    try:
        lock = _open_file(folder, path.with_name(LOCK), os.O_RDONLY, make=kind == fcntl.LOCK_EX)
        if lock is not None:
            _acquire(lock, kind, path.with_name(LOCK))
        yield folder
    finally:
        if lock is not None:
            os.close(lock)
        os.close(folder)


def _open_directory(directory: Path, *, make: bool) -> int:
    if make:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError), _no_umask():
            # With its mode in one step: nobody ever finds it closed to him.
            directory.mkdir(mode=0o1777)
    try:
        return os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            raise TargetError(
                "target_unwritable",
                f"{directory} is a link or no directory, and the lease is not kept there.",
            ) from error
        raise


def _open_file(folder: int, path: Path, flags: int, *, make: bool) -> int | None:
    """Open a regular file of the directory; None if there is none. A file that is there is never opened with O_CREAT:
    the kernel refuses that for files of others in a directory like this one.
    """
    flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    handle = None
    while handle is None:
        try:
            handle = os.open(path.name, flags, dir_fd=folder)
        except FileNotFoundError:
            if not make:
                return None
            with contextlib.suppress(FileExistsError), _no_umask():
                handle = os.open(path.name, flags | os.O_CREAT | os.O_EXCL, 0o666, dir_fd=folder)
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
                raise OSError(error.errno, error.strerror, str(path)) from error
            raise _no_file(path) from error
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        os.close(handle)
        raise _no_file(path)
    return handle


def _no_file(path: Path) -> TargetError:
    return TargetError(
        "target_unwritable",
        f"{path} is no file of its own (a link, for example), and is not touched. Remove it on the target.",
    )


@contextlib.contextmanager
def _no_umask() -> Iterator[None]:
    before = os.umask(0)
    try:
        yield
    finally:
        os.umask(before)


def _acquire(lock: int, kind: int, path: Path) -> None:
    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(lock, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TargetError(
                    "target_unwritable",
                    f"Somebody holds the lock {path} for longer than {LOCK_WAIT_S:g} s; `fuser -v {path}` on the "
                    "target says who.",
                ) from None
            time.sleep(POLL_S)
        else:
            return


def _found(folder: int, path: Path) -> Found:
    handle = _open_file(folder, path, os.O_RDONLY, make=False)
    if handle is None:
        return Found()
    with os.fdopen(handle, "rb") as stream:
        data = stream.read(KEPT_BYTES)
        age_s = time.time() - os.fstat(handle).st_mtime
    if not data.strip():
        return Found()
    lease = _parsed(data)
    return Found(broken=data) if lease is None else Found(lease, age_s)


def _parsed(data: bytes) -> dict[str, Any] | None:
    """Return the lease that bytes of the file are; None if they are none."""
    if len(data) > FILE_BYTES:
        return None
    try:
        lease = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(lease, dict) or not str(lease.get("schema")).startswith(KIND):
        return None
    if not all(isinstance(lease.get(name), str) and lease[name] for name in ("lease_id", "run_id", "owner")):
        return None
    ttl_s = lease.get("ttl_s")
    if isinstance(ttl_s, bool) or not isinstance(ttl_s, (int, float)) or not 0 < ttl_s <= MAX_TTL_S:
        return None
    return lease


def _write(folder: int, path: Path, lease: dict[str, Any]) -> None:
    data = json.dumps(lease, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
    handle = _writable(folder, path, make=True)
    try:
        if os.fstat(handle).st_size > FILE_BYTES:
            os.ftruncate(handle, FILE_BYTES)
        if os.pwrite(handle, data.ljust(FILE_BYTES - 1) + b"\n", 0) < FILE_BYTES:
            # Only a new file needs room.
            os.ftruncate(handle, 0)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        os.fsync(handle)
    finally:
        os.close(handle)


def _touch(folder: int, path: Path) -> None:
    handle = _writable(folder, path)
    try:
        os.utime(handle)
    finally:
        os.close(handle)


def _clear(folder: int, path: Path) -> None:
    try:
        os.unlink(path.name, dir_fd=folder)
    except PermissionError:
        # Another user made the file, so it stays; an empty one is no lease.
        handle = _writable(folder, path)
        try:
            os.ftruncate(handle, 0)
        finally:
            os.close(handle)


def _writable(folder: int, path: Path, *, make: bool = False) -> int:
    handle = _open_file(folder, path, os.O_WRONLY, make=make)
    if handle is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    return handle


def _keep_aside(folder: int, path: Path, found: Found) -> str | None:
    """Copy what stands in the file and is no lease to a file that tells when; return its path."""
    if found.broken is None:
        return None
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    kept = path.with_name(f"lease.broken-{stamp}-{secrets.token_hex(4)}.json")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(kept.name, flags, 0o644, dir_fd=folder), "wb") as stream:
        stream.write(found.broken)
    return str(kept)
