# SPDX-License-Identifier: Apache-2.0
"""Repeats: warm-ups do not count, repeats end by a precision, a maximum or a count, and all of it is on record."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest
from rackbench.models.export import Export
from rackbench.models.journal import JournalRecord
from rackbench.models.run_documents import Status

from tests.integration import made_up

if TYPE_CHECKING:
    from tests.integration.harness import LabProject, Run

pytestmark = pytest.mark.full

# Each execution measures the next one of `values`, as a file in the home directory counts them; null is a crash.
PROGRAM = """#!/usr/bin/env python3
import json, os, pathlib, sys

job = json.loads(pathlib.Path(sys.argv[2]).read_text())
ran = pathlib.Path(os.environ["HOME"]) / "ran"
before = ran.read_text().split() if ran.exists() else []
with ran.open("a") as stream:
    stream.write(job["execution_id"] + "\\n")
value = job["parameters"]["values"][len(before)]
if value is None:
    sys.exit("made-up crashed on purpose")
result = {"schema": "rackbench.result/1.0", "benchmark": {"name": "made-up", "version": "1.0.0"}, "status": "passed",
          "started_at": "2026-11-21T08:00:00Z", "duration_s": 0.5,
          "metrics": [{"name": "turn_rate", "unit": "turns/s", "direction": "higher", "samples": [value]}],
          "checks": [], "skipped": [], "facts": {}}
pathlib.Path(sys.argv[4], "result.json").write_text(json.dumps(result))
"""
HEADLINE = {
    "headline": [{"label": "turn rate", "query": "metrics[0].samples[0]", "unit": "turns/s"}],
}


def _add(project: LabProject, *values: float | None) -> None:
    family = made_up.family(values=list(values))
    made_up.add(project, families=[family], program=PROGRAM, results=HEADLINE)


def _ran(project: LabProject) -> list[str]:
    """Return the executions that were made, in their order, as the host saw them."""
    return (project.home / "ran").read_text().split()


def _names(*parts: str | int) -> list[str]:
    return [f"made-up.only.{part}" for part in parts]


def _told(run: Run) -> dict[str, Any]:
    """Return the only `repeats` record, without what every record has; status tells the same."""
    (record,) = run.records("repeats")
    told = {name: value for name, value in record.items() if name not in {"seq", "at", "mono", "kind"}}
    assert run.status["repeats"] == [told]
    return told


def test_warm_ups_go_first_and_repeats_end_when_they_are_precise_enough(project: LabProject) -> None:
    # Half-widths: 7.2 % after three repeats, 3.8 % after four. The warm-ups would make them far wider.
    _add(project, 1, 100000, 100, 106, 103, 103, 103, 103, 103, 103, 103, 103)
    until = ("--warmups", "2", "--repeats-until", "5", "--repeats-max", "10")
    done = project.rackbench("run", "--host", "local", "--benchmarks", "made-up", *until)
    assert done.rc == 0, done.said

    assert "made-up.only: 4 repeats, precise enough: turn rate, known within 3.784 %" in done.stdout
    made = _names("w1", "w2", 1, 2, 3, 4)
    assert _ran(project) == made
    run = project.run()
    assert _told(run) == {
        "adapter": "made-up",
        "family": "only",
        "count": 4,
        "metric": "turn rate",
        "half_width_percent": 3.784,
        "stopped_by": "precise_enough",
    }
    began = {record["execution"]: record["warmup"] for record in run.records("execution.began")}
    assert began == {name: ".w" in name for name in made}
    results = {record["execution"]: record["warmup"] for record in run.records("result")}
    assert results == began

    for record in run.journal:
        JournalRecord.model_validate(record)
    status = run.status
    Status.model_validate(status)
    assert {row["execution"]: row["state"] for row in status["executions"]} == {
        **dict.fromkeys(made, "ended"),
        **dict.fromkeys(_names(*range(5, 11)), "not_needed"),
    }
    # The numbers of a summary are those of the repeats.
    assert [(row["execution"], row["value"]) for row in status["results"]] == list(
        zip(_names(1, 2, 3, 4), [100, 106, 103, 103], strict=True)
    )
    assert status["state"] == "completed"
    exported = run.document("exports/results.json")
    assert {row["execution"]: row["warmup"] for row in exported["executions"]} == began
    Export.model_validate(exported)
    assert exported["repeats"] == status["repeats"]
    rows = list(csv.DictReader((run.path / "exports/results.csv").read_text().splitlines()))
    assert [(row["execution"], row["warmup"]) for row in rows] == [(name, str(began[name])) for name in made]
    text = (run.path / "exports/results.md").read_text()
    assert "## made-up.only.w1 (warm-up, does not count)" in text
    assert "| made-up.only | 4 | turn rate | ± 3.8 % | precise enough |" in text
    # A warm-up measures as a repeat does, so its benchmark is told nothing else.
    warmup, repeat = (run.document(f"benchmarks/made-up/{name}/job.json") for name in _names("w1", 1))
    assert warmup == {**repeat, "execution_id": "made-up.only.w1"}


def test_a_noisy_benchmark_and_one_that_crashes_once_count_each_execution_up_to_the_maximum(
    project: LabProject,
) -> None:
    _add(project, 100, None, 200, 100, 200)
    done = project.playbook("-e", "lab_benchmarks=made-up lab_repeats_until=5 lab_repeats_max=4")
    assert done.rc == 2, done.said
    assert "made-up.only: 4 repeats, the maximum: turn rate, known within 107.6 %" in done.stdout
    assert _ran(project) == _names(1, 2, 3, 4)
    run = project.run()
    told = _told(run)
    assert (told["count"], told["stopped_by"]) == (4, "maximum")
    # Three values with a mean of 133.3 and a standard deviation of 57.7.
    assert told["half_width_percent"] == pytest.approx(107.6, abs=0.1)
    metrics = {record["execution"]: record["metric"] for record in run.records("execution.ended")}
    assert metrics["made-up.only.2"] is None
    assert metrics["made-up.only.3"] == {"id": "turn rate", "value": 200.0, "unit": "turns/s"}
    assert [record["execution"] for record in run.records("result")] == _names(1, 3, 4)


def test_a_fixed_count_runs_that_often_whatever_is_measured(project: LabProject) -> None:
    _add(project, 100, 100)
    done = project.playbook("-e", "lab_benchmarks=made-up lab_repeats=2")
    assert done.rc == 0, done.said
    assert "made-up.only: 2 repeats, as many as were asked for" in done.stdout
    assert _ran(project) == _names(1, 2)
    run = project.run()
    told = _told(run)
    assert (told["count"], told["stopped_by"], told["metric"]) == (2, "count", None)
    # What a benchmark reads is what it always was.
    job = json.loads(
        (project.home / f".rackbench/jobs/{run.status['run_id']}/made-up.only.2/job.json").read_text()
    )
    assert job == {
        "schema": "rackbench.job/1.0",
        "run_id": run.status["run_id"],
        "execution_id": "made-up.only.2",
        "adapter": "made-up",
        "family": "only",
        "repeat": 2,
        "parameters": {"values": [100, 100]},
        "cpus": None,
        "time_limit_s": 300.0,
    }


def test_a_count_together_with_a_precision_is_refused_before_anything_runs(project: LabProject) -> None:
    done = project.rackbench("run", "--host", "local", "--repeats", "3", "--repeats-until", "5")
    assert done.rc == 2, done.said
    assert "unknown_option" in done.said
    assert "lab_repeats and lab_repeats_until are both set" in done.said
    assert not project.runs()
