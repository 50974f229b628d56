# SPDX-License-Identifier: Apache-2.0
"""The in-tree benchmark benchbox: bundles that BenchBox wrote, and its program with a stand-in for BenchBox.

The real BenchBox is installed and run in tests/integration/test_benchbox.py.
"""

from __future__ import annotations

import ast
import copy
import hashlib
import importlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rackbench.adapters.catalog import load_catalog, read_adapter
from rackbench.adapters.plan import plan
from rackbench.adapters.results import read_result, summarise
from rackbench.adapters.settings import configured
from rackbench.errors import RackbenchError

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
BENCH = ROOT / "benchmarks" / "benchbox"
RECORDED = ROOT / "tests" / "data" / "benchbox"
SSB = RECORDED / "ssb_sf001_duckdb_sql_20261121_030014_057fbabf.json"
SSB_SQLITE = RECORDED / "ssb_sf001_sqlite_sql_20261121_025726_4ea07d21.json"
TPCH = RECORDED / "tpch_sf001_duckdb_sql_20261121_025705_2a8c2512.json"
AMPLAB = RECORDED / "amplab_sf001_duckdb_sql_20261121_030040_a631fefd.json"
FAILED_QUERY = RECORDED / "ssb_sf001_duckdb_sql_failed_query.json"
# Generous: it only bounds a test that would otherwise never end.
PATIENCE_S = 300
# Stands in for the Python of the environment, and so for BenchBox: prints what it is told to, exports a recorded
# bundle, and ends with any exit code. `hang` waits to be killed.
STAND_IN = """#!{python}
import json, os, pathlib, sys, time
plan = json.loads(pathlib.Path({plan!r}).read_text())
called = {{"argv": sys.argv[1:], "home": os.environ["HOME"], "cwd": os.getcwd()}}
pathlib.Path({called!r}).write_text(json.dumps(called))
print(plan["says"], flush=True)
results = pathlib.Path("benchmark_runs/results")
results.mkdir(parents=True)
for name, content in plan["exports"].items():
    (results / name).write_text(content)
while plan["hang"]:
    time.sleep(60)
sys.exit(plan["rc"])
"""
SAYS = """Warm-up runs: 1, Measurement runs: 3
--- Warm-up Run 1/1 ---
✅ Query 1/13: Q1.1 completed in 1.9ms (1 rows)
--- Measurement Run 1/3 ---
✅ Query 1/13: Q1.1 completed in 1.8ms (1 rows)
❌ Query 2/13: Q1.2 FAILED - Binder Error: no such column"""


@pytest.fixture(scope="module")
def package() -> Iterator[Any]:
    """Imports modules of the benchmark, which is no part of our own package."""
    sys.path.insert(0, str(BENCH))
    yield lambda name: importlib.import_module(f"benchbox_run.{name}")
    sys.path.remove(str(BENCH))
    for name in [name for name in sys.modules if name.partition(".")[0] == "benchbox_run"]:
        del sys.modules[name]


def job(**parameters: Any) -> dict[str, Any]:
    return {
        "schema": "rackbench.job/1.0",
        "run_id": "run",
        "execution_id": "execution",
        "adapter": "benchbox",
        "family": "ssb",
        "repeat": 1,
        "parameters": {
            "benchmark": "ssb",
            "scale": 0.01,
            "platform": "duckdb",
            "iterations": 3,
            **parameters,
        },
        "cpus": None,
        "time_limit_s": PATIENCE_S,
    }


@dataclass
class Host:
    """A store with the bundle in it, and a stand-in for the environment beside that."""

    root: Path

    @property
    def out(self) -> Path:
        return self.root / "out"

    @property
    def called(self) -> Any:
        return json.loads((self.root / "called.json").read_text())

    def plan(
        self,
        *bundles: Path,
        exports: dict[str, str] | None = None,
        rc: int = 0,
        says: str = SAYS,
        hang: bool = False,
    ) -> None:
        exports = exports or {bundle.name: bundle.read_text() for bundle in bundles}
        plan = {"exports": exports, "rc": rc, "says": says, "hang": hang}
        (self.root / "plan.json").write_text(json.dumps(plan))

    def command(self, document: Any) -> list[str]:
        (self.root / "job.json").write_text(document if isinstance(document, str) else json.dumps(document))
        self.out.mkdir()
        program = self.root / "bundles/digest/bin/run"
        return [sys.executable, str(program), "--config", str(self.root / "job.json"), "--out", str(self.out)]

    def run(self, document: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(document),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )

    @property
    def result(self) -> Any:
        """What it left as result.json, which fits the contract."""
        read_result(self.out / "result.json")
        return json.loads((self.out / "result.json").read_text())

    def failed_checks(self) -> dict[str, str]:
        return {check["name"]: check["detail"] for check in self.result["checks"] if not check["ok"]}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    made = Host(tmp_path)
    shutil.copytree(BENCH, tmp_path / "bundles/digest")
    digest = hashlib.sha256((BENCH / "requirements.txt").read_bytes()).hexdigest()
    python = tmp_path / f"environments/{digest[:16]}-{platform.machine()}/bin/python"
    python.parent.mkdir(parents=True)
    stand_in = STAND_IN.format(
        python=sys.executable, plan=str(tmp_path / "plan.json"), called=str(tmp_path / "called.json")
    )
    python.write_text(stand_in)
    python.chmod(0o755)
    return made


def test_a_bundle_of_benchbox_becomes_query_times_and_is_kept_byte_for_byte(host: Host) -> None:
    host.plan(SSB)
    done = host.run(job())
    assert (done.returncode, done.stderr) == (0, "")
    result = host.result
    assert result["status"] == "passed"
    assert result["benchmark"] == {"name": "benchbox", "version": "0.4.2"}
    assert all(check["ok"] for check in result["checks"])
    series = {metric["labels"].get("query"): metric for metric in result["metrics"]}
    recorded = json.loads(SSB.read_text())
    measured = [row for row in recorded["queries"] if row["run_type"] == "measurement"]
    assert series.keys() == {None, *(row["id"] for row in measured)}
    assert series["2.1"]["name"] == "query_time"
    assert series["2.1"]["unit"] == "s"
    assert series["2.1"]["labels"] == {"benchmark": "ssb", "query": "2.1"}
    assert series["2.1"]["samples"] == pytest.approx(
        [row["ms"] / 1000 for row in measured if row["id"] == "2.1"]
    )
    assert series[None]["name"] == "total_time"
    # Rounded sums of BenchBox's own against ours.
    assert sum(series[None]["samples"]) == pytest.approx(
        recorded["summary"]["timing"]["total_ms"] / 1000, abs=1e-3
    )
    assert result["facts"]["benchbox_version"] == "0.4.2"
    assert (result["facts"]["platform"], result["facts"]["scale"]) == ("duckdb", 0.01)
    assert result["facts"]["compliance_class"] is None
    kept = host.out / "bundle" / SSB.name
    assert kept.read_bytes() == SSB.read_bytes()
    assert result["facts"]["bundle_files"] == {
        f"bundle/{SSB.name}": hashlib.sha256(SSB.read_bytes()).hexdigest()
    }
    assert sorted(path.name for path in host.out.iterdir()) == [
        "benchbox.log",
        "bundle",
        "progress.ndjson",
        "result.json",
    ]


def test_the_adapter_reads_its_headline_from_the_result(host: Host) -> None:
    host.plan(SSB_SQLITE)
    assert host.run(job(platform="sqlite")).returncode == 0
    adapter = read_adapter(ROOT / "roles/benchbox/adapter.yml")
    _metrics, headline = summarise(read_result(host.out / "result.json"), adapter)
    (total,) = headline
    totals = next(m["samples"] for m in host.result["metrics"] if m["name"] == "total_time")
    assert total["value"] == sorted(totals)[1]


def test_tpch_below_scale_1_is_kept_as_an_unofficial_one(host: Host) -> None:
    host.plan(TPCH)
    assert host.run(job(benchmark="tpch")).returncode == 0
    assert host.result["facts"]["compliance_class"] == "unofficial_subscale"
    assert len(host.result["metrics"]) == 22 + 1


def test_benchbox_is_called_with_a_home_and_a_directory_of_its_own(host: Host) -> None:
    host.plan(SSB)
    cpu = min(os.sched_getaffinity(0))
    assert host.run({**job(), "cpus": [cpu]}).returncode == 0
    called = host.called
    expected = "-m benchbox.cli.main run --non-interactive --no-progress --platform duckdb --benchmark ssb --scale 0.01"
    assert " ".join(called["argv"]) == f"-Iu {expected} --iterations 3 --platform-option threads=1"
    work = str(host.out / "work")
    assert (called["cwd"], called["home"]) == (work, f"{work}/home")


def test_progress_counts_the_queries_of_the_warm_up_too(host: Host) -> None:
    host.plan(SSB)
    host.run(job())
    lines = [json.loads(line) for line in (host.out / "progress.ndjson").read_text().splitlines()]
    assert [(line["done"], line["total"]) for line in lines] == [
        (0, 52),
        (1, 52),
        (13, 52),
        (14, 52),
        (15, 52),
    ]
    assert lines[-1]["label"] == "Q1.2 failed"


def test_a_query_that_failed_fails_the_run_although_the_exit_code_is_0(host: Host) -> None:
    host.plan(FAILED_QUERY)
    done = host.run(job(iterations=2))
    assert done.returncode == 1
    assert host.result["status"] == "failed"
    failed = host.failed_checks()
    assert failed.keys() == {"queries_passed", "queries_complete", "validation"}
    assert "query 2.2 failed: Binder Error" in failed["queries_passed"]
    assert "lo_no_such_column" in done.stderr
    queries = [metric["labels"].get("query") for metric in host.result["metrics"]]
    assert len(queries) == 12
    assert "2.2" not in queries
    assert (host.out / "bundle" / FAILED_QUERY.name).exists()


def test_an_exit_code_of_0_without_a_bundle_is_a_failure_that_says_what_benchbox_said(host: Host) -> None:
    said = "Running nonsense\n❌ Unknown benchmark: nonsense\nAvailable benchmarks: tpch, ssb\n\n"
    host.plan(says=said)
    done = host.run(job())
    assert done.returncode == 1
    assert host.failed_checks() == {
        "result_bundle": "BenchBox ended with 0 and left no result bundles: "
        "Unknown benchmark: nonsense Available benchmarks: tpch, ssb"
    }
    assert "Unknown benchmark: nonsense" in done.stderr
    assert host.result["metrics"] == []


def test_the_reason_of_a_failed_benchbox_is_not_its_closing_line(host: Host) -> None:
    said = "❌ Benchmark execution failed: tables are empty\nafter load\n\n❌ Benchmark failed: FAILED\n"
    host.plan(says=said, rc=1)
    assert host.run(job()).returncode == 1
    failed = host.failed_checks()
    assert (
        failed["benchbox_ended_well"]
        == "exit code 1: Benchmark execution failed: tables are empty after load"
    )


def test_a_good_bundle_with_another_exit_code_is_no_success(host: Host) -> None:
    host.plan(SSB, rc=1)
    assert host.run(job()).returncode == 1
    assert host.failed_checks().keys() == {"benchbox_ended_well"}
    # What it measured is kept.
    assert len(host.result["metrics"]) == 14


def test_a_truncated_bundle_is_named_and_kept(host: Host) -> None:
    text = SSB.read_text()
    host.plan(exports={SSB.name: text[: len(text) // 2]})
    assert host.run(job()).returncode == 1
    assert "is not whole JSON" in host.failed_checks()["result_bundle"]
    assert (host.out / "bundle" / SSB.name).read_text() == text[: len(text) // 2]


def test_files_beside_the_bundle_are_kept_and_not_taken_for_it(host: Host) -> None:
    plans = f"{SSB.stem}.plans.json"
    host.plan(exports={SSB.name: SSB.read_text(), plans: "{}"})
    assert host.run(job()).returncode == 0
    assert (host.out / "bundle" / plans).exists()


def test_two_bundles_are_one_too_many(host: Host) -> None:
    host.plan(SSB, SSB_SQLITE)
    assert host.run(job()).returncode == 1
    assert "left 2 result bundles" in host.failed_checks()["result_bundle"]


@pytest.mark.parametrize(
    ("bundle", "said"),
    [
        (AMPLAB, "benchmark amplab instead of ssb"),
        (TPCH, "benchmark tpch instead of ssb"),
        (SSB_SQLITE, "platform sqlite instead of duckdb"),
        (FAILED_QUERY, "iterations 2 instead of 3"),
    ],
    ids=["amplab", "tpch", "sqlite", "two-iterations"],
)
def test_a_bundle_of_something_else_than_was_asked_is_refused(host: Host, bundle: Path, said: str) -> None:
    host.plan(bundle)
    assert host.run(job()).returncode == 1
    assert said in host.failed_checks()["is_what_was_asked"]


def _without_a_query(document: dict[str, Any]) -> None:
    document["queries"] = [row for row in document["queries"] if row["id"] != "3.2"]


def _one_less(document: dict[str, Any]) -> None:
    document["queries"].pop()


def _wrong_rows(document: dict[str, Any]) -> None:
    document["queries"][-1]["row_count_validation"] = {"status": "FAILED"}


def _counted_as_failed(document: dict[str, Any]) -> None:
    document["summary"]["queries"].update(passed=38, failed=1)


def _no_power_test(document: dict[str, Any]) -> None:
    document["phases"]["power_test"]["status"] = "NOT_RUN"


def _load_failed(document: dict[str, Any]) -> None:
    document["phases"]["data_loading"]["status"] = "FAILED"


def _not_validated(document: dict[str, Any]) -> None:
    document["summary"]["validation"] = "failed"


def _other_scale(document: dict[str, Any]) -> None:
    document["benchmark"]["scale_factor"] = 1


@pytest.mark.parametrize(
    ("change", "check", "said"),
    [
        (_without_a_query, "queries_complete", "no 3 times of 3.2"),
        (_one_less, "queries_complete", "no 3 times of"),
        (_wrong_rows, "queries_passed", "failed"),
        (_counted_as_failed, "queries_passed", "38 passed and 1 failed of 39"),
        (_no_power_test, "phases", "power_test NOT_RUN"),
        (_load_failed, "phases", "data_loading FAILED"),
        (_not_validated, "validation", "failed"),
        (_other_scale, "is_what_was_asked", "scale 1.0 instead of 0.01"),
    ],
)
def test_a_bundle_with_this_fault_fails_the_run(
    package: Any, tmp_path: Path, change: Any, check: str, said: str
) -> None:
    document = json.loads(SSB.read_text())
    change(document)
    details = {each.name: each.detail for each in judged(package, tmp_path, document) if not each.ok}
    assert said in details[check]


@pytest.mark.parametrize(
    "fault",
    [
        {"version": "3.0"},
        {"version": None},
        {"queries": {}},
        {"queries": [1]},
        {"queries": [{"id": "1.1", "iter": 1, "ms": "fast", "status": "SUCCESS"}]},
        {"queries": [{"id": "1.1", "iter": 1, "ms": -1, "status": "SUCCESS"}]},
        {"queries": [{"id": "1.1", "iter": None, "ms": 1, "status": "SUCCESS"}]},
        {"queries": [{"id": "1.1", "iter": 1, "ms": 1, "status": "SUCCESS"}] * 2},
        {"summary": []},
        {"run": {}},
    ],
    ids=lambda fault: json.dumps(fault)[:40],
)
def test_a_bundle_of_another_form_is_named(package: Any, tmp_path: Path, fault: dict[str, Any]) -> None:
    with pytest.raises(package("reading").BundleError):
        judged(package, tmp_path, {**json.loads(SSB.read_text()), **fault})


def test_a_bundle_with_a_number_that_is_none_is_named(package: Any, tmp_path: Path) -> None:
    document = json.loads(SSB.read_text())
    document["queries"][-1]["ms"] = float("nan")
    with pytest.raises(package("reading").BundleError, match="NaN"):
        judged(package, tmp_path, document)


def judged(package: Any, tmp_path: Path, document: dict[str, Any]) -> Any:
    path = tmp_path / "bundle.json"
    path.write_text(json.dumps(document))
    return package("reading").read(path, asked(package)).checks


def asked(package: Any) -> Any:
    return package("job").Job("ssb", "duckdb", 0.01, 3, 60.0, None)


@given(st.data())
def test_no_bundle_with_a_measured_row_missing_or_not_successful_ever_passes(
    package: Any, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    document = copy.deepcopy(RECORDED_SSB)
    rows = [n for n, row in enumerate(document["queries"]) if row["run_type"] == "measurement"]
    hit = data.draw(st.sets(st.sampled_from(rows), min_size=1))
    # Even if BenchBox's own counts say that all is well.
    if data.draw(st.booleans()):
        for number in hit:
            document["queries"][number]["status"] = data.draw(
                st.sampled_from(["FAILED", "SKIPPED", "TIMEOUT", "", None])
            )
    else:
        document["queries"] = [row for number, row in enumerate(document["queries"]) if number not in hit]
    checks = judged(package, tmp_path_factory.getbasetemp(), document)
    assert not all(check.ok for check in checks)


RECORDED_SSB = json.loads(SSB.read_text())


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"benchmark": "nonsense"}, "parameters.benchmark is 'nonsense', and must be one of ssb, tpch"),
        ({"scale": 0.013}, "parameters.scale is 0.013, and must be one of 0.01, 0.1, 1, 10"),
        ({"scale": True}, "parameters.scale is True"),
        ({"scale": [1]}, "parameters.scale is [1]"),
        ({"platform": "oracle"}, "parameters.platform is 'oracle', and must be one of duckdb, sqlite"),
        ({"iterations": 0}, "parameters.iterations must be a whole number from 1 to 1000"),
        ({"iterations": 1.5}, "parameters.iterations must be a whole number from 1 to 1000"),
    ],
)
def test_an_unknown_parameter_value_is_refused_before_anything_runs(
    host: Host, parameters: dict[str, Any], said: str
) -> None:
    done = host.run(job(**parameters))
    assert done.returncode == 2
    assert said in done.stderr
    assert list(host.out.iterdir()) == []


@pytest.mark.parametrize(
    "document",
    [
        "{",
        "[]",
        {**job(), "schema": "rackbench.job/2.0"},
        {**job(), "time_limit_s": 0},
        {**job(), "cpus": []},
    ],
)
def test_a_job_that_cannot_be_used_exits_with_2(host: Host, document: Any) -> None:
    assert host.run(document).returncode == 2


def test_a_missing_environment_exits_with_3_and_is_named(host: Host) -> None:
    shutil.rmtree(host.root / "environments")
    done = host.run(job())
    assert done.returncode == 3
    assert "the Python environment of BenchBox is not there" in done.stderr


def test_a_stop_leaves_a_partial_result_and_no_process(host: Host) -> None:
    host.plan(SSB, hang=True)
    with subprocess.Popen(host.command(job()), stderr=subprocess.PIPE, text=True) as process:
        wait_for(
            lambda: (host.out / "benchbox.log").exists() and SAYS in (host.out / "benchbox.log").read_text()
        )
        process.send_signal(signal.SIGTERM)
        _nothing, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert host.result["status"] == "partial"
    assert host.result["skipped"] == [{"name": "ssb", "reason": "it was stopped by SIGTERM"}]
    assert "stopped by SIGTERM" in said
    assert not (host.out / "work").exists()


@pytest.mark.full
def test_the_time_limit_of_the_job_ends_benchbox(host: Host) -> None:
    host.plan(SSB, hang=True)
    assert host.run({**job(), "time_limit_s": 2}).returncode == 1
    assert host.result["status"] == "partial"
    assert "time limit" in host.result["skipped"][0]["reason"]


def wait_for(condition: Any) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_the_adapter_names_what_the_program_knows(package: Any) -> None:
    adapter = read_adapter(ROOT / "roles/benchbox/adapter.yml")
    known = package("job")
    settings = {setting.name: setting for setting in adapter.settings}
    assert tuple(settings["platform"].choices or ()) == known.PLATFORMS
    assert tuple(settings["scale"].choices or ()) == known.SCALES
    assert {family.parameters["benchmark"] for family in adapter.families} == set(known.QUERIES)


def test_a_run_that_names_no_benchmarks_leaves_it_out() -> None:
    planned = plan(load_catalog([ROOT / "roles"]))
    assert "latency" in planned.benchmarks
    assert "benchbox" not in planned.benchmarks


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"scale": 0.013}, "lab_settings.benchbox.scale must be one of 0.01, 0.1, 1, 10, and is 0.013"),
        ({"platform": "oracle"}, "lab_settings.benchbox.platform must be one of duckdb, sqlite"),
        ({"iterations": "many"}, "lab_settings.benchbox.iterations must be a whole number"),
        (
            {"index_url": "https://lab:canary@mirror.example/simple"},
            "lab_settings.benchbox.index_url is an address",
        ),
        ({"index_url": "https://canary@mirror.example/simple"}, "a user name, a password"),
        ({"index_url": "https://mirror.example/simple?token=canary"}, "a query or a fragment in it"),
        ({"index_url": "https://mirror.example/simple#canary"}, "a query or a fragment in it"),
        ({"iterations": 0}, "lab_settings.benchbox.iterations must be one of 1, 2, 3, 5, "),
        ({"iterations": -1}, "lab_settings.benchbox.iterations must be one of 1, 2, 3, 5, "),
    ],
)
def test_a_setting_that_is_not_allowed_is_named(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(RackbenchError) as caught:
        configured(read_adapter(ROOT / "roles/benchbox/adapter.yml"), settings)
    assert caught.value.code == "unknown_setting"
    assert said in caught.value.message
    assert "canary" not in str(caught.value)


def test_settings_reach_all_families_but_smoke_stays_small() -> None:
    adapter = configured(read_adapter(ROOT / "roles/benchbox/adapter.yml"), {"scale": 1, "iterations": 5})
    found = {
        family.name: (family.parameters["scale"], family.parameters["iterations"])
        for family in adapter.families
    }
    assert found == {"ssb": (1, 5), "tpch": (1, 5), "smoke": (0.01, 1)}


def test_the_bundle_pins_every_package_with_a_digest_and_brings_the_lock_file(package: Any) -> None:
    assert package("environment").pinned_version() == "0.4.2"
    lock = (BENCH / "requirements.txt").read_text()
    assert "http" not in lock
    pins = [line for line in lock.splitlines() if line and not line.startswith((" ", "#"))]
    assert all("==" in line and line.endswith("\\") for line in pins)
    described = tomllib.loads((BENCH / "bundle.toml").read_text())
    assert "requirements.txt" in described["files"]["include"]


def test_the_program_is_python_3_9_and_imports_only_the_standard_library() -> None:
    for path in sorted(BENCH.rglob("*.py")):
        tree = ast.parse(path.read_text(), feature_version=(3, 9))
        assert not any(isinstance(node, ast.Match) for node in ast.walk(tree))
        imported = {
            name.partition(".")[0]
            for node in ast.walk(tree)
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        }
        assert imported <= sys.stdlib_module_names | {"benchbox_run"}
