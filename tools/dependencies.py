#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the lock files say, and under which licences the packages of a run are.

`tools/dependencies.py > docs/reference/dependencies.md` writes the page about them.
"""

from __future__ import annotations

import re
import sys
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from verdict import ROOT, CheckError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from license_expression import Licensing

RUN = ROOT / "requirements/run.txt"
# The tests use what the extras of the package name, so their versions are here.
DEV = ROOT / "requirements/dev.txt"

PAGE = """\
<!-- Written by `tools/dependencies.py`, which reads `requirements/run.txt` and what the packages say of themselves. -->
# Dependencies

What is installed beside Rackbench on a controller, and under which licences. [Licences](../explanation/licences.md)
explains what they mean for you, and what is not in the list. Two versions of a package are for different versions of
Python.

| Package | Version | Licence | Needed by |
|---|---|---|---|
"""

# What the trove classifiers that say one licence only are called by SPDX.
CLASSIFIERS = {
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "License :: OSI Approved :: ISC License (ISCL)": "ISC",
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}

# Packages whose metadata do not say it, or not all of it: read in their licence files and sources.
READ_BY_US = {
    "jinja2": "BSD-3-Clause",
    "paramiko": "LGPL-2.1-or-later",
    "python-dateutil": "BSD-3-Clause",
    "s3fs": "BSD-3-Clause",
    "scipy": "BSD-3-Clause",
}


@dataclass(frozen=True, slots=True)
class Locked:
    """A package in a lock file: its version, for which Python, the digests of its files, and what wants it."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]
    wanted_by: tuple[str, ...]


def lock_files() -> list[Path]:
    """Return every lock file; each has its *.in beside it."""
    found = [*ROOT.glob("requirements/*.in"), *ROOT.glob("benchmarks/*/requirements.in")]
    return sorted(path.with_suffix(".txt") for path in found)


def read_lock(path: Path) -> list[Locked]:
    """Return the packages of a lock file in its order; raises `CheckError` for a line that pins no version."""
    packages: list[Locked] = []
    for line, comments in _logical_lines(path):
        words, *hashes = re.split(r"\s+--hash=", line)
        try:
            requirement = Requirement(words)
            (pin,) = requirement.specifier
        except (InvalidRequirement, ValueError):
            raise CheckError(f"{_named(path)}: {words!r} does not pin a version. Next: tools/lock") from None
        if pin.operator != "==":
            raise CheckError(f"{_named(path)}: {words!r} does not pin a version. Next: tools/lock")
        packages.append(
            Locked(
                canonicalize_name(requirement.name),
                pin.version,
                str(requirement.marker or ""),
                tuple(digest.strip() for digest in hashes),
                tuple(comments),
            )
        )
    return packages


def needed(locked: list[Locked], roots: Collection[str]) -> set[str]:
    """Return the names of the locked packages `roots` and of all that these need, directly or not."""
    names: set[str] = set()
    found = {package.name for package in locked if package.name in roots}
    while found - names:
        names |= found
        found = {package.name for package in locked if names & set(package.wanted_by)}
    return names


def of_extras() -> set[str]:
    """Return the names of the packages that the extras of pyproject.toml bring, in the versions that tests use."""
    extras: dict[str, list[str]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    roots = {canonicalize_name(Requirement(text).name) for texts in extras.values() for text in texts}
    names = needed(read_lock(DEV), roots)
    if missing := roots - names:
        raise CheckError(
            f"{_named(DEV)} does not have {', '.join(sorted(missing))}, which an extra asks for."
        )
    return names


def read_wishes(path: Path) -> tuple[list[Requirement], list[Path]]:
    """Return what an *.in asks for, and the lock files whose versions it keeps to."""
    wishes: list[Requirement] = []
    kept: list[Path] = []
    for line in path.read_text().splitlines():
        words = line.partition("#")[0].strip()
        if words.startswith("-c "):
            kept.append(path.parent / words[3:].strip())
        elif words:
            wishes.append(Requirement(words))
    return wishes, kept


def licence(name: str) -> str:
    """Return the SPDX expression for an installed package; raises `CheckError` if it says none that SPDX knows."""
    try:
        said: dict[str, Any] = dict(metadata.metadata(name).json)
    except metadata.PackageNotFoundError:
        raise CheckError(f"{name} is in a lock file and not installed. Next: make setup-release") from None
    classified = {CLASSIFIERS.get(text) for text in said.get("classifier", ()) if text.startswith("License")}
    expressions: tuple[str | None, ...] = (
        READ_BY_US.get(name),
        said.get("license_expression"),
        next(iter(classified)) if len(classified) == 1 else None,
        said.get("license"),
    )
    for expression in filter(None, expressions):
        if licences_in(expression):
            return expression
    raise CheckError(
        f"{name} does not say its licence in a form that SPDX knows. "
        "Next: read its licence file and add it to READ_BY_US in tools/dependencies.py"
    )


def licences_in(expression: str) -> set[str]:
    """Return the identifiers in an SPDX expression, or nothing when it is none."""
    try:
        checked = _spdx().validate(expression)
    except AttributeError:  # its own answer to an expression that it cannot split
        return set()
    return set() if checked.errors else set(_spdx().license_keys(expression))


def page() -> str:
    """Return the page about the packages of a run; raises `CheckError`."""
    versions: dict[str, list[str]] = {}
    wanted: dict[str, set[str]] = {}
    for package in read_lock(RUN):
        versions.setdefault(package.name, []).append(package.version)
        wanted.setdefault(package.name, set()).update(
            "Rackbench" if name.startswith("-r ") else name for name in package.wanted_by
        )
    lines = [
        f"| {name} | {', '.join(versions[name])} | {licence(name)} | {', '.join(sorted(wanted[name]))} |\n"
        for name in sorted(versions)
    ]
    return PAGE + "".join(lines)


@cache
def _spdx() -> Licensing:
    from license_expression import (
        get_spdx_licensing,
    )  # of requirements/release.txt; lock files are read without it

    return get_spdx_licensing()


def _logical_lines(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Give each package of a lock file as one line, with the names in the "via" comments after it."""
    line, via = "", []
    for text in path.read_text().splitlines():
        if text.startswith("    #"):
            name = text.strip("# ").removeprefix("via").strip()
            via += [name] if name else []
        elif text and not text.startswith("#"):
            if line and not line.endswith("\\"):
                yield line, via
                line, via = "", []
            line = line.removesuffix("\\") + text
    if line:
        yield line, via


def _named(path: Path) -> str:
    return str(path.relative_to(ROOT))


if __name__ == "__main__":
    try:
        sys.stdout.write(page())
    except CheckError as error:
        sys.exit(str(error))
