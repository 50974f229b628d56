# SPDX-License-Identifier: Apache-2.0
"""Each role on a host of the lab, behind its jump box: the scenarios in extensions/molecule by the real command."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import wheelhouse
from tests.lab import rust_mirror

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.conftest import LabControl

pytestmark = pytest.mark.full

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = sorted(path.parent.name for path in ROOT.glob("extensions/molecule/*/molecule.yml"))
# Scenarios share nothing, and wait for round trips most of the time.
AT_A_TIME = 2
LIMIT_S = 1800


def lacking(scenario: str) -> str | None:
    """Say what this machine lacks for a scenario, or None."""
    if scenario == "benchbox":
        return wheelhouse.missing()
    return rust_mirror.missing() if scenario == "rustup" else None


def molecule_test(scenario: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `molecule test -s SCENARIO` with its state in `folder`."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "MOLECULE_"))
    }
    return subprocess.run(
        ["molecule", "test", "--no-command-borders", "--scenario-name", scenario],
        cwd=ROOT,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=LIMIT_S,
        env={
            **kept,
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
            "NO_COLOR": "1",
            "MOLECULE_EPHEMERAL_DIRECTORY": str(folder),
        },
    )


@pytest.fixture(scope="module")
def outcomes(
    lab: LabControl, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[subprocess.CompletedProcess[str]]]]:
    """The scenarios that were selected, at work beside each other."""
    selected = [
        item.callspec.params["scenario"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.originalname == test_scenario.__name__
    ]
    lab.tool("rackbench", "bundle", "build").check_returncode()
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        yield {
            name: pool.submit(molecule_test, name, tmp_path_factory.mktemp(name))
            for name in selected
            if lacking(name) is None
        }


def test_every_role_has_a_scenario() -> None:
    assert sorted(path.parent.name for path in ROOT.glob("roles/*/tasks")) == SCENARIOS


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario: str, outcomes: dict[str, Future[subprocess.CompletedProcess[str]]]) -> None:
    if reason := lacking(scenario):
        pytest.skip(reason)
    done = outcomes[scenario].result()
    assert done.returncode == 0, done.stdout + done.stderr
    for action in ("check", "converge", "idempotence", "verify"):
        assert f"[{scenario} > {action}] Executed: Successful" in done.stdout + done.stderr
