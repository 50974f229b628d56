# SPDX-License-Identifier: Apache-2.0
"""Bundles in directories: list them, read their sidecars, and check one against its sidecar."""

from __future__ import annotations

import json
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from rackbench.bundles.platforms import ANY, Platform, version_key
from rackbench.errors import RackbenchError
from rackbench.files import sha256_of
from rackbench.models.bundle import Sidecar
from rackbench.models.common import check

if TYPE_CHECKING:
    from collections.abc import Iterable

TARBALL_SUFFIX = ".tar.gz"
SIDECAR_SUFFIX = ".json"


@dataclass(frozen=True, slots=True)
class Listed:
    """A tarball, or a sidecar without one: `sidecar` is None when `reason` says what is wrong with it."""

    tarball: Path
    sidecar: Sidecar | None
    reason: str | None


def sidecar_path(tarball: Path) -> Path:
    """Return where the sidecar of a tarball lies."""
    return tarball.with_name(tarball.name + SIDECAR_SUFFIX)


def needs_of(sidecar: Sidecar) -> Platform | None:
    """Return what a bundle needs of a host; None when it runs anywhere."""
    needs = sidecar.platform
    return (
        None if isinstance(needs, str) else Platform(needs.os, needs.machine, needs.libc, needs.libc_version)
    )


def read_sidecar(tarball: Path) -> Sidecar:
    """Read the sidecar of a tarball. Raises `RackbenchError` (bundle_unreadable) naming the place in it."""
    path = sidecar_path(tarball)
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise RackbenchError("bundle_unreadable", f"{path} is missing.", where=str(path)) from error
    except (OSError, ValueError) as error:
        raise RackbenchError("bundle_unreadable", f"{path}: {error}", where=str(path)) from error
    return check(Sidecar, content, path=path, code="bundle_unreadable")


def list_bundles(directories: Iterable[Path]) -> list[Listed]:
    """Return every bundle of the directories: directory by directory, by name, the newest version first.

    A directory that is not there holds none. What cannot be used is listed with its reason.
    """
    return [listed for directory in directories for listed in sorted(_listed(directory), key=_order)]


def _listed(directory: Path) -> Iterable[Listed]:
    tarballs = {path for path in directory.glob(f"*{TARBALL_SUFFIX}") if not path.name.startswith(".")}
    orphans = {
        path.with_name(path.name.removesuffix(SIDECAR_SUFFIX))
        for path in directory.glob(f"*{TARBALL_SUFFIX}{SIDECAR_SUFFIX}")
        if not path.name.startswith(".")
    } - tarballs
    yield from (Listed(tarball, None, f"{tarball} is missing.") for tarball in orphans)
    for tarball in tarballs:
        try:
            yield Listed(tarball, read_sidecar(tarball), None)
        except RackbenchError as error:
            yield Listed(tarball, None, error.message)


def _order(listed: Listed) -> tuple[str, tuple[int, ...], bool, str]:
    """Sort by name, newest version, native before `any`, then path."""
    if listed.sidecar is None:
        return listed.tarball.name, (), True, listed.tarball.name
    newest_first = tuple(-number for number in version_key(listed.sidecar.version))
    return listed.sidecar.name, newest_first, listed.sidecar.platform == ANY, listed.tarball.name


def verify(tarball: Path) -> list[str]:
    """Return everything that is wrong with a bundle, in words; an empty list when it may be used.

    Checks the sidecar, size and digest of the tarball, and that its members are plain files inside it, with the entry
    point among them and no more bytes than declared.
    """
    try:
        sidecar = read_sidecar(tarball)
        size = tarball.stat().st_size
        digest = sha256_of(tarball)
    except RackbenchError as error:
        return [error.message]
    except OSError as error:
        return [f"{tarball}: {error.strerror}."]
    if size != sidecar.size or digest != sidecar.sha256:
        return [checksum_problem(sidecar, size, digest)]
    try:
        return _member_problems(tarball, sidecar)
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        return [f"{tarball} is no whole tar.gz archive: {error}."]


def checksum_problem(sidecar: Sidecar, size: int, digest: str) -> str:
    """Return how the bytes of a tarball differ from what its sidecar names."""
    return (
        f"its bytes changed: {size} bytes with SHA-256 {digest[:12]}…, "
        f"and the sidecar names {sidecar.size} bytes with {sidecar.sha256[:12]}…"
    )


def _member_problems(tarball: Path, sidecar: Sidecar) -> list[str]:
    problems = []
    names: set[str] = set()
    unpacked = 0
    entry_executable = False
    with tarfile.open(tarball, mode="r:gz") as archive:
        for member in archive:
            path = PurePosixPath(member.name)
            if path.is_absolute() or ".." in path.parts:
                problems.append(f"the member {member.name!r} would be unpacked outside of the bundle.")
            if member.isdir():
                continue
            if not member.isreg():
                problems.append(f"the member {member.name!r} is no plain file.")
            if member.name in names:
                problems.append(f"the member {member.name!r} is there twice.")
            names.add(member.name)
            unpacked += member.size
            if member.name == sidecar.entry_point:
                entry_executable = member.mode & 0o111 != 0
    if not entry_executable:
        problems.append(f"the entry point {sidecar.entry_point!r} is missing or not executable.")
    if (unpacked, len(names)) != (sidecar.unpacked_size, sidecar.file_count):
        problems.append(
            f"it holds {len(names)} files with {unpacked} bytes, and the sidecar names "
            f"{sidecar.file_count} with {sidecar.unpacked_size}."
        )
    return problems
