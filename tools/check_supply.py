#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Check what a release is made of: `make check-supply`.

The lock files, the licence of each file here and of each package that a run or an extra needs, the version, and whether
two builds of the packages and of the bill of materials give the same bytes.
"""

from __future__ import annotations

import re
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import dependencies
import versions
from artifacts import collection, unpack
from build_release import build_twice
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from verdict import ROOT, CheckError, command, digest_lines, report

# What may be beside a program under Apache-2.0: docs/explanation/licences.md says why.
ALLOWED = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "GPL-3.0-or-later", "ISC", "LGPL-2.1-or-later",
    "MIT", "MIT-0", "MPL-2.0", "PSF-2.0", "Zlib",
}  # fmt: skip

# Files of these kinds begin with their licence; REUSE.toml speaks for all others.
SOURCES = (".c", ".css", ".h", ".js", ".py", ".rs", ".sh")

# The GPL's places, and what else is under it: what imports ansible-core, our plugins, or the tests of these.
GPL_PLACES = ("plugins/", "tests/bench/", "tests/unit/plugins/")
GPL_IMPORT = re.compile(
    rb"""\b(from |import |import_module\(f?["'])"""
    rb"""(ansible|ansible_collections|plugins|tests\.unit\.plugins)(\.\w| import\b| as\b|[\n;"'])"""
)
# The one file of the package that does: docs/explanation/licences.md says what for.
READS_SETTINGS = "python/rackbench/transport/sources.py"


def check_locks() -> str:
    """Compare each lock file with its *.in, with those whose versions it keeps to, and run.txt with pyproject.toml."""
    problems = [problem for lock in dependencies.lock_files() for problem in _lock_problems(lock)]
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = dependencies.read_lock(dependencies.RUN)
    for text in project["dependencies"]:
        problems += _unmet(Requirement(text), pinned, "pyproject.toml", "requirements/run.txt")
    if problems:
        raise CheckError("\n".join([*problems, "Next: tools/lock writes the lock files anew."]))
    return f"{len(dependencies.lock_files())} lock files"


def _lock_problems(lock: Path) -> list[str]:
    name = str(lock.relative_to(ROOT))
    wish_file = str(lock.with_suffix(".in").relative_to(ROOT))
    if not lock.is_file():
        return [f"{name} is missing."]
    packages = dependencies.read_lock(lock)
    wishes, kept = dependencies.read_wishes(lock.with_suffix(".in"))
    problems = [
        f"{name}: {package.name} has no digest."
        for package in packages
        if not any(digest.startswith("sha256:") for digest in package.hashes)
    ]
    for wish in wishes:
        problems += _unmet(wish, packages, wish_file, name)
    wished = {canonicalize_name(wish.name) for wish in wishes}
    known = {package.name for package in packages}
    for package in packages:
        by_name = {canonicalize_name(text) for text in package.wanted_by if not text.startswith("-")}
        if by_name - known or (package.name not in wished and not by_name):
            problems.append(f"{name}: nothing asks for {package.name} any more.")
    for other in kept:
        theirs: dict[str, set[str]] = {}
        for package in dependencies.read_lock(other):
            theirs.setdefault(package.name, set()).add(package.version)
        problems += [
            f"{name}: {package.name} is {package.version}, and in {other.relative_to(ROOT)} it is another version."
            for package in packages
            if package.version not in theirs.get(package.name, {package.version})
        ]
    return problems


def _unmet(wish: Requirement, packages: list[dependencies.Locked], asking: str, lock: str) -> list[str]:
    pinned = [package for package in packages if package.name == canonicalize_name(wish.name)]
    if not pinned:
        return [f"{asking} asks for {wish}, and {lock} does not have it."]
    return [
        f"{asking} asks for {wish}, and {lock} has {package.version}."
        for package in pinned
        if not wish.specifier.contains(package.version, prereleases=True)
    ]


def check_licences() -> str:
    """Check that each file, here and in the collection, has a licence and a holder, and each source the right one."""
    command("reuse", "lint", "--lines")
    with tempfile.TemporaryDirectory(prefix="rackbench-licences-") as name:
        unpacked = Path(name, "unpacked")
        unpacked.mkdir()
        unpack(collection(Path(name)), unpacked)
        command("reuse", "--root", unpacked, "lint", "--lines")
    files = command("git", "ls-files", "-z").split("\0")[:-1]
    sources = {name: (ROOT / name).read_bytes() for name in files if name.endswith(SOURCES)}
    wrong = [name for name, text in sources.items() if text and licence_line(name, text) not in text[:1000]]
    if wrong:
        raise CheckError(
            "These sources begin with no licence, or with another than their place or their imports want: "
            f"{', '.join(wrong)}. Next: docs/explanation/licences.md says which one."
        )
    if (ROOT / "LICENSE").read_bytes() != (ROOT / "LICENSES/Apache-2.0.txt").read_bytes():
        raise CheckError("LICENSE and LICENSES/Apache-2.0.txt differ, and must be the same text.")
    return f"{len(files)} files"


def licence_line(name: str, text: bytes) -> bytes:
    """Return what a source of ours says of its licence: docs/explanation/licences.md tells why there are two."""
    imports = name != READS_SETTINGS and GPL_IMPORT.search(text)
    licence = "GPL-3.0-or-later" if name.startswith(GPL_PLACES) or imports else "Apache-2.0"
    key = "SPDX-License-Identifier"  # apart from its value: `reuse` would read that here as the licence of this file
    return f"{key}: {licence}".encode()


def check_dependencies() -> str:
    """Check the licence of each package that a run or an extra needs, and that the page about a run's is as it is."""
    names = {package.name for package in dependencies.read_lock(dependencies.RUN)} | dependencies.of_extras()
    for name in sorted(names):
        expression = dependencies.licence(name)
        if others := dependencies.licences_in(expression) - ALLOWED:
            raise CheckError(
                f"{name} is under {expression}, and nobody has said that {', '.join(sorted(others))} may be used here. "
                "Next: find out, and add it to ALLOWED in tools/check_supply.py, or use another package."
            )
    page = ROOT / "docs/reference/dependencies.md"
    if page.read_text() != dependencies.page():
        raise CheckError(
            f"{page.relative_to(ROOT)} is out of date. Next: tools/dependencies.py > {page.relative_to(ROOT)}"
        )
    return f"{len(names)} packages"


def check_builds() -> str:
    """Build all of HEAD twice, and compare; nothing of it is kept."""
    return "; ".join(digest_lines(build_twice()))


if __name__ == "__main__":
    sys.exit(
        report(
            "check-supply",
            {
                "locks": check_locks,
                "licences": check_licences,
                "dependencies": check_dependencies,
                "versions": versions.agreed,
                "two builds": check_builds,
            },
        )
    )
