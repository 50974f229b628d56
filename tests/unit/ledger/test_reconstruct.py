# SPDX-License-Identifier: Apache-2.0
"""A journal out of documents: it says the same as the lost one, tells what it cannot say, and never takes garbage."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rackbench.ledger import journal, rundir, steps
from rackbench.ledger.projections import command_line, transfer_line
from rackbench.ledger.reconstruct import Documents, key_of, merged, rebuild
from rackbench.ledger.state import RunState, fold
from rackbench.models.journal import JournalRecord

from tests.unit.ledger.samples import RUN_DIR, every_document, failed_run, whole_run


def left_of(records: list[dict[str, Any]], **changes: Any) -> Documents:
    """Return all the documents that a run with these records leaves, as they are read back from the disk."""
    state = fold(records)
    found = json.loads(json.dumps(every_document(state)))
    left = Documents(
        run_id="20261121T080000Z-thor",
        host="thor",
        run_dir=RUN_DIR,
        status=found["status"],
        manifest=found[rundir.RUN_MANIFEST],
        artifacts=found[rundir.ARTIFACT_MANIFEST],
        publish=found[rundir.PUBLISH_LEDGER],
        snapshot=found[rundir.INVENTORY_SNAPSHOT],
        steps={name: found[name] for name in state.steps},
        commands=[command_line(record) for record in records if record["kind"] == "command"],
        transfers=[transfer_line(record) for record in records if record["kind"] == "transfer"],
    )
    for name, value in changes.items():
        setattr(left, name, value)
    return left


def comparable(state: RunState) -> dict[str, Any]:
    """Return every document but for what says itself that the journal was rebuilt."""
    found = every_document(state)
    for name in ("status", "interrupted"):
        for gone in ("ledger", "last_event", "alerts", "elapsed_s", "overhead", "exit_status"):
            found[name].pop(gone)
    found.pop("recovery")
    return found


@pytest.mark.parametrize("records", [whole_run(), failed_run()], ids=["whole", "failed"])
def test_without_any_journal_the_documents_lead_to_the_same_documents(records: list[dict[str, Any]]) -> None:
    rebuilt = rebuild(left_of(records), {})
    state = fold(merged([], rebuilt.records))
    assert state.illegal_transitions == state.unusable_records == state.missing_records == 0
    assert comparable(state) == comparable(fold(records))
    assert state.rebuilt is not None
    assert state.rebuilt["lost"] == rebuilt.lost


@pytest.mark.parametrize("records", [whole_run(), failed_run()], ids=["whole", "failed"])
def test_every_rebuilt_record_obeys_the_model_of_the_journal(records: list[dict[str, Any]]) -> None:
    for record in merged([], rebuild(left_of(records), {}).records):
        JournalRecord.model_validate_json(journal.encode(record))


@pytest.mark.parametrize("lost", range(len(whole_run())))
def test_a_journal_that_lost_one_record_is_made_whole_from_the_documents(lost: int) -> None:
    records = whole_run()
    kept = [record for record in records if record["seq"] != lost + 1]
    present = {key: 1 for record in kept if (key := key_of(record)) is not None}
    state = fold(merged(kept, rebuild(left_of(records), present, kept=kept[0]).records))
    assert state.illegal_transitions == state.unusable_records == state.missing_records == 0
    told, expected = comparable(state), comparable(fold(records))
    if records[lost]["kind"] == "execution.beat":
        # Nobody needs the heartbeat of what has ended, and no document has it.
        assert state.executions["latency.smoke.1"].beat is None
    assert told == expected


def test_what_is_lost_with_the_manifest_too_is_said() -> None:
    rebuilt = rebuild(left_of(whole_run(), manifest=None), {})
    state = fold(merged([], rebuilt.records))
    assert state.run_id == "20261121T080000Z-thor"
    assert state.step_states() == fold(whole_run()).step_states()
    assert state.closed is not None
    assert any("options" in words for words in rebuilt.lost)
    assert any("versions" in words for words in rebuilt.lost)


def test_what_was_superseded_stays_superseded() -> None:
    left = left_of(whole_run())
    assert left.status is not None
    (row,) = left.status["executions"]
    row["superseded"] = True
    state = fold(merged([], rebuild(left, {}).records))
    assert state.executions["latency.smoke.1"].superseded
    assert not state.results


def test_old_steps_that_stand_in_the_status_only_are_found() -> None:
    left = left_of(failed_run(), manifest=None)
    assert left.status is not None
    left.status, left.steps = {**left.status, "step_manifests": left.steps}, {}
    state = fold(merged([], rebuild(left, {}).records))
    assert state.steps["latency.execute"].failure == fold(failed_run()).steps["latency.execute"].failure


@pytest.mark.parametrize("with_manifest", [True, False])
def test_an_execution_whose_id_is_a_path_is_left_out(*, with_manifest: bool) -> None:
    left = left_of(whole_run())
    assert left.status is not None
    assert left.manifest is not None
    left.status["executions"].append({**left.status["executions"][0], "execution": "../../x"})
    (planned,) = left.manifest["executions"]["latency"]
    left.manifest["executions"]["latency"].append({**planned, "execution_id": "../../x"})
    if not with_manifest:
        left.manifest = None
    state = fold(merged([], rebuild(left, {}).records))
    assert list(state.executions) == ["latency.smoke.1"]
    assert state.unusable_records == 0


ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from([10**400, "\ud800", "completed", "latency.execute", "2026-11-21T08:00:00Z", "../../x"])
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def damaged(draw: st.DrawFn) -> Documents:
    """Return documents of which some fields, rows or wholes are garbage."""
    left = left_of(draw(st.sampled_from([whole_run(), failed_run()])))
    for _ in range(draw(st.integers(1, 4))):
        place: Any = getattr(
            left, draw(st.sampled_from(["status", "manifest", "artifacts", "publish", "snapshot", "steps"]))
        )
        while True:
            names = sorted(place) if isinstance(place, dict) else list(range(len(place)))
            if not names:
                break
            name = draw(st.sampled_from(names))
            inner = place[name]
            if isinstance(inner, (dict, list)) and inner and draw(st.booleans()):
                place = inner
                continue
            place[name] = draw(ANY)
            break
    left.steps = {name: step for name, step in left.steps.items() if isinstance(step, dict)}
    return left


@pytest.mark.slow
@given(damaged())
@settings(max_examples=150)
def test_garbage_in_documents_never_reaches_the_journal(left: Documents) -> None:
    records = list(merged([], rebuild(left, {}).records))
    for record in records:
        JournalRecord.model_validate_json(journal.encode(record))
    state = fold(json.loads(journal.encode(record)) for record in records)
    assert state.unusable_records == 0
    every_document(state)
    for name in state.steps:
        assert "/" not in name
        assert name.rpartition(".")[2] in steps.PHASES


def test_the_records_of_a_journal_keep_their_order_whatever_their_times_say() -> None:
    kept = [{"kind": "play.began", "at": at, "seq": 1, "play": at} for at in ("3", "1", "2")]
    new = [{"kind": "control", "at": "2", "seq": 1, "id": "new"}]
    found = list(merged(kept, new))
    assert [record["seq"] for record in found] == [1, 2, 3, 4]
    assert [record["play"] for record in found if "play" in record] == ["3", "1", "2"]


def test_half_a_character_in_a_document_is_told_and_does_not_reach_the_journal() -> None:
    left = left_of(whole_run())
    assert left.artifacts is not None
    left.artifacts["artifacts"][0]["kind"] = "\ud800"
    rebuilt = rebuild(left, {})
    for record in rebuilt.records:
        JournalRecord.model_validate_json(journal.encode(record))
    assert "The record artifact" in " ".join(map(str, rebuilt.records[-1].get("lost") or ()))
