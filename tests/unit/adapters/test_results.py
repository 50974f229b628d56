# SPDX-License-Identifier: Apache-2.0
"""result.json: every way to be wrong has a code and the file's name, and what is right is summed up."""

from __future__ import annotations

import json
import statistics
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rackbench.adapters.results import read_result, summarise
from rackbench.errors import RackbenchError

if TYPE_CHECKING:
    from pathlib import Path

    from rackbench.adapters.catalog import Adapter

GOOD: dict[str, Any] = {
    "schema": "rackbench.result/1.0",
    "benchmark": {"name": "one", "version": "1.0.0"},
    "status": "passed",
    "started_at": "2026-11-21T08:00:00Z",
    "duration_s": 1.5,
    "metrics": [
        {
            "name": "round_trip",
            "unit": "ns",
            "direction": "lower",
            "samples": [3, 1.5, 2],
            "labels": {"pair": "0-1", "cpu": 0},
        }
    ],
    "checks": [{"name": "c", "ok": True, "detail": ""}],
    "skipped": [],
    "facts": {"anything": [1, None]},
}


def _write(folder: Path, text: str) -> Path:
    path = folder / "result.json"
    path.write_text(text)
    return path


def _fails(path: Path, code: str) -> RackbenchError:
    with pytest.raises(RackbenchError) as caught:
        read_result(path)
    assert caught.value.code == code
    assert str(path) in caught.value.message
    return caught.value


def test_a_good_result_is_read_as_it_stands(tmp_path: Path) -> None:
    result = read_result(_write(tmp_path, json.dumps(GOOD)))
    assert result.status == "passed"
    assert result.metrics[0].samples == (3, 1.5, 2)
    assert isinstance(result.metrics[0].samples[0], int)
    assert result.document == GOOD


def test_unknown_fields_and_a_later_minor_version_are_accepted(tmp_path: Path) -> None:
    text = json.dumps(GOOD | {"schema": "rackbench.result/1.7", "weather": "rain"})
    assert read_result(_write(tmp_path, text)).document["weather"] == "rain"


def test_a_missing_result_is_named(tmp_path: Path) -> None:
    _fails(tmp_path / "result.json", "result_missing")


@pytest.mark.parametrize("text", ["", "{", "nonsense", json.dumps(GOOD)[:-5], "[" * 100_000])
def test_a_truncated_result_is_unreadable(tmp_path: Path, text: str) -> None:
    _fails(_write(tmp_path, text), "result_unreadable")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_sample_that_is_no_number_is_invalid(tmp_path: Path, number: str) -> None:
    _fails(_write(tmp_path, json.dumps(GOOD).replace("[3, 1.5, 2]", f"[{number}]")), "result_invalid")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (["schema"], "rackbench.result/2.0"),
        (["schema"], "rackbench.bundle/1.0"),
        (["status"], "great"),
        (["duration_s"], -1),
        (["duration_s"], "1"),
        (["started_at"], "yesterday"),
        (["benchmark"], "one"),
        (["metrics"], {}),
        (["metrics", 0, "name"], "Round Trip"),
        (["metrics", 0, "direction"], "up"),
        (["metrics", 0, "unit"], ""),
        (["metrics", 0, "samples"], []),
        (["metrics", 0, "samples"], ["1"]),
        (["metrics", 0, "samples"], [True]),
        (["metrics", 0, "samples"], [None]),
        (["metrics", 0, "samples"], 1.0),
        (["metrics", 0, "labels"], {"a": 1.5}),
        (["checks", 0, "ok"], "yes"),
        (["skipped"], [{"name": "a"}]),
    ],
)
def test_a_wrong_type_is_invalid_and_its_place_is_named(tmp_path: Path, place: list[Any], value: Any) -> None:
    document = json.loads(json.dumps(GOOD))
    target = document
    for part in place[:-1]:
        target = target[part]
    target[place[-1]] = value
    error = _fails(_write(tmp_path, json.dumps(document)), "result_invalid")
    assert ".".join(map(str, place)) in error.message


@pytest.mark.parametrize("text", ["[]", "1", '"x"', "null", "{}"])
def test_json_that_is_no_result_is_invalid(tmp_path: Path, text: str) -> None:
    _fails(_write(tmp_path, text), "result_invalid")


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(json.dumps(GOOD)) - 1), st.sampled_from(' "0[]{}:,ex-'))
def test_a_damaged_byte_never_raises_anything_else(tmp_path: Path, position: int, byte: str) -> None:
    text = json.dumps(GOOD)
    path = _write(tmp_path, text[:position] + byte + text[position + 1 :])
    try:
        read_result(path)
        code = None
    except RackbenchError as error:
        code = error.code
    assert code in {None, "result_unreadable", "result_invalid"}


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_a_summary_holds_number_median_least_and_greatest(
    tmp_path: Path, catalog: dict[str, Adapter], samples: list[float]
) -> None:
    document = GOOD | {"metrics": [GOOD["metrics"][0] | {"samples": samples}]}
    rows, _headline = summarise(read_result(_write(tmp_path, json.dumps(document))), catalog["one"])
    assert rows == [
        {
            "name": "round_trip",
            "unit": "ns",
            "direction": "lower",
            "labels": {"pair": "0-1", "cpu": 0},
            "n": len(samples),
            "median": statistics.median(samples),
            "min": min(samples),
            "max": max(samples),
        }
    ]


def test_the_headline_is_the_number_that_the_query_finds(tmp_path: Path, catalog: dict[str, Adapter]) -> None:
    result = read_result(_write(tmp_path, json.dumps(GOOD)))
    assert summarise(result, catalog["one"])[1] == [{"label": "Time", "value": 2, "unit": "ns"}]


def test_a_headline_that_a_partial_result_cannot_give_is_null(
    tmp_path: Path, catalog: dict[str, Adapter]
) -> None:
    result = read_result(_write(tmp_path, json.dumps(GOOD | {"status": "partial", "metrics": []})))
    assert summarise(result, catalog["one"]) == ([], [{"label": "Time", "value": None, "unit": "ns"}])


def test_a_large_matrix_becomes_one_row(tmp_path: Path, catalog: dict[str, Adapter]) -> None:
    metric = GOOD["metrics"][0]
    many = [metric | {"labels": {"pair": str(pair)}, "samples": [pair]} for pair in range(65)]
    rows, _headline = summarise(
        read_result(_write(tmp_path, json.dumps(GOOD | {"metrics": many}))), catalog["one"]
    )
    assert [(row["series"], row["n"], row["median"], row["labels"]) for row in rows] == [(65, 65, 32, {})]
    rows, _headline = summarise(
        read_result(_write(tmp_path, json.dumps(GOOD | {"metrics": many[:64]}))), catalog["one"]
    )
    assert len(rows) == 64
