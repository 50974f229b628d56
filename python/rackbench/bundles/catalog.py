# SPDX-License-Identifier: Apache-2.0
"""Bundles in directories: list them, read their sidecars, and check one against its sidecar."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rackbench import strict_json
from rackbench.bundles.platforms import ANY, Platform, normalise_libc, normalise_machine, version_key
from rackbench.errors import RackbenchError
from rackbench.models.bundle import Sidecar
from rackbench.models.common import check

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

TARBALL_SUFFIX = ".tar.gz"
SIDECAR_SUFFIX = ".json"
SIGNATURE_SUFFIX = ".sig"
# Larger than any sidecar that a build writes: more is not read, and what is cut there is no JSON.
_SIDECAR_BYTES = 1024 * 1024
_VERSION_AND_TAG = re.compile(
    r"(\d+\.\d+\.\d+(?:[.-][0-9A-Za-z.]+)??)-(any|(?:linux|darwin|freebsd)-[a-z0-9_]+(?:-[a-z]+)?)"
)


@dataclass(frozen=True, slots=True)
class Listed:
    """A tarball, or a sidecar without one: `sidecar` is None when `reason` says what is wrong with it."""

    tarball: Path
    sidecar: Sidecar | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Named:
    """A tarball, with version and platform as its file name tells them; None for both where it does not.

    `numbers` are those of the version, for comparisons.
    """

    tarball: Path
    version: str | None
    numbers: tuple[int, ...]
    tag: str | None


def sidecar_path(tarball: Path) -> Path:
    """Return where the sidecar of a tarball lies."""
    return tarball.with_name(tarball.name + SIDECAR_SUFFIX)


def signature_path(tarball: Path) -> Path:
    """Return where the signature of a bundle lies."""
    return tarball.with_name(tarball.name + SIDECAR_SUFFIX + SIGNATURE_SUFFIX)


def needs_of(sidecar: Sidecar) -> Platform | None:
    """Return what a bundle needs of a host; None when it runs anywhere."""
    needs = sidecar.platform
    if isinstance(needs, str):
        return None
    return _with_our_names(needs.os, needs.machine, needs.libc, needs.libc_version)


def _with_our_names(
    system: str, machine: str, libc: str | None = None, libc_version: str | None = None
) -> Platform:
    return Platform(system.lower(), normalise_machine(machine), normalise_libc(libc), libc_version)


def read_sidecar(tarball: Path) -> Sidecar:
    """Read the sidecar of a tarball. Raises `RackbenchError` (bundle_unreadable) naming the place in it."""
    return read_sidecar_with_bytes(tarball)[0]


def read_sidecar_with_bytes(tarball: Path) -> tuple[Sidecar, bytes]:
    """Return the sidecar of a tarball, and the very bytes that it was read from: those are what is signed."""
    path = sidecar_path(tarball)
    try:
        with path.open("rb") as stream:
            raw = stream.read(_SIDECAR_BYTES)
        content = strict_json.loads(raw)
        # What cannot be written as JSON again (1e999, half of a surrogate pair) is no JSON.
        json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
        return check(Sidecar, content, path=path, code="bundle_unreadable"), raw
    except FileNotFoundError as error:
        raise RackbenchError("bundle_unreadable", f"{path} is missing.", where=str(path)) from error
    except RecursionError as error:
        raise RackbenchError(
            "bundle_unreadable", f"{path}: it is nested too deeply", where=str(path)
        ) from error
    except (OSError, ValueError) as error:
        raise RackbenchError("bundle_unreadable", f"{path}: {error}", where=str(path)) from error


def list_bundles(directories: Iterable[Path]) -> list[Listed]:
    """Return every bundle of the directories: directory by directory, by name, the newest version first.

    A directory that is not there holds none. What cannot be used is listed with its reason.
    """
    return [
        listed
        for directory in directories
        for listed in sorted((read_listed(directory / file) for file in _tarball_names(directory)), key=order)
    ]


def read_listed(tarball: Path) -> Listed:
    """Return a tarball with its sidecar, or with the reason why it has none that can be used."""
    if not tarball.is_file():
        return Listed(tarball, None, f"{tarball} is missing.")
    try:
        return Listed(tarball, read_sidecar(tarball), None)
    except RackbenchError as error:
        return Listed(tarball, None, error.message)


def find(directory: Path, name: str) -> list[Named]:
    """Return what the file names of a directory say of the bundles called `name`, the newest version first.

    Reads no file, so that thousands of bundles cost little. The file name of a bundle begins with its name and a
    hyphen; one that does not go on with version and platform comes last and has None for both.
    """
    return newest_first(
        named
        for file in sorted(_tarball_names(directory))
        if file.startswith(f"{name}-") and (named := _named(directory, file, name))
    )


def newest_first(found: Iterable[Named]) -> list[Named]:
    """Return bundles by newest version, native before `any`, then as they come; what names no version comes last."""
    return sorted(
        found,
        key=lambda named: (named.version is not None, named.numbers, named.tag != ANY),
        reverse=True,
    )


def _named(directory: Path, file: str, name: str) -> Named | None:
    rest = file[len(name) + 1 : -len(TARBALL_SUFFIX)]
    if found := _VERSION_AND_TAG.fullmatch(rest):
        version, tag = found[1], found[2]
        if tag != ANY:
            tag = _with_our_names(*tag.split("-")).tag()
        return Named(directory / file, version, version_key(version), tag)
    # A hyphen and letters go on with another bundle's name: `latency-core-1.0.0-any` is none of `latency`.
    return Named(directory / file, None, (), None) if rest[:1].isdigit() else None


def _newest(version: str) -> tuple[int, ...]:
    """Return a key that sorts the newest version first."""
    return tuple(-number for number in version_key(version))


def _tarball_names(directory: Path) -> set[str]:
    """Return the file names of a directory's tarballs, also of those that only a sidecar tells of."""
    try:
        names = [entry.name for entry in os.scandir(directory)]
    except OSError:
        return set()
    sidecars = TARBALL_SUFFIX + SIDECAR_SUFFIX
    return {
        name.removesuffix(SIDECAR_SUFFIX)
        for name in names
        if name.endswith((TARBALL_SUFFIX, sidecars)) and not name.startswith(".")
    }


def order(listed: Listed) -> tuple[str, tuple[int, ...], bool, str]:
    """Return a key that sorts by name, newest version, native before `any`, then path."""
    if listed.sidecar is None:
        return listed.tarball.name, (), True, listed.tarball.name
    head = listed.sidecar
    return head.name, _newest(head.version), head.platform == ANY, listed.tarball.name
