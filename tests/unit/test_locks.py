# SPDX-License-Identifier: Apache-2.0
"""`make check-supply` finds a lock file that is not what its *.in and its neighbours ask for."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("license_expression", reason="make setup-release installs what checks a release")

ROOT = Path(__file__).resolve().parents[2]
CHECK = """
import sys
import check_supply
from verdict import CheckError
try:
    print(check_supply.check_locks())
except CheckError as error:
    sys.exit(str(error))
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for folder in ("tools", "requirements"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def check(copy: Path) -> str:
    """Return what the check of a copy says, with "passed: " before it if it passed."""
    done = subprocess.run([sys.executable, "-c", CHECK], cwd=copy / "tools", capture_output=True, text=True)
    return done.stderr if done.returncode else f"passed: {done.stdout}"


def edit(path: Path, pattern: str, replacement: str) -> None:
    text, count = re.subn(pattern, replacement, path.read_text(), count=1, flags=re.MULTILINE)
    assert count == 1
    path.write_text(text)


def test_the_lock_files_are_as_they_must_be(copy: Path) -> None:
    assert check(copy).startswith("passed: ")


def test_a_package_without_a_digest(copy: Path) -> None:
    edit(copy / "requirements/run.txt", r"^(isal==\S+).*\n(    --hash.*\n)+", r"\1\n")
    assert "requirements/run.txt: isal has no digest." in check(copy)


def test_an_in_file_that_asks_for_a_newer_version(copy: Path) -> None:
    edit(copy / "requirements/run.in", r"^rich>=.*$", "rich>=9999")
    assert "requirements/run.in asks for rich>=9999, and requirements/run.txt has" in check(copy)


def test_an_in_file_that_asks_for_a_package_that_is_not_locked(copy: Path) -> None:
    edit(copy / "requirements/run.in", r"\Z", "left-pad\n")
    assert "requirements/run.in asks for left-pad, and requirements/run.txt does not have it." in check(copy)


def test_a_locked_package_that_nothing_asks_for(copy: Path) -> None:
    edit(copy / "requirements/run.in", r"^ruptures.*\n", "")
    assert "requirements/run.txt: nothing asks for ruptures any more." in check(copy)


def test_a_package_of_a_run_that_is_another_version_in_dev(copy: Path) -> None:
    edit(copy / "requirements/dev.txt", r"^urllib3==\S+", "urllib3==99.1")
    assert "requirements/dev.txt: urllib3 is 99.1, and in requirements/run.txt" in check(copy)


def test_a_dependency_of_the_package_that_the_lock_is_too_old_for(copy: Path) -> None:
    edit(copy / "pyproject.toml", r'"shtab>=[^"]*"', '"shtab>=9999"')
    assert "pyproject.toml asks for shtab>=9999, and requirements/run.txt has" in check(copy)
