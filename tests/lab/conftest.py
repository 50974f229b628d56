# SPDX-License-Identifier: Apache-2.0
"""The lab of real sshd hosts as fixtures: brought up if it is down, and left up."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.lab import rust_mirror as mirrors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
INVENTORY = ROOT / "inventories" / "lab" / "lab.yml"


@dataclass(frozen=True)
class LabControl:
    """Calls the verbs of tests/lab/lab.py, and the tools of this checkout."""

    secrets: Path = ROOT / ".lab" / "run" / "secrets"

    def __call__(self, *verb: str) -> str:
        """Run one verb and return what it prints."""
        done = subprocess.run(
            [ROOT / "tests" / "lab" / "lab.py", *verb], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def tool(
        self, name: str, *arguments: str | Path, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `ansible`, `ansible-playbook` or `rackbench` as from a plain shell in the checkout."""
        return subprocess.run(
            [Path(sys.executable).parent / name, *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env={
                **os.environ,
                "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
                "NO_COLOR": "1",
                **(env or {}),
            },
        )

    def failed_logins(self, host: str) -> int:
        """Return how many refused passwords the journal of a host has."""
        self("exec", host, "journalctl", "--sync")
        return self("exec", host, "journalctl", "-o", "cat", "--no-pager", "-t", "sshd").count(
            "Failed password"
        )


@pytest.fixture(scope="session")
def lab() -> Iterator[LabControl]:
    """The lab, up and whole, and ours alone as long as this session of tests lasts."""
    if os.getuid() != 0:
        pytest.skip("the test lab needs root")
    (ROOT / ".lab").mkdir(exist_ok=True)
    with (ROOT / ".lab" / "tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        control = LabControl()
        control("up")
        yield control


@pytest.fixture
def broken_lab(lab: LabControl) -> Iterator[LabControl]:
    """The lab for a test that breaks something in it; made whole again afterwards."""
    yield lab
    lab("clear")
    lab("up")


@pytest.fixture(scope="session")
def rust_mirror() -> mirrors.RustMirror:
    """A real Rust mirror, which the lab's hosts see; skips on a machine that has no Rust to make it of."""
    try:
        return mirrors.build()
    except mirrors.NoToolchainError as error:
        pytest.skip(str(error))


@pytest.fixture
def lab_file(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes the shipped lab file with changes made by a function, and returns its path."""

    def write(change: Callable[[dict[str, Any]], None] | None = None) -> Path:
        text = INVENTORY.read_text()
        for relative in (".lab/run/", "tests/lab/lab.py"):
            text = text.replace(relative, f"{ROOT}/{relative}")
        document = yaml.safe_load(text)
        document["defaults"]["retry"] = {"attempts": 1, "backoff_s": 0, "connect_timeout_s": 10}
        if change is not None:
            change(document)
        path = tmp_path / "test.lab.yml"
        path.write_text(yaml.safe_dump(document))
        return path

    return write
