# SPDX-License-Identifier: Apache-2.0
"""The fold: every prefix of a run is a state, nonsense changes nothing, memory stays the same."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rackbench.errors import RackbenchError
from rackbench.ledger import gate, outcome, steps
from rackbench.ledger.journal import KINDS
from rackbench.ledger.state import MOST_OPEN_TASKS, apply, fold

from tests.unit.ledger.samples import FAILURE, Script, every_document, failed_run, opened, whole_run

ALL_STATES = sorted(steps.TRANSITIONS)


@settings(deadline=None, max_examples=60)
@given(st.integers(min_value=0, max_value=len(whole_run())))
def test_the_fold_of_any_prefix_knows_the_last_step_begun_and_every_recorded_end(length: int) -> None:
    records = whole_run()[:length]
    state = fold(records)
    began = [record["step"] for record in records if record["kind"] == "step.began"]
    ended = {record["step"]: record["state"] for record in records if record["kind"] == "step.ended"}
    assert state.last_began == (began[-1] if began else None)
    for step_id, name in state.step_states().items():
        assert name == ended.get(step_id, "running" if step_id in began else "pending")
    assert (state.illegal_transitions, state.missing_records, state.unusable_records) == (0, 0, 0)


@settings(deadline=None, max_examples=60)
@given(st.integers(min_value=0, max_value=len(failed_run())))
def test_folding_in_two_parts_is_folding_at_once(cut: int) -> None:
    records = failed_run()
    state = fold(records[:cut])
    for record in records[cut:]:
        apply(state, record)
    assert state == fold(records)


def test_the_fold_leaves_its_records_as_they_were() -> None:
    records = whole_run()
    before = copy.deepcopy(records)
    fold(records)
    assert records == before


@pytest.mark.parametrize("old", ALL_STATES)
@pytest.mark.parametrize("new", ALL_STATES)
def test_a_step_changes_only_as_the_table_allows(old: str, new: str) -> None:
    if new in steps.TRANSITIONS[old]:
        steps.check_transition("host.discover", old, new)
        return
    with pytest.raises(RackbenchError) as caught:
        steps.check_transition("host.discover", old, new)
    assert caught.value.code == "illegal_transition"
    assert "host.discover" in str(caught.value)


def test_an_illegal_change_in_a_journal_is_counted_and_not_followed() -> None:
    script = Script().add("run.opened", **opened()).step("host.discover")
    script.add("step.began", step="host.discover").add("step.ended", step="host.preflight", state="completed")
    state = fold(script.records)
    assert state.steps["host.discover"].state == "completed"
    assert state.steps["host.preflight"].state == "pending"
    assert state.illegal_transitions == 2


def test_records_that_are_missing_or_come_twice_are_counted() -> None:
    records = whole_run()
    state = fold([*records[:5], *records[8:], records[3]])
    assert (state.missing_records, state.unusable_records) == (3, 1)


junk = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.lists(st.integers(), max_size=2)
    | st.dictionaries(st.text(max_size=4), st.integers(), max_size=2)
)


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_records_with_fields_of_any_type_never_raise(data: st.DataObject) -> None:
    script = Script().add("run.opened", **opened())
    for _ in range(data.draw(st.integers(min_value=1, max_value=8))):
        kind = data.draw(st.sampled_from(sorted(KINDS)))
        names = data.draw(st.lists(st.sampled_from(sorted(KINDS[kind])), unique=True))
        values: dict[str, Any] = {name: data.draw(junk) for name in names}
        script.add(kind, **values)
    json.dumps(every_document(fold(script.records)), default=str)


@pytest.mark.parametrize("name", ["../../../victim/config", "/victim", "..", "a/b", "a\0b", "\ud800", ""])
def test_an_id_that_could_lead_out_of_the_directory_makes_its_record_unusable(name: str) -> None:
    step = {**opened()["steps"][0], "step_id": name}
    executions = {"latency": [{"execution_id": name, "family": "smoke", "repeat": 1}]}
    plans: list[dict[str, Any]] = [{"steps": [*opened()["steps"], step]}, {"executions": executions}]
    for plan in plans:
        assert fold(Script().add("run.opened", **opened(**plan)).records).opened == {}
        state = fold(Script().add("run.opened", **opened()).add("run.resumed", **opened(**plan)).records)
        assert (state.unusable_records, state.resumed) == (1, [])
    script = Script().add("run.opened", **opened())
    script.add("families", adapter="latency", executions=executions["latency"], unavailable=[])
    script.add("step.began", step=name).add("execution.began", execution=name)
    script.add("step.ended", step=name, state="completed").add("execution.beat", execution=name)
    state = fold(script.records)
    assert state.unusable_records == len(script.records) - 1
    assert list(state.steps) == [planned["step_id"] for planned in opened()["steps"]]
    assert list(state.executions) == ["latency.smoke.1"]
    assert state.families == {}


def test_memory_of_the_fold_does_not_grow_with_tasks() -> None:
    script = Script().add("run.opened", **opened()).add("step.began", step="host.discover")
    sizes = []
    for number in range(3000):
        script.add("task.began", task="T", action="a", uuid=f"t{number}", step="host.discover")
        # Every third end is lost.
        if number % 3:
            script.add("task.ended", task="T", uuid=f"t{number}", step="host.discover", status="ok", remote=0)
        if number in {1000, 2999}:
            sizes.append(len(repr(fold(script.records))))
    state = fold(script.records)
    assert len(state.open_tasks) <= MOST_OPEN_TASKS
    assert abs(sizes[1] - sizes[0]) < 100
    assert state.tasks.ok == 2000


def test_items_of_a_loop_count_their_remote_calls_and_not_as_tasks() -> None:
    script = Script().add("run.opened", **opened()).add("step.began", step="host.discover")
    script.add("task.began", task="T", action="a", uuid="t1", step="host.discover")
    for item in range(3):
        script.add(
            "task.ended", uuid="t1", step="host.discover", status="ok", item=item, remote=2, duration_s=1
        )
    script.add("task.ended", uuid="t1", step="host.discover", status="ok", item=None, remote=0, duration_s=3)
    counts = fold(script.records).steps["host.discover"].tasks
    assert (counts.total, counts.remote, counts.seconds) == (1, 6, 3)


def test_a_failed_execute_step_still_lets_what_was_measured_be_collected() -> None:
    script = Script().add("run.opened", **opened())
    for name in ("host.discover", "host.preflight", "latency.stage"):
        script.step(name)
    without = fold(script.step("latency.execute", "failed", failure=FAILURE).records)
    assert gate.obstacle(without, "latency.collect", None) is not None
    script.records.insert(-1, {"seq": 0, "kind": "filler"})
    began = {"kind": "execution.began", "execution": "latency.smoke.1", "adapter": "latency"}
    apply(without, {"seq": len(script.records) + 5, "at": None, "mono": None, **began})
    assert gate.obstacle(without, "latency.collect", None) is None
    obstacle = gate.obstacle(without, "latency.publish", None)
    assert obstacle is not None
    assert obstacle.failure is None
    assert gate.obstacle(without, "host.finalize", None) is None


def test_an_adapter_that_is_not_ready_is_skipped_with_its_own_failure() -> None:
    script = Script().add("run.opened", **opened()).step("host.discover").step("host.preflight")
    script.add(
        "readiness", adapter="latency", status="runtime_missing", failure_code="runtime_missing", missing=["lstopo"],
        install_command="apt-get install hwloc", message="lstopo is missing.",
    )  # fmt: skip
    obstacle = gate.obstacle(fold(script.records), "latency.stage", None)
    assert obstacle is not None
    assert obstacle.failure is not None
    assert obstacle.failure["code"] == "runtime_missing"
    assert obstacle.failure["next_path"].endswith("/preflight/summary.md")
    script.add(
        "step.ended", step="latency.stage", state="skipped", reason=obstacle.reason, failure=obstacle.failure
    )
    came_out = outcome.outcome_of(fold(script.records))
    assert (came_out.outcome, came_out.failed_steps, came_out.exit_status) == (
        "failed",
        ("latency.stage",),
        1,
    )


def test_a_dry_run_starts_nothing_on_the_target() -> None:
    script = Script().add("run.opened", **opened(check=True))
    for name in ("host.discover", "host.preflight", "latency.stage"):
        script.step(name)
    obstacle = gate.obstacle(fold(script.records), "latency.execute", None)
    assert obstacle is not None
    assert "dry run" in obstacle.reason


@pytest.mark.parametrize(
    ("codes", "status"),
    [
        (["execution_failed"], 1),
        (["execution_failed", "host_unreachable"], 3),
        (["host_unreachable", "ledger_write_failed"], 4),
        (["a_code_of_tomorrow"], 4),
        (["unknown_benchmark"], 1),
        ([], 1),
    ],
)
def test_the_exit_status_is_that_of_the_gravest_failure(codes: list[str], status: int) -> None:
    assert outcome.failed_exit_status(codes) == status
