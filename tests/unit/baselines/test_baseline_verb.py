# SPDX-License-Identifier: Apache-2.0
"""``rackbench baseline``: update, show and arm, as they are called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rackbench.cli.main import main

from tests.integration import recorded

if TYPE_CHECKING:
    from typing import Any

DATA = Path(__file__).resolve().parents[2] / "data/baselines"
SCAFFOLD = """\
{
  "_schema_version": "1.0.0",
  "_status": "scaffold-placeholder",
  "tolerance": {"p50_max_ratio": 1.2},
  "scenarios": {"true": {"p50_us": "TODO", "p95_us": "TODO", "p99_us": "TODO", "ips": "TODO"}}
}
"""
HYPERFINE = DATA / "hyperfine.json"


@pytest.fixture
def baseline(tmp_path: Path) -> Path:
    """A scaffold."""
    path = tmp_path / "b.json"
    path.write_text(SCAFFOLD)
    return path


def call(
    capsys: pytest.CaptureFixture[str], action: str, baseline: Path, *more: str | Path
) -> tuple[int, Any, str]:
    """Return exit status, JSON answer and standard error of an action."""
    status = main(["baseline", action, "--baseline", str(baseline), *map(str, more), "--json"])
    captured = capsys.readouterr()
    return status, json.loads(captured.out), captured.err


def test_update_then_arm_makes_the_gate_count_and_says_who_and_why(
    baseline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, answer, _ = call(
        capsys, "update", baseline, "--results", HYPERFINE, "--commit", "abc", "--run-id", "7"
    )
    assert (status, answer["changed"], answer["status"]) == (0, True, "scaffold-placeholder")
    assert [(one["name"], one["change"]) for one in answer["scenarios"]] == [
        ("true", "moved"),
        ("sleep 0.002", "added"),
    ]
    assert answer["generated_by"] == {
        "commit": "abc",
        "run_id": "7",
        "fingerprint": None,
        "source": "hyperfine",
    }
    scaffold = baseline.read_text()
    status, answer, _ = call(capsys, "arm", baseline, "--by", "Ada", "--reason", "steady for a week")
    assert status == 0
    assert baseline.read_text() == scaffold.replace('"scaffold-placeholder"', '"active"')
    (line,) = (baseline.parent / "baseline.audit.jsonl").read_text().splitlines()
    assert json.loads(line) == answer["entry"]
    assert (answer["entry"]["by"], answer["entry"]["reason"]) == ("Ada", "steady for a week")
    status, answer, _ = call(capsys, "show", baseline)
    assert (status, answer["status"]) == (0, "active")
    assert [one["state"] for one in answer["scenarios"]] == ["complete", "complete"]
    assert [entry["by"] for entry in answer["audit"]] == ["Ada"]
    # Numbers of an armed baseline still move, and its status stays.
    status, answer, _ = call(capsys, "update", baseline, "--results", DATA / "benchee_map.json")
    assert (status, answer["status"]) == (0, "active")
    assert {one["change"] for one in answer["scenarios"]} == {"vanished", "added"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SCAFFOLD, "true is a placeholder"),
        (SCAFFOLD.replace('"TODO"', "5", 2), "true has no p99, ips"),
        (SCAFFOLD.replace('"TODO"', "null"), "true is a placeholder"),
        (SCAFFOLD.replace('"TODO"', "5").replace("scaffold-placeholder", "active"), "active already"),
        (SCAFFOLD[: SCAFFOLD.index('{"true"')] + "{}}", "no scenario"),
    ],
)
def test_what_is_not_whole_is_not_armed(
    baseline: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    baseline.write_text(text)
    status, answer, _ = call(capsys, "arm", baseline, "--by", "Ada", "--reason", "why not")
    assert (status, answer["error"]["code"]) == (1, "baseline_not_ready")
    assert said in answer["error"]["message"]
    assert ("Nothing is left to do" in answer["error"]["next_step"]) is ("already" in said)
    assert baseline.read_text() == text
    assert [path.name for path in baseline.parent.iterdir()] == ["b.json"]


@pytest.mark.parametrize(
    "given",
    [(), ("--by", "Ada"), ("--reason", "x"), ("--by", " ", "--reason", "x"), ("--by", "Ada", "--reason", "")],
)
def test_nobody_arms_a_gate_without_a_name_and_a_reason(
    baseline: Path, capsys: pytest.CaptureFixture[str], given: tuple[str, ...]
) -> None:
    baseline.write_text(SCAFFOLD.replace('"TODO"', "5"))
    status, answer, _ = call(capsys, "arm", baseline, *given)
    assert (status, answer["error"]["code"]) == (2, "wrong_usage")
    assert "scaffold-placeholder" in baseline.read_text()


def test_a_line_of_the_trail_that_broke_off_is_left_alone(
    baseline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    baseline.write_text(SCAFFOLD.replace('"TODO"', "5"))
    trail = baseline.parent / "baseline.audit.jsonl"
    trail.write_text('{"schema": "rackb')
    assert call(capsys, "arm", baseline, "--by", "Ada", "--reason", "x")[0] == 0
    broken, line = trail.read_text().splitlines()
    assert broken == '{"schema": "rackb'
    assert json.loads(line)["by"] == "Ada"
    status, answer, _ = call(capsys, "show", baseline)
    assert (status, answer["error"]["code"]) == (2, "baseline_invalid")
    assert "line 1" in answer["error"]["message"]


def test_a_reason_with_other_line_ends_is_one_line_of_the_trail(
    baseline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    baseline.write_text(SCAFFOLD.replace('"TODO"', "5"))
    reason = "a\u2028b\u2029c\u0085d\x0be\rf\ng"
    assert call(capsys, "arm", baseline, "--by", "Ada", "--reason", reason)[0] == 0
    assert [entry["reason"] for entry in call(capsys, "show", baseline)[1]["audit"]] == [reason]


@pytest.mark.parametrize("option", ["--by", "--reason"])
def test_a_name_or_reason_that_is_no_utf_8_is_wrong_usage(
    baseline: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    baseline.write_text(SCAFFOLD.replace('"TODO"', "5"))
    given = {"--by": "Ada", "--reason": "x", option: "\udcff"}
    status, answer, _ = call(capsys, "arm", baseline, *(part for each in given.items() for part in each))
    assert (status, answer["error"]["code"]) == (2, "wrong_usage")
    assert "scaffold-placeholder" in baseline.read_text()


@pytest.mark.parametrize("option", ["--commit", "--run-id", "--fingerprint"])
def test_an_origin_that_is_no_utf_8_is_wrong_usage(
    baseline: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    status, answer, _ = call(capsys, "update", baseline, "--results", HYPERFINE, option, "\udcff")
    assert (status, answer["error"]["code"]) == (2, "wrong_usage")
    assert baseline.read_text() == SCAFFOLD


def test_a_baseline_that_links_to_itself_is_told(baseline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    baseline.unlink()
    baseline.symlink_to(baseline)
    for action, more in (("update", ("--results", HYPERFINE)), ("arm", ("--by", "Ada", "--reason", "x"))):
        status, answer, _ = call(capsys, action, baseline, *more)
        assert (status, answer["error"]["code"]) == (2, "baseline_invalid")


def test_the_trail_tells_baselines_beside_each_other_apart(
    baseline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = baseline.with_name("c.json")
    for path, name in ((baseline, "Ada"), (other, "Ben")):
        path.write_text(SCAFFOLD.replace('"TODO"', "5"))
        assert call(capsys, "arm", path, "--by", name, "--reason", "x")[0] == 0
    assert [entry["by"] for entry in call(capsys, "show", other)[1]["audit"]] == ["Ben"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "baseline_invalid"),
        ('{"_status": "armed"}', "baseline_invalid"),
        (SCAFFOLD[:-5], "baseline_invalid"),
    ],
)
def test_a_baseline_that_cannot_be_used_is_told_and_left_as_it_is(
    baseline: Path, capsys: pytest.CaptureFixture[str], text: str, code: str
) -> None:
    baseline.write_text(text)
    for action, more in (
        ("update", ("--results", HYPERFINE)),
        ("show", ()),
        ("arm", ("--by", "Ada", "--reason", "x")),
    ):
        status, answer, _ = call(capsys, action, baseline, *more)
        assert (status, answer["error"]["code"]) == (2, code)
        assert baseline.read_text() == text


def hyperfine(**changes: object) -> str:
    """Return a hyperfine file without samples."""
    return json.dumps({"results": [{"command": "true", "mean": 1.0, "median": 1.0, **changes}]})


BEYOND = {
    "a median that is infinite in microseconds": hyperfine(median=1e305),
    "a mean so short that the rate is infinite": hyperfine(mean=1e-310),
    "samples that are infinite in microseconds": hyperfine(times=[1e305, 1e305]),
    "a percentile that is 0 in microseconds": '{"statistics": {"true": {"percentiles": {"50": 5e-324}}}}',
    "a name that is half of a surrogate pair": hyperfine(command="\ud800"),
}


@pytest.mark.parametrize("text", BEYOND.values(), ids=BEYOND.keys())
def test_numbers_and_names_that_a_baseline_cannot_hold_are_told_of_the_results(
    baseline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    results = tmp_path / "results.json"
    results.write_text(text)
    status, answer, _ = call(capsys, "update", baseline, "--results", results)
    assert (status, answer["error"]["code"]) == (2, "results_unreadable")
    assert str(results) in answer["error"]["message"]
    assert baseline.read_text() == SCAFFOLD


def test_times_whose_sum_is_infinite_have_a_mean(
    baseline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results.json"
    results.write_text(hyperfine(times=[1.7e302, 1.7e302]))
    status, answer, _ = call(capsys, "update", baseline, "--results", results)
    assert (status, answer["scenarios"][0]["after"]["p50"]) == (0, 1.7e308)


def test_the_machine_of_results_that_do_not_tell_it_can_be_said(
    baseline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compare = ["baseline", "compare", "--baseline", str(baseline), "--results", str(HYPERFINE), "--json"]
    call(capsys, "update", baseline, "--results", HYPERFINE)
    main(compare)
    remarks = " ".join(json.loads(capsys.readouterr().out)["remarks"])
    assert "does not say on which machine it was measured" in remarks
    _, answer, _ = call(capsys, "update", baseline, "--results", HYPERFINE, "--fingerprint", "x86_64, A CPU")
    assert answer["generated_by"]["fingerprint"] == "x86_64, A CPU"
    main(compare)
    found = json.loads(capsys.readouterr().out)
    assert "does not say on which machine" not in " ".join(found["remarks"])
    assert {row["status"] for row in found["rows"]} == {"INCOMPARABLE"}


def test_a_status_that_somebody_wrote_by_hand_is_told_by_compare_and_show(
    baseline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call(capsys, "update", baseline, "--results", HYPERFINE)
    compare = ["baseline", "compare", "--baseline", str(baseline), "--results", str(HYPERFINE), "--json"]

    def said() -> tuple[bool, bool]:
        main(compare)
        remarks = " ".join(json.loads(capsys.readouterr().out)["remarks"])
        return "without a line in" in remarks, "without a line in" in call(capsys, "show", baseline)[2]

    scaffold = baseline.read_text()
    assert said() == (False, False)
    baseline.write_text(scaffold.replace("scaffold-placeholder", "active"))
    assert said() == (True, True)
    baseline.write_text(scaffold)
    call(capsys, "arm", baseline, "--by", "Ada", "--reason", "x")
    assert said() == (False, False)
    # A trail that cannot be read is no line, and the gate still gives its verdict.
    (baseline.parent / "baseline.audit.jsonl").write_text("{")
    main(compare)
    assert "line 1" in " ".join(json.loads(capsys.readouterr().out)["remarks"])


def test_results_of_a_void_run_do_not_reach_the_baseline(
    baseline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = recorded.result("latency", [recorded.metric("delay", [2.0])])
    run_dir = recorded.run(tmp_path, {"latency.full.1": result}, verdicts={"latency.full.1": "void"})
    status, answer, _ = call(capsys, "update", baseline, "--results", run_dir)
    assert (status, answer["error"]["code"]) == (2, "results_refused")
    assert baseline.read_text() == SCAFFOLD


def test_people_read_what_moved_and_what_is_missing(
    baseline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(["baseline", "update", "--baseline", str(baseline), "--results", str(DATA / "benchee_map.json")])
        == 0
    )
    captured = capsys.readouterr()
    assert "policy deny" in captured.out
    assert "policy deny: the results have no p95." in captured.err
    assert "Kept and marked, for the results do not have them: true." in captured.err
    assert main(["baseline", "show", "--baseline", str(baseline)]) == 0
    shown = capsys.readouterr().out
    assert "no p95" in shown
    assert "updated" in shown
    assert "measured" not in shown
    assert "placeholder, not in the last results" in shown


@pytest.mark.parametrize("host", [(), ("--host", "a,b")])
def test_collect_wants_one_host(capsys: pytest.CaptureFixture[str], host: tuple[str, ...]) -> None:
    assert main(["baseline", "collect", *host, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "wrong_usage"
