# SPDX-License-Identifier: Apache-2.0
"""A key, and a run that is signed by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rackbench.evidence.signing import sign

from .signed_runs import make_key, make_run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def without_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return make_key(tmp_path / "key")


@pytest.fixture
def signed(tmp_path: Path, key: Path) -> Path:
    """Return the directory of a signed run."""
    run_dir = make_run(tmp_path)
    sign(run_dir, key)
    return run_dir
