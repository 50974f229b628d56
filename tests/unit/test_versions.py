# SPDX-License-Identifier: Apache-2.0
"""`tools/versions.py`, which the release asks for its version, names each file that says another one."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PLACES = (
    "pyproject.toml",
    "galaxy.yml",
    "python/rackbench/__init__.py",
    "plugins/plugin_utils/_package.py",
    "meta/ee-requirements.txt",
    "execution-environment.yml",
)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Give a copy of what says the version, with 99.0.0 everywhere, and of what reads it."""
    current = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert current is not None
    for place in (*PLACES, "tools/versions.py", "tools/verdict.py"):
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((ROOT / place).read_text().replace(current[1], "99.0.0"))
    return tmp_path


def versions(copy: Path) -> tuple[int, str, str]:
    done = subprocess.run([sys.executable, copy / "tools/versions.py"], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def test_the_page_names_each_file_that_says_the_version() -> None:
    steps = (ROOT / "docs/how-to/make-a-release.md").read_text().partition("\n2. ")[0]
    assert set(re.findall(r"`([\w./-]+\.\w+)`", steps)) == set(PLACES)


def test_files_that_agree(copy: Path) -> None:
    assert versions(copy) == (0, "99.0.0\n", "")


@pytest.mark.parametrize("place", PLACES)
def test_one_file_with_another_version_is_named(copy: Path, place: str) -> None:
    path = copy / place
    path.write_text(path.read_text().replace("99.0.0", "99.0.1", 1))
    status, _, said = versions(copy)
    assert status == 1
    assert re.search(rf"{re.escape(place)} says (99\.0\.0 and )?99\.0\.1", said)


@pytest.mark.parametrize("asked", ["rackbench>=99.0.0", "rackbench", "other==99.0.0"])
def test_a_package_for_the_image_that_is_not_of_one_release_is_named(copy: Path, asked: str) -> None:
    (copy / "meta/ee-requirements.txt").write_text(f"{asked}\n")
    status, _, said = versions(copy)
    assert (status, "meta/ee-requirements.txt says" in said) == (1, True)


def test_a_plugin_that_is_newer_than_the_release_is_named(copy: Path) -> None:
    path = copy / "plugins/modules/early.py"
    path.parent.mkdir(parents=True)
    path.write_text('DOCUMENTATION = """\nversion_added: "99.1.0"\n"""\n')
    status, _, said = versions(copy)
    assert status == 1
    assert "plugins/modules/early.py says version_added 99.1.0, and the release is 99.0.0." in said
