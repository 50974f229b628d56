# SPDX-License-Identifier: Apache-2.0
"""What the gate says of results, through the command: statuses, exit codes and what is printed."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rackbench.baselines.compare import compare, confirmed
from rackbench.baselines.numbers import Baseline, Placeholder, Results, Scenario, Tolerance
from rackbench.baselines.rendering import bar, sparkline
from rackbench.baselines.verdicts import FAILING, STATUSES, judge
from rackbench.cli.main import main

from tests.integration import recorded

ROOT = Path(__file__).resolve().parents[3]
ACTIVE, SCAFFOLD = "active", "scaffold-placeholder"


def times(seed: int, median: float, size: int = 60, sigma: float = 0.03) -> list[float]:
    source = random.Random(seed)
    return [round(median * source.lognormvariate(0, sigma), 6) for _ in range(size)]


def entry(samples: list[float], **changes: Any) -> dict[str, Any]:
    """Return a scenario of a baseline file, in microseconds."""
    ordered = sorted(samples)

    def at(share: float) -> float:
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    numbers = {"p50_us": at(0.5), "p95_us": at(0.95), "p99_us": at(0.99)}
    return {**numbers, "ips": 1e6 * len(samples) / sum(samples), "samples_us": samples, **changes}


def write_baseline(folder: Path, scenarios: dict[str, Any], status: str = ACTIVE, **changes: Any) -> Path:
    document = {"_schema_version": "1.0.0", "_status": status, "tolerance": {}, "scenarios": scenarios}
    path = folder / "baseline.json"
    path.write_text(json.dumps({**document, **changes}))
    return path


def write_results(folder: Path, fingerprint: str | None = None, **scenarios: list[float]) -> Path:
    """Write results as `rackbench baseline collect` does; samples are in microseconds."""
    document = {
        "schema": "rackbench.baseline-results/1.0",
        "generated_at": "2026-11-21T08:00:00.000Z",
        "host": "box",
        "run_id": f"run-{folder.name}",
        "commit": None,
        "fingerprint": fingerprint,
        "scenarios": [
            {"name": name, "unit": "us", "direction": "lower", "samples": samples}
            for name, samples in scenarios.items()
        ],
    }
    path = folder / "results.json"
    path.write_text(json.dumps(document))
    return path


def gate(baseline: Path, results: Path, *options: str) -> list[str]:
    return ["baseline", "compare", "--baseline", str(baseline), "--results", str(results), *options]


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    """Return the exit status and the document of the gate, which obeys its schema."""
    status = main([*arguments, "--json"])
    document = json.loads(capsys.readouterr().out)
    kind = document["schema"].removeprefix("rackbench.").partition("/")[0]
    schema = json.loads((ROOT / f"docs/reference/schemas/{kind}.schema.json").read_text())
    jsonschema.validate(document, schema)
    return status, document


# What the results are, against a baseline of 60 samples around 100 us with 3 % noise: status and exit status.
CASES: dict[str, tuple[list[float], str, int]] = {
    "the same": (times(2, 100), "ok", 0),
    "a little slower": (times(2, 110), "ok", 0),
    "much slower": (times(2, 140), "REGRESSED", 1),
    "much faster": (times(2, 60), "IMPROVED", 0),
    "slower, perhaps": ([90, 190, 80, 180, 95, 185, 100, 200], "NOISY", 0),
    "much slower, with too few samples": (times(2, 140, 3), "REGRESSED", 1),
}


@pytest.mark.parametrize("case", CASES)
def test_an_active_gate_fails_on_what_is_slower_beyond_doubt(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    samples, status, exit_status = CASES[case]
    # Only the median matters here.
    baseline = write_baseline(
        tmp_path,
        {"x": entry(times(1, 100))},
        tolerance={"p50_max_ratio": 1.2, "p95_max_ratio": 99, "p99_max_ratio": 99, "ips_min_ratio": 0.01},
    )
    rc, document = answer(capsys, *gate(baseline, write_results(tmp_path, x=samples)))
    (row,) = document["rows"]
    assert (row["status"], rc) == (status, exit_status), row
    assert row["ratio_alone"] is ("too few" in case)


def test_before_it_is_armed_the_gate_says_what_would_be_and_exits_with_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    baseline = write_baseline(tmp_path, {"x": entry(times(1, 100))}, SCAFFOLD)
    assert main(gate(baseline, write_results(tmp_path, x=times(2, 200)))) == 0
    assert capsys.readouterr().out.endswith("scaffold (would fail: 1 REGRESSED)\n")
    assert main(gate(baseline, write_results(tmp_path, x=times(2, 100)))) == 0
    assert capsys.readouterr().out.endswith("scaffold (would pass)\n")


def test_drift_either_way_placeholders_and_missing_percentiles_fail_an_active_gate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenarios = {
        "gone": entry(times(1, 100)),
        "todo": {"p50_us": "TODO"},
        "part": entry(times(1, 100), p99_us="TODO"),
        "good": entry(times(1, 100)),
    }
    same = times(2, 100)
    results = write_results(tmp_path, todo=same, part=same, good=same, new=same)
    rc, document = answer(capsys, *gate(write_baseline(tmp_path, scenarios), results))
    assert rc == 1
    assert {row["name"]: row["status"] for row in document["rows"]} == {
        "gone": "MISSING IN RESULTS",
        "new": "MISSING IN BASELINE",
        "part": "PLACEHOLDER",
        "todo": "PLACEHOLDER",
        "good": "ok",
    }
    for name in ("gone", "new", "part", "todo"):
        only = {key: value for key, value in scenarios.items() if key in {name, "good"}}
        given = {key: same for key in (name, "good") if key != "gone"}
        rc, _ = answer(capsys, *gate(write_baseline(tmp_path, only), write_results(tmp_path, **given)))
        assert rc == 1, name


def test_results_of_another_machine_or_of_nobody_knows_which_are_incomparable(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generated = {"commit": None, "run_id": "R-1", "fingerprint": "x86_64, EPYC", "source": "rackbench-run"}
    baseline = write_baseline(tmp_path, {"x": entry(times(1, 100))}, _generated_by=generated)
    for fingerprint, rc, status in (
        ("x86_64, EPYC", 0, "ok"),
        ("other", 1, "INCOMPARABLE"),
        (None, 1, "INCOMPARABLE"),
    ):
        results = write_results(tmp_path, fingerprint, x=times(2, 100))
        found, document = answer(capsys, *gate(baseline, results))
        assert (found, document["rows"][0]["status"]) == (rc, status)
        found, document = answer(capsys, *gate(baseline, results, "--allow-fingerprint"))
        assert (found, document["rows"][0]["status"]) == (0, "ok")
        assert ("The baseline is of" in " ".join(document["remarks"])) is (status != "ok")


def test_another_unit_is_incomparable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entries = {"x": {"unit": "bytes", "p50": 5, "p95": 5, "p99": 5}}
    rc, document = answer(
        capsys, *gate(write_baseline(tmp_path, entries), write_results(tmp_path, x=[5.0] * 9))
    )
    assert (rc, document["rows"][0]["status"]) == (1, "INCOMPARABLE")


def test_a_scenarios_own_tolerance_counts_for_it_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = {"p50_max_ratio": 2, "p95_max_ratio": 2, "p99_max_ratio": 2, "ips_min_ratio": 0.5}
    scenarios = {name: entry(times(1, 100)) for name in ("wide", "strict")}
    baseline = write_baseline(tmp_path, scenarios, tolerance={"scenarios": {"wide": own}})
    results = write_results(tmp_path, wide=times(2, 150), strict=times(2, 150))
    _, document = answer(capsys, *gate(baseline, results))
    assert {row["name"]: row["status"] for row in document["rows"]} == {"strict": "REGRESSED", "wide": "ok"}


def test_no_scenario_at_all_is_no_pass(tmp_path: Path) -> None:
    nothing = Baseline(tmp_path, "1.0.0", ACTIVE, Tolerance(), {}, {})
    assert compare(nothing, Results({}, "made up", tmp_path)).fails


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("", "baseline_invalid"),
        ('{"_schema_version": "1.0.0", "_status": "armed", "scenarios": {}}', "baseline_invalid"),
        ('{"_schema_version": "1.0.0", "_status": "active", "scen', "baseline_invalid"),
    ],
)
def test_a_baseline_that_is_empty_cut_off_or_of_an_unknown_status_is_exit_2(
    content: str, code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(content)
    assert main(gate(path, write_results(tmp_path, x=[1.0]))) == 2
    assert code in capsys.readouterr().err
    assert path.read_text() == content


def test_results_that_are_not_there_or_of_no_known_shape_are_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    baseline = write_baseline(tmp_path, {"x": entry([1.0])})
    assert main(gate(baseline, tmp_path / "no-such")) == 2
    (tmp_path / "odd.json").write_text("[]")
    assert main(gate(baseline, tmp_path / "odd.json")) == 2
    assert main(gate(baseline, write_results(tmp_path, x=[1.0]), "--seed", "-1")) == 2
    assert "expected is" in capsys.readouterr().err


def test_regressions_of_results_that_name_no_run_here_stand_unconfirmed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    baseline = write_baseline(tmp_path, {"x": entry(times(1, 100))})
    results = write_results(tmp_path, x=times(2, 200))
    foreign = tmp_path / "hyperfine.json"
    seconds = [time / 1e6 for time in times(2, 200)]
    foreign.write_text(json.dumps({"results": [{"command": "x", "mean": 1, "median": 1, "times": seconds}]}))
    for path in (results, foreign):
        status, document = answer(capsys, *gate(baseline, path, "--confirm"))
        assert (status, document["headline"]) == (1, "failed: 1 REGRESSED")
        assert "could not be confirmed, so it stands" in " ".join(document["remarks"])


def test_a_named_pipe_is_refused_and_not_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    baseline, results = write_baseline(tmp_path, {"x": entry([1.0])}), write_results(tmp_path, x=[1.0])
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for arguments, code in (
        (gate(pipe, results), "baseline_invalid"),
        (gate(baseline, pipe), "results_unreadable"),
    ):
        assert main([*arguments, "--json"]) == 2
        error = json.loads(capsys.readouterr().out)["error"]
        assert error["code"] == code
        assert "no regular file" in error["message"]


def test_what_a_shell_hands_over_as_a_file_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    baseline, results = write_baseline(tmp_path, {"x": entry([1.0])}), write_results(tmp_path, x=[1.0])
    handles = []
    for path in (baseline, results):
        out, into = os.pipe()
        os.write(into, path.read_bytes())
        os.close(into)
        handles.append(out)
    try:
        status = main(gate(*(Path(f"/dev/fd/{handle}") for handle in handles)))
    finally:
        for handle in handles:
            os.close(handle)
    assert status == 0, capsys.readouterr()


def test_a_baseline_without_samples_says_how_to_get_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers = {**entry(times(1, 100)), "samples_us": []}
    results = write_results(tmp_path, x=times(2, 200))
    _, document = answer(capsys, *gate(write_baseline(tmp_path, {"x": numbers}), results))
    assert 'add "samples_us": []' in " ".join(document["remarks"])
    few = write_results(tmp_path, x=times(2, 200)[:3])
    _, document = answer(capsys, *gate(write_baseline(tmp_path, {"x": entry(times(1, 100))}), few))
    assert "the ratio alone decides" in " ".join(document["remarks"])
    assert "samples_us" not in " ".join(document["remarks"])


def test_markdown_is_safe_and_has_the_verdict_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    baseline = write_baseline(tmp_path, {"a|b <b>@all": entry(times(1, 100))})
    results = write_results(tmp_path, **{"a|b <b>@all": times(2, 200)})
    assert main(gate(baseline, results, "--markdown")) == 1
    text = capsys.readouterr().out
    assert text.startswith("# Performance gate: failed: 1 REGRESSED\n")
    assert "<b>" not in text
    rows = [line for line in text.splitlines() if line.startswith("| a")]
    assert rows
    assert all(row.replace("\\|", "").count("|") == 11 for row in rows)


def test_text_has_no_colour_without_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    baseline = write_baseline(tmp_path, {"x": entry(times(1, 100))})
    assert main(gate(baseline, write_results(tmp_path, x=times(2, 200)))) == 1
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert "·····│█████>" in text


def test_the_same_seed_gives_the_same_document_and_another_one_other_intervals(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = gate(
        write_baseline(tmp_path, {"x": entry(times(1, 100))}), write_results(tmp_path, x=times(2, 103))
    )
    _, first = answer(capsys, *arguments)
    _, again = answer(capsys, *arguments)
    _, other = answer(capsys, *arguments, "--seed", "99")
    assert first == again
    assert first["rows"][0]["checks"][0]["interval"] != other["rows"][0]["checks"][0]["interval"]


def test_the_verbs_that_do_not_decide_do_not_load_numpy() -> None:
    code = (
        "import sys; from rackbench.cli.main import build_parser; build_parser(['baseline']);"
        "sys.exit('numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT / "python").returncode == 0


def one(p50: float, **changes: Any) -> Scenario:
    numbers = {"p50": p50, "p95": p50, "p99": p50, "ips": 1e6 / p50, **changes}
    return Scenario("x", "us", direction="lower", **numbers)


def size(value: float) -> Scenario:
    return Scenario("a", "MB", value, value, value, None, "lower")


def rated(value: float) -> Scenario:
    return Scenario("a", "GB/s", None, None, None, value, "higher")


def held(before: Scenario | Placeholder | None, after: Scenario | None, status: str = ACTIVE) -> Any:
    baseline = Baseline(Path("b"), "1.0.0", status, Tolerance(), {}, {"x": before} if before else {})
    return compare(baseline, Results({"x": after} if after else {}, "made up", Path("r")))


def test_a_ratio_at_its_limit_is_within_and_one_above_is_not() -> None:
    assert held(one(0.3), one(0.36)).rows[0].status == "ok"
    assert held(one(100), one(120.1)).rows[0].status == "REGRESSED"


def test_a_regression_counts_more_than_a_missing_percentile_beside_it() -> None:
    row = held(one(100), one(200, p99=None)).rows[0]
    assert row.status == "REGRESSED"
    assert "The results have no p99." in row.why


@pytest.mark.parametrize(
    ("before", "after", "interval", "status"),
    [
        (size(100.0), size(200.0), (0.5, 0.9), "NOISY"),
        (size(100.0), size(200.0), (1.1, 3.0), "REGRESSED"),
        (size(200.0), size(100.0), (1.1, 3.0), "NOISY"),
        (size(200.0), size(100.0), (0.3, 0.9), "IMPROVED"),
        (rated(100.0), rated(50.0), (1.1, 3.0), "NOISY"),
        (rated(100.0), rated(50.0), (0.3, 0.9), "REGRESSED"),
        (rated(100.0), rated(200.0), (0.3, 0.9), "NOISY"),
    ],
)
def test_an_interval_wholly_on_the_other_side_proves_nothing(
    before: Scenario, after: Scenario, interval: tuple[float, float], status: str
) -> None:
    row = judge("a", before, after, Tolerance(), lambda *_: interval)
    assert row.status == status


FAR = [[1e-300] * 8, [1.7e308] * 8, [1e-300, 1e300] * 4, [1e-200, 1.0] * 25]


@pytest.mark.parametrize("executions", [False, True])
def test_numbers_too_far_apart_for_floats_have_a_verdict_in_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], executions: bool
) -> None:
    for before, after in product(FAR, FAR):
        shape = {"executions": [len(before) // 2] * 2} if executions else {}
        entries = {
            "x": {
                "p50_us": before[0],
                "p95_us": before[-1],
                "p99_us": before[-1],
                "ips": 1,
                "samples_us": before,
            }
            | shape
        }
        results = write_results(tmp_path, x=after)
        status, document = answer(capsys, *gate(write_baseline(tmp_path, entries), results))
        assert status in {0, 1}
        assert len(document["rows"]) == 1


def test_for_rates_less_is_worse() -> None:
    def rate(value: float) -> Scenario:
        return Scenario("x", "turns/s", None, None, None, value, "higher")

    assert held(rate(100), rate(70)).rows[0].status == "REGRESSED"
    assert held(rate(100), rate(95)).rows[0].status == "ok"
    assert held(rate(100), rate(150)).rows[0].status == "IMPROVED"


def test_a_suspect_that_is_good_when_run_again_is_noisy_and_one_that_is_slow_again_or_gone_stays() -> None:
    first = held(one(100), one(150))
    good, slow, gone = (confirmed(first, held(one(100), after)) for after in (one(101), one(140), None))
    half = confirmed(first, held(one(100), one(101, p99=None)))
    assert (half.rows[0].status, half.fails) == ("REGRESSED", True)
    assert "The results have no p99." in half.rows[0].why
    assert (good.rows[0].status, good.fails) == ("NOISY", False)
    assert good.rows[0].again.status == "ok"
    assert (slow.rows[0].status, slow.fails) == ("REGRESSED", True)
    assert "Run again" in slow.rows[0].why
    assert (gone.rows[0].status, gone.fails, gone.rows[0].again) == ("REGRESSED", True, None)


numbers = st.none() | st.floats(1e-3, 1e6)
scenarios = st.builds(
    lambda p50, p95, p99, ips: Scenario("x", "us", p50, p95, p99, ips, "lower"),
    numbers,
    numbers,
    numbers,
    numbers,
)


@given(st.none() | scenarios | st.just(Placeholder("x")), st.none() | scenarios)
def test_every_pair_has_a_status_and_only_whole_and_good_ones_pass(before: Any, after: Any) -> None:
    found = held(before, after)
    if before is None and after is None:
        assert found.fails
        return
    (row,) = found.rows
    assert row.status in STATUSES
    assert found.fails is (row.status in FAILING)
    assert bool(row.why) is (row.status != "ok")
    if before is None or after is None or isinstance(before, Placeholder) or before.missing or after.missing:
        assert row.status in FAILING
    assert not held(before, after, SCAFFOLD).fails


@given(st.tuples(*[st.floats(1e-3, 1e6)] * 4))
def test_what_is_held_against_itself_is_ok(numbers: tuple[float, float, float, float]) -> None:
    each = Scenario("x", "us", *numbers, "lower")
    assert held(each, each).rows[0].status == "ok"


def test_bars_and_sparklines() -> None:
    def drawn(after: float) -> str:
        return bar(held(one(100), one(after)).rows[0].checks[0])

    assert [drawn(after) for after in (100, 110, 120, 200, 80)] == [
        "·····│·····",
        "·····│███··",
        "·····│█████",
        "·····│█████>",
        "█████│·····",
    ]
    assert sparkline([1, 2, 3]) == "▁▅█"
    assert sparkline([5.0] * 4) == "▁▁▁▁"
    assert len(sparkline(list(range(1_000)))) <= 60
    assert sparkline([1]) == "▁"


def test_history_over_files_finds_the_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = []
    for point in range(24):
        folder = tmp_path / f"{point:02}"
        folder.mkdir()
        slow = 1.3 if point >= 12 else 1.0
        paths.append(str(write_results(folder, x=times(point, 100 * slow, 20), calm=times(point, 50, 20))))
    rc, document = answer(capsys, "baseline", "history", *paths)
    assert rc == 0
    calm, stepped = document["series"]
    assert (calm["name"], calm["steps"]) == ("calm", [])
    (step,) = stepped["steps"]
    assert (step["at"], step["meaning"]) == (12, "worse")
    assert step["ratio"] == pytest.approx(1.3, rel=0.03)
    assert main(["baseline", "history", *paths]) == 0
    text = capsys.readouterr().out
    assert "worse from run-12 on (result 13)" in text
    assert text.endswith("1 of 2 series have a step.\n")


def test_history_of_nothing_is_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["baseline", "history", "--runs-dir", str(tmp_path)]) == 2
    assert main(["baseline", "history", "--runs-dir", str(tmp_path / "no-such")]) == 2
    assert main(["baseline", "history", str(tmp_path / "no-such.json")]) == 2
    assert main(["baseline", "history", "x.json", "--runs-dir", str(tmp_path)]) == 2


def test_history_of_runs_takes_what_counts_in_order_and_names_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for point in range(14):
        samples = [90.0, 92.0, 91.0] if point < 7 else [190.0, 192.0, 191.0]
        result = recorded.result("latency", [recorded.metric("delay", samples, "ns", "lower")])
        stamp = f"202611{21 - point % 2}T0800{point:02}Z"
        day = tmp_path / f"2026-11-{21 - point % 2}"
        verdicts = {"latency.full.1": "void"} if point == 13 else None
        recorded.run(day, {"latency.full.1": result}, stamp=stamp, verdicts=verdicts)
    rc, document = answer(capsys, "baseline", "history", "--runs-dir", str(tmp_path))
    assert rc == 0
    (series,) = document["series"]
    assert series["name"].startswith("latency:full delay")
    # Those of the 20th come first, whatever their directories' names sort like.
    assert series["values"] == pytest.approx([0.091] * 3 + [0.191] * 3 + [0.091] * 4 + [0.191] * 3)
    (remark,) = document["remarks"]
    assert remark.startswith("Not taken: ")
    assert "void" in remark
