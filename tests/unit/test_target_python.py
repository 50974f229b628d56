# SPDX-License-Identifier: Apache-2.0
"""The oldest Python that a target may have: who says it says the same, and all that runs there is written for it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yaml
from rackbench.transport.probe import OLDEST_PYTHON

ROOT = Path(__file__).resolve().parents[2]
OLDEST = ".".join(map(str, OLDEST_PYTHON))
SOURCES = sorted(
    [
        *ROOT.glob("plugins/modules/*.py"),
        *ROOT.glob("plugins/module_utils/*.py"),
        *ROOT.glob("benchmarks/*/*/*.py"),
        *(
            path
            for path in ROOT.glob("benchmarks/*/bin/run")
            if "python3" in path.read_text().splitlines()[0]
        ),
        ROOT / "python/rackbench/bundles/_build_on_target.py",
    ]
)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_runs_on_targets_is_written_for_the_oldest_python(path: Path) -> None:
    ast.parse(path.read_text(), str(path), feature_version=OLDEST_PYTHON)


def test_ansible_test_and_the_page_of_validate_know_the_oldest_python() -> None:
    config = yaml.safe_load((ROOT / "tests/config.yml").read_text())
    assert config["modules"]["python_requires"] == f">={OLDEST}"
    assert f"`python` ({OLDEST} or newer)" in (ROOT / "docs/reference/validate.md").read_text()
