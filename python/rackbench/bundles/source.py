# SPDX-License-Identifier: Apache-2.0
"""A benchmark's source: its `bundle.toml`, which files it packs, and the digest that says whether it changed."""

from __future__ import annotations

import hashlib
import os
import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rackbench.errors import RackbenchError
from rackbench.models.bundle import BundleToml
from rackbench.models.common import check

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rackbench.models.bundle import BuildNeed

TOML_NAME = "bundle.toml"
# Part of the digest: a changed way of packing makes every bundle stale.
_PACKING = "rackbench.packing/1"
# What tools leave behind in a source directory; never packed, never part of the digest.
LITTER_DIRECTORIES = frozenset({"__pycache__", "build", "dist", "target"})
LITTER_SUFFIXES = (".pyc", ".pyo", "~", ".o")
# So much of a file is in memory at a time.
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """A source directory with its checked `bundle.toml`."""

    directory: Path
    toml: BundleToml

    @property
    def name(self) -> str:
        """Return the bundle's name."""
        return self.toml.bundle.name


def read_source(directory: Path) -> Source:
    """Read `bundle.toml` of a source directory. Raises `RackbenchError` (bundle_toml_invalid) naming file and place."""
    path = directory / TOML_NAME
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise RackbenchError("bundle_toml_invalid", f"{path}: {reason}", where=str(path)) from error
    return Source(directory, check(BundleToml, content, path=path, code="bundle_toml_invalid"))


def source_files(directory: Path) -> Iterator[Path]:
    """Yield every file of the source, sorted, without what git, editors, compilers and macOS leave there."""
    for folder, folders, names in os.walk(directory):
        folders[:] = sorted(
            name for name in folders if name not in LITTER_DIRECTORIES and not name.startswith(".")
        )
        for name in sorted(names):
            if not name.startswith(".") and not name.endswith(LITTER_SUFFIXES):
                yield Path(folder, name)


def source_digest(directory: Path) -> str:
    """Return a SHA-256 over names, execute bits and bytes of the source. Raises `OSError`."""
    return digest_of(
        sorted((path.relative_to(directory).as_posix(), path) for path in source_files(directory))
    )


def digest_of(files: Iterable[tuple[str, Path]]) -> str:
    """Return a SHA-256 over names, execute bits and bytes of files, as they come. Raises `OSError`."""
    digest = hashlib.sha256(_PACKING.encode())
    for name, path in files:
        with path.open("rb") as stream:
            status = os.fstat(stream.fileno())
            executable = status.st_mode & 0o100 != 0
            header = f"\0{name}\0{int(executable)}\0{status.st_size}\0"
            digest.update(header.encode("utf-8", "surrogateescape"))
            while block := stream.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()


def included_files(source: Source) -> dict[str, Path]:
    """Return name in the bundle and file of everything that `[files] include` selects.

    Raises `RackbenchError` (bundle_toml_invalid) for a glob that selects nothing or leaves the source directory.
    """
    path = source.directory / TOML_NAME
    present = set(source_files(source.directory))
    chosen: dict[str, Path] = {}
    for pattern in source.toml.files.include:
        if Path(pattern).is_absolute() or ".." in Path(pattern).parts or not Path(pattern).parts:
            problem = "must be relative to the source directory and stay in it"
            raise RackbenchError(
                "bundle_toml_invalid", f"{path}: files.include {pattern!r} {problem}.", where=str(path)
            )
        matched = present.intersection(source.directory.glob(pattern))
        if not matched:
            raise RackbenchError(
                "bundle_toml_invalid", f"{path}: files.include {pattern!r} selects no file.", where=str(path)
            )
        chosen |= {file.relative_to(source.directory).as_posix(): file for file in matched}
    return chosen


def lacking_tools(source: Source) -> tuple[list[BuildNeed], str | None]:
    """Return what the recipe calls and this machine lacks: the needs, and the program of its command."""
    section = source.toml.build
    if section is None:
        return [], None
    search_path = os.environ.get("PATH", os.defpath)
    needs = [need for need in section.needs if shutil.which(need.command, path=search_path) is None]
    first = section.command[0]
    # As the kernel does it: a name with a slash is looked up from the source directory, any other one on PATH.
    found = (
        os.access(source.directory / first, os.X_OK)
        if "/" in first
        else shutil.which(first, path=search_path)
    )
    return needs, None if found else first


def find_sources(*roots: Path) -> list[Source]:
    """Return the in-tree benchmarks (`benchmarks/*/bundle.toml`) of the roots, sorted by directory in each of them.

    Of two with one name the first root's is meant. Raises what `read_source` raises.
    """
    found: dict[str, Source] = {}
    for root in roots:
        for path in sorted((root / "benchmarks").glob(f"*/{TOML_NAME}")):
            source = read_source(path.parent)
            found.setdefault(source.name, source)
    return list(found.values())
