# SPDX-License-Identifier: Apache-2.0
"""The first change that CONTRIBUTING.md leads a newcomer through: its test fails without it, and passes with it."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.pages import ROOT, blocks

if TYPE_CHECKING:
    from pathlib import Path

NEEDED = ("pyproject.toml", "python/rackbench/words.py", "tests/unit/test_words.py")


@pytest.mark.slow
def test_the_first_change_of_the_page_is_red_and_then_green(tmp_path: Path) -> None:
    for name in NEEDED:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "python/rackbench/__init__.py").touch()
    (tmp_path / ".venv/bin").mkdir(parents=True)
    # Not a link: seen through one, a Python is not that of its environment.
    python = tmp_path / ".venv/bin/python"
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)

    test, change = [block for block in blocks("CONTRIBUTING.md") if block.kind == "run by"]
    red = bash(test.text, tmp_path)
    assert red.returncode == 1, red.stdout
    assert "24 h 0 min" in red.stdout
    green = bash(change.text, tmp_path)
    assert green.returncode == 0, green.stdout


def bash(commands: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the commands of a block of the page in a folder, and return their two outputs together."""
    return subprocess.run(
        ["bash", "-ec", commands], cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
