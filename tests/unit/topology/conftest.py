# SPDX-License-Identifier: Apache-2.0
"""Recorded trees, unpacked once, and the snapshot program of targets."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

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
    spec = importlib.util.spec_from_file_location(
        "rackbench_target_topology", machines.ROOT / "plugins/module_utils/_topology.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
