# SPDX-License-Identifier: Apache-2.0
"""Which results are refused wherever they would leave the house."""

from __future__ import annotations

from typing import Any

import pytest
from rackbench.ledger.state import ExecutionState, RunState, fold
from rackbench.publish.refusal import refusals

from tests.unit.ledger.samples import opened


def run(*, check: bool = False, tags: Any = ()) -> RunState:
    """Return the state of a run that was opened so."""
    record = opened(check=check, options={"tags": tags})
    return fold([{"seq": 1, "at": "2026-11-21T08:00:00Z", "mono": 1.0, "kind": "run.opened", **record}])


def test_results_of_a_measurement_are_not_refused() -> None:
    assert refusals(run(tags=["nightly", "smokeless"]), {"latency.full.1": {"status": "passed"}}) == []


@pytest.mark.parametrize("tag", ["smoke", "dry", "simulated"])
def test_each_of_the_tags_that_mean_no_measurement_refuses(tag: str) -> None:
    (reason,) = refusals(run(tags=["nightly", tag]), {})
    assert tag in reason


def test_a_dry_run_refuses() -> None:
    assert refusals(run(check=True), {}) == ["The run was a dry run, and measured nothing."]


def test_each_result_that_a_stand_in_made_is_named() -> None:
    results = {
        "a.full.1": {"simulated": True},
        "a.full.2": {"simulated": False},
        "a.full.3": {"simulated": True},
    }
    reasons = refusals(run(), results)
    assert [reason.split()[-1] for reason in reasons] == ["a.full.1.", "a.full.3."]


def voided(*names: str) -> RunState:
    """Return the state of a run in which these executions were disturbed beyond use."""
    state = run()
    for name in names:
        verdict = {"verdict": "void", "reasons": ["The machine was booted while it ran."]}
        state.executions[name] = ExecutionState(name, "latency", verdict=verdict)
    return state


def test_a_void_result_is_named_with_why_it_is_void() -> None:
    state = voided("latency.full.1", "latency.full.2", "other.full.1")
    assert refusals(state, {"latency.full.2": {}, "latency.full.3": {}}) == [
        "The result of latency.full.2 is void: The machine was booted while it ran."
    ]


def test_a_void_result_without_reasons_is_refused_too() -> None:
    state = voided("latency.full.1")
    state.executions["latency.full.1"].verdict = {"verdict": "void"}
    (reason,) = refusals(state, {"latency.full.1": {}})
    assert "latency.full.1 is void" in reason


@pytest.mark.parametrize("verdict", ["valid", "suspect", None])
def test_results_with_another_verdict_are_not_refused(verdict: str | None) -> None:
    state = voided("latency.full.1")
    state.executions["latency.full.1"].verdict = {"verdict": verdict} if verdict else None
    assert refusals(state, {"latency.full.1": {}}) == []


@pytest.mark.parametrize("how", ["warmup", "superseded", "not_needed"])
def test_a_void_execution_that_does_not_count_refuses_nothing(how: str) -> None:
    state = voided("latency.full.1")
    setattr(state.executions["latency.full.1"], how, True)
    assert refusals(state, {"latency.full.1": {}}) == []


@pytest.mark.parametrize("tags", [None, "smoke", 3, {"smoke": 1}])
def test_tags_of_a_damaged_journal_are_none(tags: Any) -> None:
    assert run(tags=tags).tags == []
