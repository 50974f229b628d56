#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Build the files of a release: `tools/build_release.py DIRECTORY` builds twice, compares, and keeps them there.

They are what `tools/artifacts.py` and `tools/sbom.py` make of HEAD, and SHA256SUMS. The directory is new or empty.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from verdict import ROOT, CheckError, command, digest_lines, into_directory

# A clock that is wrong by some days, for all Python that is started with it.
OTHER_CLOCK = """\
import time

_now = time.time
time.time = lambda: _now() - 1_000_000
"""


def build_twice() -> dict[str, bytes]:
    """Build all of HEAD in two clones that differ in all that must not matter, and return the files by their names.

    Raises `CheckError` when a build fails or the two differ.
    """
    with tempfile.TemporaryDirectory(prefix="rackbench-builds-") as directory:
        clock = Path(directory, "clock")
        clock.mkdir()
        (clock / "sitecustomize.py").write_text(OTHER_CLOCK)
        plain = {"TZ": "UTC", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "1"}
        other = {"TZ": "Asia/Kathmandu", "LC_ALL": "C", "PYTHONHASHSEED": "2", "PYTHONPATH": str(clock)}
        commit = command("git", "rev-parse", "HEAD").strip()
        first = _build(Path(directory, "one"), commit, "022", plain)
        second = _build(Path(directory, "another/and/deeper"), commit, "077", other)
    if first != second:
        differ = ", ".join(sorted(name for name in first | second if first.get(name) != second.get(name)))
        raise CheckError(f"Two builds of one commit differ: {differ}. Next: unpack both and compare.")
    return first


def _build(clone: Path, commit: str, umask: str, env: dict[str, str]) -> dict[str, bytes]:
    """Build the commit in a new clone, and return the files that came out."""
    command("git", "clone", "--quiet", "--no-local", "--no-checkout", ROOT, clone)
    command("git", "checkout", "--quiet", "--detach", commit, cwd=clone)
    built = clone / "build/artifacts"
    for tool in ("artifacts.py", "sbom.py"):
        command(
            "sh", "-c", 'umask "$1"; shift; exec "$@"',
            "sh", umask, sys.executable, clone / "tools" / tool, built, cwd=clone, env=env,
        )  # fmt: skip
    return {path.name: path.read_bytes() for path in sorted(built.iterdir())}


def write(out: Path) -> list[str]:
    """Build into the directory `out`, and return what came out, as sha256sum prints it; raises `CheckError`."""
    if out.exists() and any(out.iterdir()):
        raise CheckError(f"{out} is not empty. Next: name a new directory, or empty this one.")
    contents = build_twice()
    out.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (out / name).write_bytes(content)
    digests = digest_lines(contents)
    (out / "SHA256SUMS").write_text("".join(f"{line}\n" for line in digests))
    return digests


if __name__ == "__main__":
    sys.exit(into_directory(__doc__, write))
