# SPDX-License-Identifier: Apache-2.0
"""A whole run judges each of its executions, and keeps what it judged by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rackbench.ledger.verdict import RULES
from rackbench.models.conditions import JobConditions

from tests.integration import made_up
from tests.integration.harness import make_project

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.full


def test_each_execution_has_a_verdict_right_before_its_end_and_its_conditions_are_kept(
    tmp_path: Path,
) -> None:
    project = make_project(tmp_path)
    made_up.add(project)
    project.playbook("-e", "lab_benchmarks=made-up")
    run = project.run()
    kinds = [record["kind"] for record in run.journal]
    for record in run.records("execution.ended"):
        name = record["execution"]
        verdict = run.journal[record["seq"] - 2]
        assert (verdict["kind"], verdict["execution"]) == ("verdict", name)
        # On a machine that does other things too nobody knows which one it is.
        assert set(verdict["inputs"]) == {rule.name for rule in RULES}
        assert verdict["inputs"]["clock_offset_s"] == 0
        path = f"benchmarks/made-up/{name}/conditions.json"
        conditions = JobConditions.model_validate(run.document(path))
        assert conditions.after is not None
        (artifact,) = [row for row in run.records("artifact") if row["path"] == path]
        assert (artifact["artifact_kind"], artifact["publishable"]) == ("job", False)
    assert kinds.count("verdict") == kinds.count("execution.ended") == 2
