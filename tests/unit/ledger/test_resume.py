# SPDX-License-Identifier: Apache-2.0
"""What resuming a run means, as a function of its journal, of what differs, and of what the host still knows."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rackbench.ledger import resume, steps
from rackbench.ledger.outcome import outcome_of
from rackbench.ledger.resume import Difference, Now, OnHost, differences, resumption
from rackbench.ledger.state import RunState, apply, fold

from tests.unit.ledger.samples import DIGEST, Script, opened, whole_run

SMOKE = "latency.smoke.1"
PLANNED = [steps.Step.from_dict(fields) for fields in opened()["steps"]]
EXECUTIONS: dict[str, list[dict[str, Any]]] = opened()["executions"]
THERE = OnHost(bundles=frozenset({DIGEST}))


def now(**changes: Any) -> Now:
    """Return what a run is compared with, by default as nothing is known."""
    nothing: dict[str, Any] = {
        "adapters": {}, "bundles": {}, "platform": {}, "inventory": None, "versions": {}, "project": {},
    }  # fmt: skip
    return Now(**{**nothing, **changes})


def up_to(step: str, *, begun: bool = False) -> Script:
    """Return a run that completed every step before this one; with `begun` this one runs."""
    script = Script()
    script.records = []
    for record in whole_run():
        if record["kind"] == "step.began" and record["step"] == step:
            break
        script.records.append(record)
    return script.add("step.began", step=step) if begun else script


def job(state: str = "running", outcome: str | None = None) -> dict[str, Any]:
    """Return the state.json of a job."""
    return {"state": state, "outcome": outcome}


def resumed(state: RunState, on_host: OnHost = THERE, *found: Difference) -> resume.Resumption:
    """Return what resuming does, with today's plan as it was."""
    return resumption(state, PLANNED, EXECUTIONS, found, on_host)


def going_on(left: resume.Resumption, phases: list[str] | None = None) -> dict[str, Any]:
    """Return the record of a run that is resumed so."""
    return {
        "by": "op@c2",
        "controller": {"pid": 2},
        "steps": [step.as_dict() for step in left.steps],
        "again": left.again,
        "executions": left.executions,
        "superseded": left.superseded,
        "phases": phases or opened()["phases"],
    }


def pending(before: RunState, left: resume.Resumption) -> set[str]:
    """Return the executions that the execute step of the resumed run begins or waits for."""
    after = copy.deepcopy(before)
    number = (before.last or {"seq": 0})["seq"] + 1
    apply(after, {"seq": number, "at": None, "mono": None, "kind": "run.resumed", **going_on(left)})
    assert not after.unusable_records
    return {entry["execution_id"] for entry in after.pending_executions("latency")}


def test_a_whole_run_has_nothing_left() -> None:
    left = resumed(fold(whole_run()))
    assert left.to_run == []
    assert left.reused == [step.step_id for step in PLANNED]


def test_a_run_that_was_killed_after_its_last_step_is_closed() -> None:
    records = [record for record in whole_run() if record["kind"] != "run.closed"]
    assert resumed(fold(records)).to_run == ["host.finalize"]


def test_a_running_job_is_found_again_and_nothing_before_it_runs_twice() -> None:
    state = fold(up_to("latency.execute", begun=True).records)
    left = resumed(state, OnHost({SMOKE: job()}, frozenset({DIGEST})))
    assert left.to_run == ["latency.execute", "latency.collect", "latency.publish", "host.finalize"]
    assert left.again == ["latency.execute"]
    assert (left.reattached, left.superseded, pending(state, left)) == ([SMOKE], [], {SMOKE})


@pytest.mark.parametrize(("on_host", "stages"), [({DIGEST}, True), ({DIGEST, "a" * 64}, False)])
def test_an_attachment_that_is_not_on_the_host_any_more_is_staged_again(
    on_host: set[str], *, stages: bool
) -> None:
    state = fold(up_to("latency.execute").records)
    state.packaging["latency"]["attachments"] = [{"name": "archive", "accepted": True, "sha256": "a" * 64}]
    left = resumed(state, OnHost(bundles=frozenset(on_host)))
    assert ("latency.stage" in left.to_run) is stages


def test_a_job_that_ended_while_nobody_looked_is_found_again() -> None:
    on_host = OnHost({SMOKE: job("ended", "passed")}, frozenset({DIGEST}))
    assert resumed(fold(up_to("latency.execute", begun=True).records), on_host).reattached == [SMOKE]


@pytest.mark.parametrize(("state", "outcome"), [("ended", "lost"), ("ended", "cancelled"), ("unknown", None)])
def test_a_job_without_an_end_of_its_own_is_begun_anew(state: str, outcome: str | None) -> None:
    on_host = OnHost({SMOKE: job(state, outcome)}, frozenset({DIGEST}))
    state = fold(up_to("latency.execute", begun=True).records)
    left = resumed(state, on_host)
    assert (left.reattached, left.superseded) == ([], [SMOKE])
    assert pending(state, left) == {f"{SMOKE}.a2"}


def test_a_failed_execution_is_begun_anew_and_one_that_passed_is_not() -> None:
    script = up_to("latency.execute")
    script.records[0]["executions"] = {
        "latency": [EXECUTIONS["latency"][0], {**EXECUTIONS["latency"][0], "execution_id": "latency.smoke.2"}]
    }
    script.add("step.began", step="latency.execute")
    for name, outcome in ((SMOKE, "passed"), ("latency.smoke.2", "failed")):
        script.add("execution.ended", execution=name, outcome=outcome, rc=0, signal=None, duration_s=3.0)
    script.add("step.ended", step="latency.execute", state="failed", failure={"code": "execution_failed"})
    state = fold(script.records)
    left = resumed(state)
    assert [entry["execution_id"] for entry in left.executions["latency"]] == [SMOKE, "latency.smoke.2.a2"]
    assert pending(state, left) == {"latency.smoke.2.a2"}
    assert left.superseded == ["latency.smoke.2"]


def test_a_bundle_that_is_gone_from_the_host_is_staged_again_only_where_something_begins() -> None:
    state = fold(up_to("latency.execute").records)
    assert "latency.stage" in resumed(state, OnHost()).to_run
    assert "latency.stage" not in resumed(state, OnHost({SMOKE: job()})).to_run


@pytest.mark.parametrize("adapter", ["latency", None])
def test_what_is_left_of_an_adapter_with_another_bundle_or_machine_starts_again(adapter: str | None) -> None:
    state = fold(up_to("latency.collect", begun=True).records)
    left = resumed(state, THERE, Difference("bundle", "a", "b", resume.STARTS_AGAIN, adapter))
    assert [name for name in left.to_run if name.startswith("latency.")] == [
        f"latency.{phase}" for phase in ("stage", "execute", "collect", "publish")
    ]
    assert left.superseded == [SMOKE]
    assert pending(state, left) == {f"{SMOKE}.a2"}
    assert "host.preflight" in left.to_run


def test_a_completed_adapter_is_reused_although_its_bundle_is_another_one_by_now() -> None:
    state = fold(up_to("host.finalize").records)
    left = resumed(state, THERE, Difference("bundle", "a", "b", resume.STARTS_AGAIN, "latency"))
    assert left.to_run == ["host.finalize"]


def test_an_adapter_that_was_not_ready_is_looked_at_again() -> None:
    script = up_to("latency.stage")
    script.add("readiness", adapter="latency", status="runtime_missing", failure_code="runtime_missing")
    script.add("step.ended", step="latency.stage", state="skipped", failure={"code": "runtime_missing"})
    left = resumed(fold(script.records))
    assert left.to_run == [
        "host.preflight",
        *(f"latency.{phase}" for phase in ("stage", "execute", "collect", "publish")),
        "host.finalize",
    ]


def test_a_run_that_was_limited_to_phases_goes_on_to_its_end() -> None:
    script = Script().add(
        "run.opened",
        **opened(phases=["discover", "preflight", "finalize"], steps=opened()["steps"][:2], executions={}),
    )
    for name in ("host.discover", "host.preflight"):
        script.step(name)
    state = fold(script.records)
    left = resumed(state)
    assert left.reused == ["host.discover", "host.preflight"]
    assert pending(state, left) == {SMOKE}


def test_differences_name_what_they_mean() -> None:
    script = Script().add(
        "run.opened",
        **opened(
            identity={"adapters": {"latency": "1" * 64}, "inventory": "2" * 64}, project={"commit": "3" * 40}
        ),
    )
    script.add("platform", machine="x86_64", os="linux", boot_id="b1", host_key="SHA256:x")
    script.add("packaging", adapter="latency", decision={"chosen": {"path": "a", "sha256": DIGEST}})
    state = fold(script.records)
    assert differences(state, now()) == []
    found = differences(
        state,
        now(
            adapters={"latency": "9" * 64},
            bundles={"latency": "8" * 64},
            platform={"boot_id": "b2", "host_key": "SHA256:y"},
            inventory="7" * 64,
            versions={"ansible_core": "2.21.0", "rackbench": "0.1.0"},
            project={"commit": "6" * 40},
        ),
    )
    assert [(one.what, one.effect) for one in found] == [
        ("bundle", resume.STARTS_AGAIN),
        ("adapter", resume.STARTS_AGAIN),
        ("host key", resume.STARTS_AGAIN),
        ("boot", resume.LOST),
        ("inventory", resume.SAID),
        ("ansible-core", resume.SAID),
        ("commit", resume.SAID),
    ]
    assert "bundle of latency: abababababab -> 888888888888 (" in str(found[0])


@given(
    cut=st.integers(min_value=1, max_value=len(whole_run())),
    closed=st.booleans(),
    found=st.sampled_from([(), (Difference("bundle", "a", "b", resume.STARTS_AGAIN, "latency"),)]),
    on_host=st.sampled_from(
        [
            OnHost(),
            THERE,
            OnHost({SMOKE: job()}, frozenset({DIGEST})),
            OnHost({SMOKE: job("ended", "passed")}),
            OnHost({SMOKE: job("ended", "lost")}, frozenset({DIGEST})),
        ]
    ),
)
def test_wherever_a_run_was_cut_what_is_left_fits_together(
    cut: int, closed: bool, found: tuple[Difference, ...], on_host: OnHost
) -> None:
    script = Script()
    script.records = whole_run()[:cut]
    if closed:
        script.add("run.closed", outcome="failed", failed_steps=[], exit_status=1)
    before = fold(script.records)
    done = {name for name, state in before.step_states().items() if state == steps.COMPLETED}
    left = resumed(before, on_host, *found)
    script.add("run.resumed", **going_on(left))
    after = fold(script.records)
    assert after.unusable_records == before.unusable_records
    assert after.closed is None
    states = after.step_states()
    assert {states[name] for name in left.to_run} <= {steps.PENDING}
    assert {states[name] for name in left.reused} <= {steps.COMPLETED}
    # A completed step runs again only for a reason that a person is told.
    if not found and (DIGEST in on_host.bundles or SMOKE in on_host.jobs):
        assert not done & set(left.to_run) - {"host.finalize"}
    names = [entry["execution_id"] for entry in left.executions.get("latency", [])]
    assert len(set(names)) == len(names)
    to_come = {entry["execution_id"] for entry in after.pending_executions("latency")}
    assert not set(left.superseded) & set(names)
    assert to_come <= set(names)
    # What passed and counts is not executed again.
    passed = {name for name, each in before.executions.items() if each.outcome == "passed"}
    assert not to_come & passed
    # Whatever rests on a step that runs now runs as well.
    for step in left.steps:
        if set(step.depends) & set(left.to_run):
            assert step.step_id in left.to_run or step.step_id in done - set(left.to_run)
    # Resuming what was resumed and did nothing yet finds the same work.
    assert not left.to_run or resumed(after, on_host, *found).to_run == left.to_run


def test_a_run_that_is_resumed_up_to_a_phase_leaves_the_rest_for_later() -> None:
    script = up_to("latency.execute", begun=True)
    script.add("control", id="1", action="stop", by="op@c1", reason=None, requested_at=None)
    script.add("step.ended", step="latency.execute", state="cancelled", reason="stopped")
    for name in ("latency.collect", "latency.publish"):
        script.add("step.ended", step=name, state="cancelled", reason="stopped")
    before = fold(script.records)
    short = [step for step in PLANNED if step.phase in {"discover", "preflight", "stage", "finalize"}]
    left = resumption(before, short, {}, (), THERE)
    script.add("run.resumed", **going_on(left, ["discover", "preflight", "stage", "finalize"]))
    script.step("host.finalize")
    after = fold(script.records)
    assert outcome_of(after).as_dict() == {"outcome": "completed", "failed_steps": [], "exit_status": 0}
    assert after.step_states()["latency.execute"] == steps.PENDING
    again = resumed(after)
    assert again.to_run == ["latency.execute", "latency.collect", "latency.publish", "host.finalize"]
    assert pending(after, again) == {SMOKE}
