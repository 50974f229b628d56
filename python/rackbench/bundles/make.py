# SPDX-License-Identifier: Apache-2.0
"""Make the bundle that a decision chose and that is not there yet, on the controller."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rackbench.bundles.build import Built, Follower, build_source, provenance_of, write_bundle
from rackbench.bundles.catalog import needs_of, read_sidecar
from rackbench.bundles.decision import BUILDER, RUNNER
from rackbench.bundles.elf import program_needs
from rackbench.bundles.index import write_index
from rackbench.bundles.platforms import Platform, mismatch
from rackbench.bundles.recipe import ENTRY_POINT
from rackbench.bundles.scratch import remove_stale
from rackbench.bundles.snapshot import snapshot
from rackbench.bundles.source import digest_of, read_source
from rackbench.errors import RackbenchError
from rackbench.models.bundle import BundleSection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rackbench.adapters.catalog import Adapter
    from rackbench.bundles.decision import Candidate

# Seconds between two looks whether another build of the same source has ended.
_LOOK_S = 0.5
# So much of a digest tells snapshots apart in file names.
_MARK = 12


@dataclass(frozen=True, slots=True)
class Places:
    """Where bundles that are made go: `dist` for built ones, `cache` for others; `log` takes a build's words."""

    dist: Path
    cache: Path
    log: Path


def make(
    candidate: Candidate,
    adapter: Adapter,
    places: Places,
    follower: Follower,
    decide: Callable[[], Candidate | None],
) -> Path:
    """Make the tarball of an accepted candidate that is made on the controller, and return it.

    Of two builds of one source the second waits; `decide` then says whether there is a bundle now that can be taken
    instead. What is there otherwise was rejected, and is not taken because it looks alike.
    Raises `RackbenchError`: what `build` raises for a builder, else snapshot_failed and cache_unwritable.
    """
    if candidate.source == BUILDER:
        source = read_source(Path(candidate.path).parent)
        with only_one(places.dist, source.name, follower):
            now = decide()
            if now and now.made_on is None:
                return Path(now.path)
            built = build_source(source, places.dist, log=places.log, follower=follower)
            write_index(places.dist)
            return built.tarball
    try:
        return _packed(candidate, adapter, places.cache / "made").tarball
    except OSError as error:
        raise unwritable(adapter, places.cache, error) from error


def require_fit(tarball: Path, platform: Platform | None, adapter: Adapter) -> None:
    """Raise `RackbenchError` (packaging_blocked) when a bundle that was made turns out not to run on the host."""
    problem = mismatch(needs_of(read_sidecar(tarball)), platform)
    if problem is not None:
        raise RackbenchError(
            "packaging_blocked",
            f"The bundle of {adapter.name} was made, and does not fit: {problem[1]}",
            where=str(tarball),
            next_step="Build it for this host, or configure one that fits it.",
        )


def made_record(tarball: Path) -> dict[str, Any]:
    """Return what the journal says of a bundle that was made."""
    head = read_sidecar(tarball)
    return {
        "path": str(tarball),
        "sha256": head.sha256,
        "size": head.size,
        "unpacked_size": head.unpacked_size,
        "entry_point": head.entry_point,
        "version": head.version,
    }


@contextlib.contextmanager
def only_one(directory: Path, name: str, follower: Follower) -> Iterator[None]:
    """Hold the lock of one thing that is built into a directory; whoever comes second waits, and says so.

    The kernel gives it back when the process ends, however it ends. Raises `RackbenchError` (cache_unwritable).
    """
    began = time.monotonic()
    path = directory / f".{name}.lock"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise RackbenchError(
            "cache_unwritable", f"{path} cannot be written: {error.strerror}.", where=str(path)
        ) from error
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                follower.goes_on("waiting for another build of it", round(time.monotonic() - began, 3))
                time.sleep(_LOOK_S)
        remove_stale(directory)
        yield
    finally:
        os.close(handle)


def unwritable(adapter: Adapter, directory: Path, error: OSError) -> RackbenchError:
    """Return the failure of a bundle that cannot be written."""
    return RackbenchError(
        "cache_unwritable",
        f"The bundle of {adapter.name} cannot be written to {directory}: {error.strerror} "
        f"({error.filename or directory}).",
        where=str(directory),
    )


def _packed(candidate: Candidate, adapter: Adapter, directory: Path) -> Built:
    """Pack a snapshot of a repository, or a single program, as it is."""
    place = Path(candidate.path)
    files = {ENTRY_POINT: place} if candidate.source == RUNNER else snapshot(place)
    entry_point = candidate.entry_point or ENTRY_POINT
    entry = files.get(entry_point)
    if entry is None or not os.access(entry, os.X_OK):
        why = "git does not track it" if entry is None else "it is not executable"
        raise RackbenchError(
            "snapshot_failed",
            f"{place} cannot be packed: its program {entry_point} would not be in the bundle, since {why}.",
            where=str(place),
        )
    digest = digest_of(files.items())
    head = BundleSection(
        name=adapter.bundle.name if adapter.bundle else adapter.name,
        # What has no version of its own is told apart by its bytes.
        version=candidate.version or f"0.0.0-{digest[:_MARK]}",
        entry_point=entry_point,
        capabilities=sorted(adapter.capabilities),
    )
    directory.mkdir(parents=True, exist_ok=True)
    folder = place if place.is_dir() else place.parent
    return write_bundle(
        head,
        files,
        program_needs([entry]),
        directory,
        provenance_of(folder, digest, {}),
        # Two snapshots of one version do not take each other's place while one of them is on its way to a host.
        mark=f".{digest[:_MARK]}",
    )
