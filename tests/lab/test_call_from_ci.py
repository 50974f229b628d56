# SPDX-License-Identifier: Apache-2.0
"""The Python script of docs/how-to/call-from-ci.md, as it stands there."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pytest

from tests.integration.harness import ROOT
from tests.lab.at_work import check_left_behind, make_lab_project

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.conftest import LabControl

pytestmark = pytest.mark.full

MOST_LINES = 10


def script_of_page() -> str:
    """Return the page's only Python block."""
    (block,) = re.findall(
        r"^```python\n(.*?)^```$",
        (ROOT / "docs/how-to/call-from-ci.md").read_text(),
        re.MULTILINE | re.DOTALL,
    )
    return str(block)


def test_the_script_on_the_page_has_ten_lines() -> None:
    assert len([line for line in script_of_page().splitlines() if line.strip()]) <= MOST_LINES


def test_the_script_on_the_page_runs_a_benchmark_behind_the_jump_box(lab: LabControl, tmp_path: Path) -> None:
    project = make_lab_project(tmp_path)
    (tmp_path / "nightly.py").write_text(script_of_page())
    done = project.command(sys.executable, tmp_path / "nightly.py")
    assert done.rc == 0, done.said
    run = check_left_behind(project, project.run("turind8").path)
    assert run.status["exit_status"] == 0
    assert run.states["system-info.publish"] == "completed"
