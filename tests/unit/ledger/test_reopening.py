# SPDX-License-Identifier: Apache-2.0
"""What publishing a run that came to its end means, as a function of its journal and of today's plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rackbench.errors import RackbenchError
from rackbench.ledger import steps
from rackbench.ledger.reopening import reopening
from rackbench.ledger.state import RunState, fold

from tests.unit.ledger.samples import opened, whole_run

RUN = Path("run")
PLANNED = [steps.Step.from_dict(fields) for fields in opened()["steps"]]


def run_with(*planned: dict[str, Any]) -> RunState:
    """Return a whole run whose journal tells of these steps."""
    first, *others = whole_run()
    return fold([{**first, "steps": list(planned)}, *others])


def test_publishing_runs_the_role_of_today_and_not_the_one_that_the_journal_names() -> None:
    told = [{**fields, "role": "/home/stranger/role"} for fields in opened()["steps"]]
    todo = reopening(run_with(*told), PLANNED, RUN)
    assert todo.to_run == [step for step in PLANNED if step.phase == "publish"]
    assert [step.step_id for step in todo.plan] == [step.step_id for step in PLANNED]


def test_a_step_that_only_the_journal_has_is_kept_and_never_run() -> None:
    more = {"step_id": "latency.more", "adapter": "latency", "phase": "publish", "role": "x", "depends": []}
    todo = reopening(run_with(*opened()["steps"], more), PLANNED, RUN)
    assert "latency.more" in [step.step_id for step in todo.plan]
    assert [step.step_id for step in todo.to_run] == ["latency.publish"]


def test_a_run_that_did_not_publish_does_now() -> None:
    first, *others = whole_run()
    told = [fields for fields in opened()["steps"] if fields["phase"] != "publish"]
    state = fold(
        [{**first, "steps": told}, *(each for each in others if each.get("step") != "latency.publish")]
    )
    todo = reopening(state, PLANNED, RUN)
    assert [step.step_id for step in todo.to_run] == ["latency.publish"]
    assert todo.to_run[0] in todo.plan


def test_a_benchmark_that_is_not_planned_is_named() -> None:
    with pytest.raises(RackbenchError, match="has results of latency") as caught:
        reopening(run_with(*opened()["steps"]), [step for step in PLANNED if step.adapter is None], RUN)
    assert caught.value.code == "unknown_benchmark"
