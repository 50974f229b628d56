# SPDX-License-Identifier: Apache-2.0
"""Exports: one document in every format, also when a result is missing or broken."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest
from rackbench.adapters.export import check_formats, export
from rackbench.errors import RackbenchError
from rackbench.ledger.state import RunState, fold
from rackbench.models.common import check
from rackbench.models.export import Export

if TYPE_CHECKING:
    from pathlib import Path

FORMATS = ["json", "csv", "markdown"]
RESULT = {
    "schema": "rackbench.result/1.0",
    "benchmark": {"name": "one", "version": "1.0.0"},
    "status": "partial",
    "started_at": "2026-11-21T08:00:00Z",
    "duration_s": 1.5,
    "metrics": [
        {"name": "a", "unit": "ns", "direction": "lower", "samples": [1, 2, 9], "labels": {"pair": "0|1"}},
        {"name": "b", "unit": "count", "direction": "none", "samples": [4]},
    ],
    "checks": [{"name": "curve", "ok": False, "detail": "too short"}],
    "skipped": [{"name": "pair 0-2", "reason": "time limit"}],
}


def _state(run_dir: Path, *, with_result: bool = True) -> RunState:
    path = "benchmarks/one/one.full.1/result.json"
    (run_dir / path).parent.mkdir(parents=True)
    records: list[dict[str, Any]] = [
        {
            "kind": "run.opened",
            "run_id": "20261121T080000Z-thor",
            "host": "thor",
            "run_dir": "automation-runs/x",
            "check": False,
            "steps": [],
            "executions": {
                "one": [{"execution_id": "one.full.1", "family": "full", "repeat": 1, "time_limit_s": 5}]
            },
            "versions": {"rackbench": "0.1.0", "ansible_core": "2.19.14", "python": "3.11.7"},
            "project": {"commit": "abc", "dirty": False},
        },
        {"kind": "platform", "machine": "x86_64", "os": "linux", "kernel": "6.1", "cpus": 2},
        {
            "kind": "packaging",
            "adapter": "one",
            "decision": {
                "chosen": {"path": "/home/lab/dist/one.tar.gz", "sha256": "ab" * 32, "version": "1.0.0"}
            },
        },
        {
            "kind": "execution.began",
            "execution": "one.full.1",
            "adapter": "one",
            "family": "full",
            "repeat": 1,
        },
        {
            "kind": "execution.ended",
            "execution": "one.full.1",
            "outcome": "partial",
            "rc": 1,
            "duration_s": 2.0,
        },
    ]
    if with_result:
        (run_dir / path).write_text(json.dumps(RESULT))
        records.append(
            {
                "kind": "result",
                "adapter": "one",
                "execution": "one.full.1",
                "family": "full",
                "repeat": 1,
                "status": "partial",
                "metrics": [],
                "headline": [
                    {"label": "Time", "value": 2, "unit": "ns"},
                    {"label": "None", "value": None, "unit": "ns"},
                ],
                "path": path,
            }
        )
    stamped = [
        {"seq": number, "at": "2026-11-21T08:00:00.000Z", "mono": 1.0} | each
        for number, each in enumerate(records, 1)
    ]
    return fold(stamped)


def test_every_format_is_written_and_says_the_same(tmp_path: Path) -> None:
    paths = export(tmp_path, _state(tmp_path), FORMATS)
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == [
        "exports/results.json",
        "exports/results.csv",
        "exports/results.md",
    ]
    document = json.loads(paths[0].read_text())
    check(Export, document, path=paths[0], code="result_invalid")
    assert document["platform"]["machine"] == "x86_64"
    assert document["versions"]["ansible_core"] == "2.19.14"
    execution = document["executions"][0]
    assert execution["metrics"] == RESULT["metrics"]
    assert execution["bundle"]["sha256"] == "ab" * 32
    assert "path" not in execution["bundle"]
    rows = list(csv.DictReader(paths[1].read_text().splitlines()))
    assert [(row["metric"], row["median"], row["n"], row["execution"]) for row in rows] == [
        ("a", "2", "3", "one.full.1"),
        ("b", "4", "1", "one.full.1"),
    ]
    assert json.loads(rows[0]["labels"]) == {"pair": "0|1"}
    text = paths[2].read_text()
    for part in (
        "# Results of thor",
        "| Time | 2 | ns |",
        "| None | - | ns |",
        "curve failed: too short",
        "pair 0-2 was skipped",
    ):
        assert part in text


def test_only_the_formats_asked_for_are_written_and_each_once(tmp_path: Path) -> None:
    paths = export(tmp_path, _state(tmp_path), ["csv", "csv"])
    assert [path.name for path in paths] == ["results.csv"]
    assert [path.name for path in (tmp_path / "exports").iterdir()] == ["results.csv"]


def test_an_execution_without_a_result_is_exported_with_its_problem(tmp_path: Path) -> None:
    paths = export(tmp_path, _state(tmp_path, with_result=False), FORMATS)
    assert json.loads(paths[0].read_text())["executions"][0]["problem"]
    assert [row["execution"] for row in csv.DictReader(paths[1].read_text().splitlines())] == ["one.full.1"]
    assert "No result" in paths[2].read_text()


def test_a_result_that_vanished_or_broke_is_exported_with_its_problem(tmp_path: Path) -> None:
    state = _state(tmp_path)
    (tmp_path / "benchmarks/one/one.full.1/result.json").write_text("{")
    paths = export(tmp_path, state, FORMATS)
    assert "result.json" in json.loads(paths[0].read_text())["executions"][0]["problem"]


def test_the_same_run_exports_the_same_bytes(tmp_path: Path) -> None:
    state = _state(tmp_path)
    before = [path.read_bytes() for path in export(tmp_path, state, FORMATS)]
    assert [path.read_bytes() for path in export(tmp_path, state, FORMATS)] == before


def test_an_unknown_format_is_refused_with_the_nearest() -> None:
    check_formats(FORMATS)
    with pytest.raises(RackbenchError, match="Did you mean markdown") as caught:
        check_formats(["json", "markdwn"])
    assert caught.value.code == "unknown_option"
