# SPDX-License-Identifier: Apache-2.0
"""What `update` does to a baseline file: numbers move, and every other byte stays."""

from __future__ import annotations

import json
import os
import re
import threading
from dataclasses import replace
from datetime import UTC, datetime
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rackbench.baselines import document, update
from rackbench.baselines.numbers import Results, Scenario
from rackbench.errors import RackbenchError

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = jsonschema.Draft202012Validator(
    json.loads((ROOT / "docs/reference/schemas/baseline.schema.json").read_text())
)
NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
LATER = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
# Strings, or what stands between white space and punctuation: numbers and words; all else is one character.
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s\[\]{}:,"]+|.', re.DOTALL)
SCAFFOLD = """\
{
  "_comment": "Zwölf \\u00e4hnliche, \\"quoted\\" {braces}",
  "_schema_version": "0.3.0-scaffold",
  "_generated_at": "TODO",
  "_generated_by": "TODO",
  "_status": "scaffold-placeholder",
  "scenarios": {
    "b second": {
      "_comment_d3":   "kept",
      "p50_us": "TODO", "p95_us": "TODO",
      "p99_us": "TODO",
      "ips": "TODO"
    },
    "a first": { "p99_us": 3.50, "p50_us": 1.250, "p95_us": 2, "ips": 8e5, "_comment_end": "odd order"}
  },
  "tolerance": { "p50_max_ratio": 1.20, "p95_max_ratio": 1.30, "_comment": "as agreed" }
}
"""


def times(name: str, p50: float, *samples: float, p95: float | None = 2000.0) -> Scenario:
    """Return a scenario with times in microseconds."""
    return Scenario(name, "us", p50, p95, 3000.0, 1e6 / p50, "lower", samples)


def rate(name: str, value: float, unit: str = "GB/s") -> Scenario:
    """Return a scenario where higher is better."""
    return Scenario(name, unit, None, None, None, value, "higher", (value,))


def results(
    *scenarios: Scenario, fingerprint: str | None = "x86_64, A CPU", run_id: str | None = "r1"
) -> Results:
    """Return results with these scenarios."""
    named = {one.name: one for one in scenarios}
    return Results(named, "benchee-map", Path("results.json"), fingerprint, run_id, "c0ffee")


def updated(text: str, new: Results, now: datetime = NOW) -> tuple[str, dict[str, str]]:
    """Return the text after an update, and what happened to each scenario."""
    before = document.parse_document(text.encode(), Path("baseline.json"))
    after, changes = update.updated_text(before, new, now)
    SCHEMA.validate(json.loads(after))
    document.parse_document(after.encode(), Path("baseline.json"))
    return after, {change.name: change.kind for change in changes}


def ordered(text: str) -> Any:
    """Return a text's objects as lists of pairs, which have an order."""
    return json.loads(text, object_pairs_hook=list)


BOTH = results(times("a first", 1000), times("b second", 12.3456789))


def test_an_update_moves_numbers_and_provenance_and_no_other_byte() -> None:
    after, changes = updated(SCAFFOLD, BOTH)
    expected = SCAFFOLD.replace('"_generated_at": "TODO"', '"_generated_at": "2026-11-21T08:00:00.000Z"')
    made = '{"commit": "c0ffee", "run_id": "r1", "fingerprint": "x86_64, A CPU", "source": "benchee-map"}'
    expected = expected.replace('"_generated_by": "TODO"', f'"_generated_by": {made}')
    expected = expected.replace('"p50_us": "TODO", "p95_us": "TODO"', '"p50_us": 12.3457, "p95_us": 2000')
    expected = expected.replace('"p99_us": "TODO"', '"p99_us": 3000').replace('"ips": "TODO"', '"ips": 81000')
    expected = expected.replace('"p99_us": 3.50, "p50_us": 1.250', '"p99_us": 3000, "p50_us": 1000')
    expected = expected.replace('"p95_us": 2, "ips": 8e5', '"p95_us": 2000, "ips": 1000')
    # One number is shown as it is kept: with six digits.
    assert after.replace("81000.0", "81000") == expected.replace(
        '"ips": 81000', f'"ips": {1e6 / 12.3456789:.6g}'
    )
    assert changes == {"a first": "moved", "b second": "moved"}


def test_the_same_results_again_leave_the_text_as_it_is() -> None:
    once, _ = updated(SCAFFOLD, BOTH)
    again, changes = updated(once, BOTH, LATER)
    assert again == once
    assert set(changes.values()) == {"unchanged"}


def test_the_same_numbers_of_another_machine_are_told() -> None:
    once, _ = updated(SCAFFOLD, BOTH)
    other = results(*BOTH.scenarios.values(), fingerprint="aarch64, B CPU")
    again, _ = updated(once, other, LATER)
    assert json.loads(again)["_generated_by"]["fingerprint"] == "aarch64, B CPU"
    assert json.loads(again)["_generated_at"].startswith("2026-11-22")


def test_a_number_that_is_no_longer_known_does_not_stay_beside_new_ones() -> None:
    once, _ = updated(SCAFFOLD, BOTH)
    again, _ = updated(once, results(times("a first", 1000, p95=None), times("b second", 12)))
    assert json.loads(again)["scenarios"]["a first"]["p95_us"] is None
    # A placeholder that stays one is not touched.
    fresh, _ = updated(SCAFFOLD, results(times("a first", 1), times("b second", 12, p95=None)))
    assert json.loads(fresh)["scenarios"]["b second"]["p95_us"] == "TODO"


def test_a_scenario_that_vanished_is_kept_and_marked_and_the_mark_goes_when_it_is_back() -> None:
    once, _ = updated(SCAFFOLD, BOTH)
    without, changes = updated(once, results(times("b second", 12)), LATER)
    assert changes["a first"] == "vanished"
    entry = json.loads(without)["scenarios"]["a first"]
    assert entry["_missing_since"] == "2026-11-22T08:00:00.000Z, run r1"
    assert entry["p50_us"] == 1000
    still, changes = updated(without, results(times("b second", 12)), datetime(2026, 11, 23, tzinfo=UTC))
    assert still == without
    assert document.parse_document(still.encode(), Path("b")).baseline.vanished == {"a first"}
    back, changes = updated(still, results(times("b second", 12), times("a first", 1000)), LATER)
    assert changes == {"b second": "unchanged", "a first": "returned"}
    assert "_missing_since" not in back
    assert ordered(back)[6] == ordered(once.replace("12.3457", "12").replace("81000", "83333.3"))[6]


def test_a_new_scenario_is_added_at_the_end_with_its_samples() -> None:
    new = results(
        times("b second", 1), times("a first", 1), times("c new", 5, 4.0, 5.0, 6.0), rate("d rate", 7.5)
    )
    after, changes = updated(SCAFFOLD, new)
    assert changes["c new"] == changes["d rate"] == "added"
    added = """"_comment_end": "odd order"},
    "c new": {
      "p50_us": 5,
      "p95_us": 2000,
      "p99_us": 3000,
      "ips": 200000,
      "samples_us": [4, 5, 6]
    },
    "d rate": {
      "unit": "GB/s",
      "direction": "higher",
      "ips": 7.5,
      "samples": [7.5]
    }
  },
"""
    assert added in after


@pytest.mark.parametrize("scenarios", ["{}", "{ }", '{"x": {}}'])
@pytest.mark.parametrize("newline", ["\n", "\r\n", ""])
def test_empty_objects_are_filled_in_the_layout_of_the_file(scenarios: str, newline: str) -> None:
    lines = ['"_schema_version": "1.0.0",', '"_status": "active",', f'"scenarios": {scenarios}']
    text = "{" + "".join(f"{newline}\t{line}" for line in lines) + newline + "}"
    after, _ = updated(text, results(times("x", 5, 4.0, 6.0)))
    entry = json.loads(after)["scenarios"]["x"]
    assert list(entry) == ["p50_us", "p95_us", "p99_us", "ips", "samples_us"]
    assert json.loads(after)["_generated_by"]["run_id"] == "r1"
    assert after.count("\n") == after.count(newline or "\n")
    if newline:
        assert f'{newline}\t\t"x": {{' in after.replace('{"x"', f'{newline}\t\t"x"')


def test_samples_are_kept_where_an_entry_has_a_place_for_them_and_are_not_too_many() -> None:
    text = SCAFFOLD.replace('"ips": 8e5', '"ips": 8e5, "samples_us": []')
    text = text.replace('"scenarios": {', '"scenarios": {"c third": {"p50_us": 4}, ')
    many = times("a first", 5, *map(float, range(1, 10_001)))
    after, _ = updated(text, results(many, times("b second", 5, 1.0), times("c third", 5, 1.0)))
    entries = json.loads(after)["scenarios"]
    samples = entries["a first"]["samples_us"]
    assert len(samples) == update.MOST_SAMPLES
    assert (samples[0], samples[-1]) == (1, 10_000)
    # What was written by hand as a placeholder has no place for them, and gets one with its first numbers.
    assert entries["b second"]["samples_us"] == [1]
    assert "samples_us" not in entries["c third"]


@pytest.mark.parametrize(
    "other", [rate("a first", 5), rate("a first", 5, "us"), Scenario("a first", "B", 1, 1, 1, None, "lower")]
)
def test_another_unit_or_direction_than_in_the_baseline_is_refused(tmp_path: Path, other: Scenario) -> None:
    path = written(tmp_path)
    with pytest.raises(RackbenchError) as caught:
        update.update(path, results(other), NOW)
    assert caught.value.code == "units_differ"
    assert caught.value.exit_status == 2
    assert path.read_text() == SCAFFOLD


def test_a_text_that_would_be_no_baseline_is_not_written(tmp_path: Path) -> None:
    path = written(tmp_path)
    with pytest.raises(RackbenchError) as caught:
        update.update(path, results(times("new", float("inf"))), NOW)
    assert caught.value.code == "baseline_invalid"
    assert path.read_text() == SCAFFOLD


def test_a_unit_of_null_is_microseconds() -> None:
    text = SCAFFOLD.replace('"p99_us": 3.50', '"unit": null, "p99_us": 3.50')
    after, changes = updated(text, BOTH)
    assert changes["a first"] == "moved"
    assert json.loads(after)["scenarios"]["a first"]["unit"] is None


def test_comments_among_the_scenarios_and_their_tolerances_stay() -> None:
    text = SCAFFOLD.replace('"scenarios": {', '"scenarios": { "_comment_order": "by age",')
    text = text.replace(
        '"as agreed"', '"as agreed", "scenarios": {"_why": ["noisy"], "a first": {"p50_max_ratio": 2}}'
    )
    # A scenario may well be called so.
    after, changes = updated(text, results(*BOTH.scenarios.values(), times("_new", 5)))
    assert changes == {"a first": "moved", "b second": "moved", "_new": "added"}
    assert json.loads(after)["scenarios"]["_comment_order"] == "by age"
    baseline = document.parse_document(after.encode(), Path("b")).baseline
    assert list(baseline.scenarios) == ["b second", "a first", "_new"]
    assert list(baseline.overrides) == ["a first"]
    assert updated(after, results(*BOTH.scenarios.values(), times("_new", 5)), LATER)[0] == after


def written(tmp_path: Path, text: str = SCAFFOLD) -> Path:
    """Write a baseline file."""
    path = tmp_path / "baseline.json"
    path.write_text(text)
    return path


def test_a_file_that_needs_no_change_is_not_touched(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert update.update(path, BOTH, NOW).changed
    before = path.stat()
    again = update.update(path, BOTH, LATER)
    assert not again.changed
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_bad_json_of_a_hand_is_told_and_left_as_it_is(tmp_path: Path) -> None:
    bad = SCAFFOLD.replace('"p50_us": 1.250,', '"p50_us": 1.250')
    path = written(tmp_path, bad)
    with pytest.raises(RackbenchError, match="line 14, column") as caught:
        update.update(path, BOTH, NOW)
    assert caught.value.code == "baseline_invalid"
    assert path.read_text() == bad
    assert [found.name for found in tmp_path.iterdir()] == ["baseline.json"]


def test_links_and_modes_stay_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    path = written(tmp_path / "real")
    path.chmod(0o640)
    link = tmp_path / "link.json"
    link.symlink_to(path)
    update.update(link, BOTH, NOW)
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert json.loads(path.read_text())["scenarios"]["a first"]["p50_us"] == 1000


def test_only_a_file_can_be_updated(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (tmp_path, pipe):
        with pytest.raises(RackbenchError, match="it is no file"):
            update.update(path, BOTH, NOW)


def test_updates_at_once_lose_nothing(tmp_path: Path) -> None:
    path = written(tmp_path)
    together = threading.Barrier(8)
    failures: list[BaseException] = []

    def one(number: int) -> None:
        together.wait(60)
        try:
            for turn in range(4):
                update.update(path, results(times(f"new {number} {turn}", number + 1)), NOW)
        except BaseException as error:  # noqa: BLE001 - told below, in the thread that asserts
            failures.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    scenarios = document.read(path).baseline.scenarios
    assert {f"new {number} {turn}" for number in range(8) for turn in range(4)} <= scenarios.keys()
    assert [found.name for found in tmp_path.iterdir()] == ["baseline.json"]


# Any file that people may write: names, comments and white space are theirs.
NAMES = st.text(max_size=12)
NUMBERS = st.floats(min_value=1e-6, max_value=1e12)
WRITTEN = st.one_of(NUMBERS.map(repr), st.integers(1, 10**9).map(str), st.just('"TODO"'), st.just("null"))
SPACE = st.sampled_from(["", " ", "\n", "\n    ", "\t", "\r\n  "])


@st.composite
def objects(draw: st.DrawFn, members: Iterable[tuple[str, str]]) -> str:
    """Return an object whose values are texts, with white space in between."""
    parts = [
        draw(SPACE).join(["", json.dumps(name, ensure_ascii=draw(st.booleans())), ":", text, ""])
        for name, text in members
    ]
    return f"{{{','.join(parts)}{draw(SPACE) if not parts else ''}}}"


@st.composite
def files(draw: st.DrawFn) -> tuple[str, list[str]]:
    """Return the text of a baseline whose scenarios have times, and their names."""
    names = draw(st.lists(NAMES, max_size=4, unique=True))
    entries = []
    for name in names:
        members = [(key, draw(WRITTEN)) for key in ("p50_us", "p95_us", "p99_us", "ips")]
        # A placeholder gets samples with its first numbers; that it has a place for them keeps the rest comparable.
        is_placeholder = not any(text[0].isdigit() for _key, text in members)
        members += [("samples_us", "[]")] * (is_placeholder or draw(st.integers(0, 1)))
        members += [(f"_comment{draw(NAMES)}", json.dumps(draw(st.text(max_size=20))))]
        entries.append((name, draw(objects(draw(st.permutations(members))))))
    top = [
        ("_schema_version", '"1.0.0"'),
        ("_status", draw(st.sampled_from(['"active"', '"scaffold-placeholder"']))),
        ("_comment", json.dumps(draw(st.text(max_size=30)))),
        ("_generated_at", '"TODO"'),
        ("_generated_by", '"TODO"'),
        ("scenarios", draw(objects(entries))),
        ("tolerance", draw(objects([("p50_max_ratio", "1.20"), ("_comment_x", json.dumps(draw(NAMES)))]))),
    ]
    return draw(objects(draw(st.permutations(top)))), names


@st.composite
def scenarios(draw: st.DrawFn, name: str) -> Scenario:
    """Return a scenario with any numbers."""
    p50, p95, p99, ips = (draw(NUMBERS) for _ in range(4))
    return Scenario(name, "us", p50, p95, p99, ips, "lower", tuple(draw(st.lists(NUMBERS))))


def tokens(text: str) -> list[str]:
    """Return a text without what an update may move: numbers, placeholders, samples, provenance."""
    text = re.sub(r'("_generated_(?:at|by)"\s*:\s*)(?:"[^"]*"|\{[^}]*\})', r"\1#", text)
    text = re.sub(r'("samples_us"\s*:\s*)\[[^\]]*\]', r"\1#", text)
    number = re.compile(r'-?\d[\d.eE+-]*|null|"TODO"')
    return ["#" if number.fullmatch(token) else token for token in TOKEN.findall(text)]


@settings(max_examples=40)
@given(files(), st.data())
def test_whatever_the_file_looks_like_only_numbers_move(
    file: tuple[str, list[str]], data: st.DataObject
) -> None:
    text, names = file
    new = results(*(data.draw(scenarios(name)) for name in names))
    after, _ = updated(text, new)
    assert tokens(after) == tokens(text)
    assert json.loads(after)["_status"] == json.loads(text)["_status"]
    entries = json.loads(after)["scenarios"]
    for name in names:
        assert entries[name]["p50_us"] == pytest.approx(new.scenarios[name].p50, rel=1e-5)
    assert updated(after, new, LATER)[0] == after


@settings(max_examples=40)
@given(files(), st.lists(NAMES, max_size=3, unique=True))
def test_whatever_vanishes_and_comes_everything_that_was_there_stays(
    file: tuple[str, list[str]], others: list[str]
) -> None:
    text, names = file
    kept = names[::2]
    after, _ = updated(text, results(*(times(name, 5, 1.0) for name in dict.fromkeys([*kept, *others]))))
    before, now = json.loads(text), json.loads(after)
    assert list(now) == list(before)
    assert now["tolerance"] == before["tolerance"]
    assert list(now["scenarios"])[: len(names)] == names
    for name in names:
        wanted = before["scenarios"][name]
        found = now["scenarios"][name]
        if name in {*kept, *others}:
            assert list(found) == list(wanted)
        else:
            assert found == {**wanted, "_missing_since": "2026-11-21T08:00:00.000Z, run r1"}


def test_an_update_keeps_how_many_of_the_kept_samples_each_execution_gave(tmp_path: Path) -> None:
    path = written(
        tmp_path, '{"_schema_version": "1.0.0", "_status": "scaffold-placeholder", "scenarios": {}}'
    )
    for sizes in ((2, 4), (300, 100, 100), (), (3, 3)):
        count = sum(sizes) or 7
        new = replace(times("a", 500.0, *(float(value) for value in range(1, count + 1))), executions=sizes)
        update.update(path, results(new), NOW)
        kept = document.read(path).baseline.scenarios["a"]
        assert isinstance(kept, Scenario)
        ends = [0, *accumulate(sizes)]
        assert kept.executions == tuple(
            sum(low < value <= high for value in kept.samples) for low, high in pairwise(ends)
        )


def test_executions_that_are_not_those_of_the_samples_are_refused(tmp_path: Path) -> None:
    entry = {"p50_us": 1, "p95_us": 1, "p99_us": 1, "ips": 1, "samples_us": [1, 2], "executions": [1, 2]}
    text = {"_schema_version": "1.0.0", "_status": "active", "scenarios": {"a": entry}}
    with pytest.raises(RackbenchError, match="executions have 3 samples together, and there are 2"):
        document.read(written(tmp_path, json.dumps(text)))
