# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ansible says where the Python package is missing, or of another release than the collection."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from rackbench import __version__

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[3]
BIN = Path(sys.executable).parent
OTHER = '__version__ = "0.0.9"'
MISSING = "raise ImportError(\"No module named 'rackbench'\")"
LOCAL = ("ansible", "-i", "localhost,", "-c", "local", "localhost")
COMMANDS = {
    "action": [*LOCAL, "-m", "rackbench.lab.step", "-a", "run_dir=x phase=plan state=begin"],
    "probe": [*LOCAL, "-m", "rackbench.lab.probe"],
    "lookup": [*LOCAL, "-m", "debug", "-a", "msg={{ lookup('rackbench.lab.secret', 'a') }}"],
    "inventory": ["ansible-inventory", "-i", "lab.yml", "--list"],
}


@pytest.fixture
def said(tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """Return what a command says when the package is `request.param[1]`."""
    command, package = request.param
    (tmp_path / "rackbench").mkdir()
    (tmp_path / "rackbench/__init__.py").write_text(f"{package}\n")
    (tmp_path / "lab.yml").write_text("plugin: rackbench.lab.lab\n")
    done = subprocess.run(
        [BIN / COMMANDS[command][0], *COMMANDS[command][1:]],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(tmp_path),
            "ANSIBLE_COLLECTIONS_PATH": str(REPOSITORY / "collections"),
            "ANSIBLE_STDOUT_CALLBACK": "rackbench.lab.console",
            "ANSIBLE_CALLBACKS_ENABLED": "rackbench.lab.run_ledger",
            "ANSIBLE_LOAD_CALLBACK_PLUGINS": "true",
            "ANSIBLE_INVENTORY_UNPARSED_FAILED": "true",
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    # Ansible breaks lines where it likes.
    return " ".join((done.stdout + done.stderr).split())


@pytest.mark.parametrize("said", [(command, OTHER) for command in COMMANDS], ids=COMMANDS, indirect=True)
def test_a_package_of_another_release_is_named_with_both_releases(said: str) -> None:
    assert f"The collection rackbench.lab is {__version__}, and the Python package rackbench" in said
    assert "imports is 0.0.9" in said
    assert f"`pip install rackbench=={__version__}`" in said


@pytest.mark.parametrize("said", [(command, MISSING) for command in COMMANDS], ids=COMMANDS, indirect=True)
def test_a_package_that_is_missing_is_to_be_installed_in_the_release_of_the_collection(said: str) -> None:
    assert "The Python package rackbench cannot be imported by" in said
    assert "No module named 'rackbench'" in said
    assert f"`pip install rackbench=={__version__}`" in said
