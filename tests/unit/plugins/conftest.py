# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the collection that run on targets, loaded as plain files."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ansible.plugins.loader import init_plugin_loader

from tests.unit.plugins.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

REPOSITORY = Path(__file__).resolve().parents[3]


def load(name: str) -> ModuleType:
    """Import one file of plugins/module_utils by its name."""
    path = REPOSITORY / "plugins/module_utils" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"rackbench_target{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def loader() -> None:
    """Let Python find the collection as Ansible does, once in a process."""
    init_plugin_loader([str(REPOSITORY / "collections")])  # type: ignore[no-untyped-call]


@pytest.fixture(scope="session")
def archive() -> ModuleType:
    return load("_archive")


@pytest.fixture(scope="session")
def supervisor() -> ModuleType:
    return load("_supervisor")


@pytest.fixture
def target(tmp_path: Path, supervisor: ModuleType) -> Iterator[Target]:
    home = tmp_path / "home"
    home.mkdir()
    made = Target(home)
    yield made
    for path in made.root.glob("jobs/*/*/state.json"):
        state = supervisor.read_document(path)
        for pid, ticks in (
            ()
            if state is None
            else (
                (state["pid"], state["start_ticks"]),
                (state["benchmark_pid"], state["benchmark_start_ticks"]),
            )
        ):
            if pid and ticks and supervisor.start_ticks(pid) == ticks:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(os.getpgid(pid), signal.SIGKILL)
