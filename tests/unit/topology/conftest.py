# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded trees, unpacked once, and the snapshot program of targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.plugins.conftest import load
from tests.unit.topology import machines

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the root of a recorded machine's tree. No test writes there."""
    known: dict[str, Path] = {}

    def unpacked(name: str) -> Path:
        if name not in known:
            known[name] = machines.unpack(name, tmp_path_factory.mktemp("tree"))
        return known[name]

    return unpacked


@pytest.fixture(scope="session")
def target() -> ModuleType:
    """Return plugins/module_utils/_topology.py, which runs on targets."""
    return load("_topology")
