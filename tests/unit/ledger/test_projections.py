# SPDX-License-Identifier: Apache-2.0
"""Documents: pure functions of the state, valid by their models, and helpful when something is wrong."""

from __future__ import annotations

import copy
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rackbench import clock
from rackbench.ledger import journal, projections
from rackbench.ledger.state import fold
from rackbench.models import run_documents as models
from rackbench.models.journal import JournalRecord

from tests.unit.ledger.samples import (
    NOW,
    RUN_DIR,
    START,
    Script,
    every_document,
    failed_run,
    opened,
    whole_run,
)


@settings(deadline=None, max_examples=50)
@given(st.integers(min_value=0, max_value=len(whole_run())), st.sampled_from([whole_run, failed_run]))
def test_projections_are_pure(length: int, run: Any) -> None:
    state = fold(run()[:length])
    before = copy.deepcopy(state)
    first = every_document(state)
    assert every_document(state) == first
    assert state == before
    json.dumps(first, allow_nan=False)


@settings(deadline=None, max_examples=50)
@given(st.integers(min_value=0, max_value=len(whole_run())), st.sampled_from([whole_run, failed_run]))
def test_every_document_of_any_prefix_is_valid_by_its_model(length: int, run: Any) -> None:
    state = fold(run()[:length])
    found = every_document(state)
    models.Status.model_validate(found["status"])
    models.Status.model_validate(found["interrupted"])
    models.RunManifest.model_validate(found["run_manifest.json"])
    models.ArtifactManifest.model_validate(found["artifact_manifest.json"])
    models.PublishLedger.model_validate(found["publish_ledger.json"])
    models.HostInventorySnapshot.model_validate(found["host_inventory_snapshot.json"])
    for step_id in state.steps:
        models.StepDocument.model_validate(found[step_id])


@pytest.mark.parametrize("run", [whole_run, failed_run])
def test_every_record_of_a_run_is_valid_by_its_model(run: Any) -> None:
    for record in run():
        JournalRecord.model_validate(record)


def test_the_model_of_each_kind_has_exactly_the_fields_of_the_allow_list() -> None:
    schema = JournalRecord.model_json_schema(by_alias=True)
    kinds = {}
    for definition in schema["$defs"].values():
        properties = definition.get("properties", {})
        if "kind" in properties:
            kinds[properties["kind"]["const"]] = set(properties) - {"seq", "at", "mono", "kind"}
    assert kinds.keys() == journal.KINDS.keys()
    free = {"platform", "readiness"}
    assert {k: v for k, v in kinds.items() if k not in free} == {
        k: set(v) for k, v in journal.KINDS.items() if k not in free
    }


def test_a_run_that_went_well_has_no_alert_and_its_headline() -> None:
    status = projections.status_document(fold(whole_run()), NOW)
    assert (status["state"], status["exit_status"]) == ("completed", 0)
    assert status["alerts"]["primary"] is None
    (row,) = status["results"]
    assert (row["adapter"], row["label"], row["value"], row["unit"]) == ("latency", "median", 61.5, "ns")
    assert status["position"] is None
    assert status["ledger"]["complete"] is True


def test_overhead_is_what_is_left_of_each_phase_after_the_benchmark() -> None:
    overhead = projections.status_document(fold(whole_run()), NOW)["overhead"]
    execute = next(row for row in overhead["phases"] if row["phase"] == "execute")
    assert execute["benchmark_s"] == 3.0
    assert execute["rest_s"] == pytest.approx(execute["wall_s"] - 3.0)
    assert overhead["rest_s"] == pytest.approx(overhead["wall_s"] - 3.0)
    assert [row["phase"] for row in overhead["phases"]] == [
        "discover", "preflight", "stage", "execute", "collect", "publish", "finalize",
    ]  # fmt: skip


def prefix(kind: str) -> list[dict[str, Any]]:
    """Return the records of a good run up to the first of this kind."""
    records = whole_run()
    end = next(number for number, record in enumerate(records) if record["kind"] == kind)
    return records[: end + 1]


def test_a_running_execution_shows_position_and_progress() -> None:
    status = projections.status_document(fold(prefix("execution.beat")), START + timedelta(seconds=21))
    assert status["position"]["step"] == "latency.execute"
    assert (status["position"]["number"], status["position"]["of"]) == (4, 7)
    assert (status["progress"]["done"], status["progress"]["percent"]) == (3, 25.0)
    assert status["monitoring"]["state"] == "running"
    assert status["monitoring"]["active_adapter"] == "latency"


@pytest.mark.parametrize(
    ("age_s", "state"), [(1, "running"), (14, "running"), (16, "stalled"), (3600, "stalled")]
)
def test_a_heartbeat_is_stale_by_the_interval_that_was_recorded(age_s: int, state: str) -> None:
    records = prefix("execution.beat")
    now = clock.parse_utc(records[-1]["at"]) + timedelta(seconds=age_s)
    status = projections.status_document(fold(records), now)
    assert status["monitoring"]["state"] == state
    if state == "stalled":
        assert status["monitoring"]["attention"] == "stalled"
        assert status["alerts"]["primary"]["kind"] == "stalled_phase"
        assert (
            status["alerts"]["primary"]["next_command"]
            == "rackbench validate --host thor --scope connectivity"
        )


def test_a_live_beat_counts_only_when_the_target_itself_went_on() -> None:
    records = prefix("execution.beat")
    state, beat = fold(records), records[-1]
    now = clock.parse_utc(beat["at"]) + timedelta(seconds=100)
    same = {"at_target": beat["at_target"], "at": clock.utc_text(now), "interval_s": 1}
    newer = {**same, "at_target": "2026-11-21T08:01:00.000Z", "done": 9}
    stalled = projections.status_document(state, now, {"latency.smoke.1": same})
    alive = projections.status_document(state, now, {"latency.smoke.1": newer})
    assert stalled["monitoring"]["state"] == "stalled"
    assert alive["monitoring"]["state"] == "running"
    assert alive["progress"]["done"] == 9


@pytest.mark.parametrize(("age_s", "state"), [(1, "fresh"), (14, "fresh"), (16, "stale")])
def test_a_step_that_builds_is_stale_by_the_interval_of_its_beat(age_s: int, state: str) -> None:
    records = prefix("step.beat")
    now = clock.parse_utc(records[-1]["at"]) + timedelta(seconds=age_s)
    monitoring = projections.status_document(fold(records), now)["monitoring"]
    (beat,) = monitoring["heartbeats"]
    assert (beat["step"], beat["state"]) == ("latency.stage", state)
    assert monitoring["attention"] == ("stalled" if state == "stale" else None)


def test_a_live_beat_of_a_build_counts_only_when_the_build_went_on() -> None:
    records = prefix("step.beat")
    now = clock.parse_utc(records[-1]["at"]) + timedelta(seconds=100)
    same = {"at": clock.utc_text(now), "elapsed_s": 3.0, "interval_s": 5.0}
    for live, state in ((same, "stale"), ({**same, "elapsed_s": 4.0}, "fresh")):
        status = projections.status_document(fold(records), now, {"latency.stage": live})
        assert status["monitoring"]["heartbeats"][0]["state"] == state


def test_what_follows_a_build_is_not_held_to_its_pace() -> None:
    records = prefix("step.beat")
    at = clock.parse_utc(records[-1]["at"])
    now = at + timedelta(seconds=100)
    built = {"at": clock.utc_text(at + timedelta(seconds=1)), "elapsed_s": 4.0, "interval_s": None}
    status = projections.status_document(fold(records), now, {"latency.stage": built})
    assert status["monitoring"]["heartbeats"][0]["state"] == "fresh"


def test_a_bundle_that_was_made_is_named_with_its_builder_and_its_sidecar() -> None:
    chosen = {
        "path": "repo/bundle.toml",
        "source": "builder",
        "sha256": None,
        "cost": {"build": "controller"},
    }
    decision = {"basis": "builder", "chosen": chosen, "candidates": [chosen]}
    made = {"path": "dist/a.tar.gz", "sha256": "0" * 64, "size": 7}
    rows = []
    for each in (None, made):
        script = (
            Script()
            .add("run.opened", **opened())
            .add("packaging", adapter="latency", decision=decision, made=each)
        )
        state = fold(script.records)
        rows.append(projections.status_document(state, NOW)["packaging"]["latency"])
        assert projections.run_manifest(state)["packaging"]["latency"] == {**decision, "made": each}
    assert [row["path"] for row in rows] == [None, "dist/a.tar.gz"]
    assert [row["builder"] for row in rows] == ["repo/bundle.toml"] * 2
    assert (rows[1]["sidecar"], rows[1]["sha256"]) == ("dist/a.tar.gz.json", "0" * 64)


def test_a_dead_controller_makes_an_open_run_interrupted() -> None:
    status = projections.status_document(fold(prefix("execution.beat")), NOW, alive=False)
    assert (status["state"], status["exit_status"]) == ("interrupted", 130)
    assert status["alerts"]["primary"]["kind"] == "interrupted"
    assert status["alerts"]["primary"]["next_command"] == f"rackbench resume --run-dir {RUN_DIR}"
    assert projections.status_document(fold(whole_run()), NOW, alive=False)["state"] == "completed"


def test_a_failed_step_names_only_paths_that_exist_the_nearest_first() -> None:
    state = fold(failed_run())
    there = {"state/steps/latency.execute.json", "events.jsonl"}
    primary = projections.status_document(state, NOW, exists=there.__contains__)["alerts"]["primary"]
    assert primary["code"] == "execution_failed"
    assert primary["next_paths"] == ["state/steps/latency.execute.json", "events.jsonl"]
    there.add("benchmarks/latency/stderr")
    primary = projections.status_document(state, NOW, exists=there.__contains__)["alerts"]["primary"]
    assert primary["next_path"] == "benchmarks/latency/stderr"
    assert primary["next_diagnostic_command"] == f"rackbench status --run-dir {RUN_DIR}"


def test_blocked_publishing_is_an_alert_of_its_own() -> None:
    script = Script().add("run.opened", **opened())
    script.add("publish", adapter="latency", state="remote_missing", target="results", reason="No origin.")
    alerts = projections.status_document(fold(script.records), NOW, exists=lambda _path: True)["alerts"]
    assert alerts["primary"]["kind"] == "blocked_publish"
    assert alerts["primary"]["next_paths"][:2] == [
        "publish-staging/results/latency/pull-request.json",
        "publish-staging/results/latency/manifest.json",
    ]


def test_a_ledger_that_missed_tasks_is_never_good() -> None:
    script = Script()
    script.records = whole_run()
    script.add("ledger.incomplete", expected={"ok": 3}, seen={"ok": 2})
    status = projections.status_document(fold(script.records), NOW)
    assert status["exit_status"] == 4
    assert status["ledger"]["complete"] is False


def test_the_recovery_summary_says_the_next_step() -> None:
    text = projections.recovery_summary(fold(failed_run()), NOW, exists=lambda _path: True)
    assert "execution_failed" in text
    assert f"`rackbench resume --run-dir {RUN_DIR}`" in text
    assert "`benchmarks/latency/stderr`" in text


def test_the_status_does_not_grow_with_tasks() -> None:
    script = Script().add("run.opened", **opened()).add("step.began", step="host.discover")
    small = len(json.dumps(projections.status_document(fold(script.records), NOW)))
    for number in range(500):
        script.add("task.began", task="T", action="a", uuid=f"t{number}", step="host.discover")
        script.add("task.ended", task="T", uuid=f"t{number}", step="host.discover", status="ok", remote=0)
    assert len(json.dumps(projections.status_document(fold(script.records), NOW))) < small + 200
