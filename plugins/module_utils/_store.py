# SPDX-License-Identifier: GPL-3.0-or-later
"""The store of bundles on a target, and everything else of ours there: what it holds, what is in use, what may go.

PRIVATE to rackbench.lab. Below the root are:

- `bundles/<sha256>/`: unpacked bundles. One appears in one step, whole, and never changes; its `.complete` marker
  holds the digests of its files, and the time of the marker is when the bundle was last asked for. In use is one that a
  running job uses, or that was asked for less than `IN_USE_S` seconds ago.
- `bundles/.*`: what is being unpacked or removed. It is rubbish as soon as nobody holds the store's lock.
- `uploads/<sha256>.<token>.part`: a tarball on its way. Whoever writes it is no process of ours and holds no lock, so a
  part is given up when its bundle is in the store, or when it has not grown for `STALE_S` seconds. A writer whose part
  was given up writes on into nothing, and is then told that the bundle is there, or to start again.
- `jobs/<run>/<execution>/`: see `_supervisor`. `lib/`: the supervisor's program. `rust/`: a toolchain.

Readers of the store hold its lock shared and whoever removes bundles holds it alone. It is a lock of the kernel on the
directory itself, so it ends with its process. Where there is no such lock (some network file systems) nothing waits.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import stat
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.rackbench.lab.plugins.module_utils import _supervisor
from ansible_collections.rackbench.lab.plugins.module_utils._archive import sha256_file
from ansible_collections.rackbench.lab.plugins.module_utils._target import DIGEST, TargetError

if TYPE_CHECKING:
    from collections.abc import Iterator

MARKER = ".complete"
TOOLCHAIN = "rust"
STALE_S = 600.0
# A bundle that was asked for so recently is in use: the run that staged it may be about to execute it.
IN_USE_S = 600.0
DAY_S = 86400.0


@dataclass(frozen=True)
class Job:
    """An execution's directory. `running` says whether anything of it may still be at work."""

    path: Path
    state: str
    running: bool
    bundle: str

    @property
    def name(self) -> str:
        """Run id and execution id."""
        return f"{self.path.parent.name}/{self.path.name}"


@dataclass(frozen=True)
class Bundle:
    """An unpacked bundle; `bytes` are those of its own files, and `jobs` the running ones that use it."""

    path: Path
    marker: dict[str, Any]
    bytes: int
    last_use: float
    jobs: list[str] = field(default_factory=list)

    @property
    def recent(self) -> bool:
        """Whether the bundle was asked for just now. A time to come is one only if it is as near."""
        return abs(time.time() - self.last_use) < IN_USE_S

    def as_dict(self) -> dict[str, Any]:
        """Return the bundle as results of modules name it."""
        return {
            "sha256": self.path.name,
            "name": self.marker.get("name"),
            "version": self.marker.get("version"),
            "bytes": self.bytes,
            "last_use": utc_text(self.last_use),
            "jobs": self.jobs,
        }


@contextlib.contextmanager
def locked(root: Path, *, exclusive: bool, wait: bool = True) -> Iterator[bool]:
    """Hold the store's lock in the block; the value is False if there is none to be had."""
    handle = _acquire(root / "bundles", (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH), wait=wait)
    try:
        yield handle is not None
    finally:
        if handle is not None:
            os.close(handle)


def _acquire(directory: Path, kind: int, *, wait: bool) -> int | None:
    while True:
        try:
            handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            return None
        try:
            fcntl.flock(handle, kind if wait else kind | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(handle), directory.stat()):
                return handle
        except FileNotFoundError:
            pass
        except OSError:
            os.close(handle)
            return None
        # Who held the lock before removed the directory, and perhaps another one was made.
        os.close(handle)


def verify(directory: Path) -> int | None:
    """Return the number of files of a bundle whose bytes are all as they were unpacked; None if it is not there.

    Raises `TargetError` if a file was changed, removed or added since, and for a link: a bundle holds none.
    """
    if not os.path.lexists(directory):
        return None
    if directory.is_symlink():
        raise changed_on_disk(directory, directory.name)
    try:
        files = json.loads((directory / MARKER).read_bytes())["files"]
        expected = {str(entry["path"]): (int(entry["size"]), str(entry["sha256"])) for entry in files}
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise changed_on_disk(directory, MARKER) from error
    present = {}
    for path in sorted(directory.rglob("*")):
        status = path.lstat()
        if stat.S_ISDIR(status.st_mode):
            continue
        name = str(path.relative_to(directory))
        if not stat.S_ISREG(status.st_mode) or name not in {*expected, MARKER}:
            raise changed_on_disk(directory, name)
        present[name] = status.st_size
    for name, (size, sha256) in expected.items():
        if present.get(name) != size or sha256_file(directory / name) != sha256:
            raise changed_on_disk(directory, name)
    return len(expected)


def changed_on_disk(directory: Path, name: str) -> TargetError:
    """Return the failure for a bundle that is not what was unpacked."""
    return TargetError(
        "bundle_digest_mismatch",
        f"{name} of the unpacked bundle is not as it was unpacked. Nothing runs from {directory} until that directory "
        "is removed.",
    )


def touch(directory: Path) -> None:
    """Note that a bundle was asked for; a store that cannot be written has no need to know."""
    with contextlib.suppress(OSError):
        os.utime(directory / MARKER)


def jobs(root: Path) -> list[Job]:
    """Return all executions that left a directory, and those that are just being made."""
    found = []
    for path in sorted((root / "jobs").glob("*/*")):
        if path.is_symlink() or not path.is_dir():
            continue
        state = _supervisor.read_document(path / "state.json") or {}
        spec = _supervisor.read_document(path / "spec.json") or {}
        bundle = Path(str(spec.get("bundle_dir") or "")).name
        found.append(Job(path, str(state.get("state") or "unknown"), is_running(path, state), bundle))
    return found


def is_running(job_dir: Path, state: dict[str, Any]) -> bool:
    """Say whether a job's supervisor or benchmark is there, or whether it was made just now and is to start."""
    if _is_locked(job_dir / ".lock"):
        return True
    if state.get("boot_id") != _supervisor.boot_id():
        return False
    if state.get("state") == "starting":
        return age(job_dir / "state.json") < STALE_S
    pid, ticks = state.get("benchmark_pid"), state.get("benchmark_start_ticks")
    return bool(pid and ticks and _supervisor.start_ticks(pid) == ticks)


def _is_locked(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def bundles(root: Path, all_jobs: list[Job]) -> list[Bundle]:
    """Return what is in the store, whole or not, longest unused first."""
    users: dict[str, list[str]] = {}
    for job in all_jobs:
        if job.running:
            users.setdefault(job.bundle, []).append(job.name)
    found = []
    for path in sorted((root / "bundles").glob("[!.]*")):
        marker = path / MARKER
        last_use = (marker if marker.is_file() else path).lstat().st_mtime
        document = _supervisor.read_document(marker) or {}
        size = size_of(path) - size_of(marker)
        found.append(Bundle(path, document, size, last_use, users.get(path.name, [])))
    return sorted(found, key=lambda bundle: (bundle.last_use, bundle.path.name))


def make_room(root: Path, needed: int, quota: int | None, *, may_write: bool) -> list[Bundle]:
    """Remove the bundles that were not used for longest and that are not in use, until `needed` bytes fit.

    Returns what was removed, or without `may_write` what would be. Raises `TargetError("store_full")`, and removes
    nothing, if all of it would not be enough.
    """
    if quota is None or not _to_evict(root, needed, quota):
        return []
    with locked(root, exclusive=True):
        chosen = _to_evict(root, needed, quota)
        if may_write:
            for bundle in chosen:
                discard(bundle.path)
    return chosen


def _to_evict(root: Path, needed: int, quota: int) -> list[Bundle]:
    if needed > quota:
        raise TargetError(
            "store_full",
            f"The bundle alone needs {needed} bytes in {root / 'bundles'}, whose quota is {quota} bytes.",
        )
    stored = bundles(root, jobs(root))
    used = sum(bundle.bytes for bundle in stored)
    busy = sum(bundle.bytes for bundle in stored if bundle.jobs or bundle.recent)
    if busy + needed > quota:
        raise TargetError(
            "store_full",
            f"The bundle needs {needed} bytes in {root / 'bundles'}, whose quota is {quota} bytes: {used} are used, "
            f"{busy} of them by running jobs and by runs that asked for them less than {IN_USE_S:g} s ago.",
        )
    chosen = []
    excess = used + needed - quota
    for bundle in stored:
        if excess <= 0:
            break
        if not bundle.jobs and not bundle.recent:
            chosen.append(bundle)
            excess -= bundle.bytes
    return chosen


def new_part(root: Path, digest: str) -> Path:
    """Return a path for an upload that nobody else has."""
    return root / "uploads" / f"{digest}.{secrets.token_hex(8)}.part"


def parts(root: Path) -> list[Path]:
    """Return the uploads that have arrived or are on their way."""
    return sorted(path for path in (root / "uploads").glob("*") if not path.is_dir())


def is_given_up(root: Path, part: Path) -> bool:
    """Say whether nobody needs a part any more."""
    digest = part.name.split(".", 1)[0]
    there = DIGEST.fullmatch(digest) is not None and (root / "bundles" / digest / MARKER).is_file()
    return there or age(part) > STALE_S


def remove_given_up(root: Path) -> None:
    """Remove parts and unfinished directories that nobody needs any more, as far as that is possible just now."""
    with contextlib.suppress(OSError):
        for part in parts(root):
            if is_given_up(root, part):
                part.unlink()
        if any((root / "bundles").glob(".*")):
            with locked(root, exclusive=True, wait=False) as held:
                if held:
                    remove_rubbish(root)


def remove_rubbish(root: Path) -> None:
    """Remove unfinished directories. Only for who holds the store's lock alone."""
    for path in (root / "bundles").glob(".*"):
        remove(path)


def discard(bundle: Path) -> None:
    """Remove a bundle; it is gone in one step. Only for who holds the store's lock alone."""
    gone = bundle.with_name(f".{bundle.name}.{secrets.token_hex(8)}.gone")
    bundle.rename(gone)
    remove(gone)


def remove(path: Path) -> None:
    """Remove a file, or a directory with all that is in it; a link is a file."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def size_of(path: Path) -> int:
    """Return how many bytes a file, or all files of a directory, hold; what vanishes meanwhile does not count."""
    try:
        status = path.lstat()
        if not stat.S_ISDIR(status.st_mode):
            return status.st_size if stat.S_ISREG(status.st_mode) else 0
        return sum(size_of(child) for child in path.iterdir())
    except FileNotFoundError:
        return 0


def age(path: Path) -> float:
    """Return how many seconds ago a file was written; 0 if it is gone."""
    try:
        return time.time() - path.lstat().st_mtime
    except FileNotFoundError:
        return 0.0


def utc_text(seconds: float) -> str:
    """Return a time of the file system as UTC text."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
