# SPDX-License-Identifier: Apache-2.0
"""What `rackbench watch` shows of a run, as a view that fits its terminal and as lines that tell changes."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rackbench.cli import watching
from rackbench.ledger import projections
from rackbench.ledger.state import fold

from tests.unit.ledger import samples

WHOLE = samples.whole_run()


def status(records: int | None = None, **changes: Any) -> dict[str, Any]:
    """Return the status document after so many records of a whole run, a second after the last of them."""
    known = WHOLE[:records]
    now = samples.START + timedelta(seconds=len(known) + 1)
    found = projections.status_document(fold(known), now, alive=True)
    return {**found, **changes}


def running(**progress: Any) -> dict[str, Any]:
    """Return the status document of a run whose benchmark is at work, with its progress."""
    begun = next(number for number, record in enumerate(WHOLE, 1) if record["kind"] == "execution.began")
    found = status(begun)
    assert found["progress"] is not None
    return {**found, "progress": {**found["progress"], **progress}}


PROGRESS = {
    "done": 45, "total": 100, "unit": "pairs", "label": "0-3", "percent": 45.0, "elapsed_s": 90.0, "left_s": 110.0,
    "left_by": "pace",
}  # fmt: skip


def text(statuses: list[dict[str, Any]], width: int = 80, height: int = 40) -> str:
    """Return the view as it stands on a terminal that is wide enough."""
    return "\n".join(line.text for line in watching.view(statuses, width, height))


def test_the_view_shows_steps_progress_and_how_long_it_still_takes() -> None:
    shown = text([running(**PROGRESS)])
    assert "thor: running" in shown
    assert f"run_dir: {samples.RUN_DIR}" in shown
    assert "  host.discover            completed" in shown
    assert "> latency.execute          running" in shown
    assert "  latency.collect          pending" in shown
    assert "[#########...........] 45 %" in shown
    assert "45 of 100 pairs, 0-3, 1 min 30 s so far, about 1 min 50 s left, at the pace so far" in shown
    assert "Ctrl-C leaves this view, and not the run." in shown


def test_the_view_passes_on_no_command_to_the_terminal() -> None:
    shown = text([running(**{**PROGRESS, "label": "\x1b]0;owned\x07a\x1b[2Jb\x9b31m"})])
    assert "?]0;owned?a?[2Jb?31m" in shown
    assert all(sign.isprintable() or sign == "\n" for sign in shown)


def test_the_view_says_when_nothing_is_known_of_the_time_left() -> None:
    shown = text([running(done=None, total=None, percent=None, elapsed_s=3.0, left_s=None, left_by=None)])
    assert "3.0 s so far" in shown
    assert "left" not in shown.replace("leaves", "")


def test_results_and_alerts_are_there_with_the_next_command_as_a_whole() -> None:
    found = status()
    command = "rackbench resume --run-dir " + "a" * 100
    alert = {
        "kind": "failed_step", "code": "execution_failed", "message": "It broke.", "step": "latency.execute",
        "adapter": "latency", "next_actions": ["Read it."], "next_commands": [command], "next_paths": [],
        "next_install_commands": [],
    }  # fmt: skip
    found["alerts"] = {**found["alerts"], "items": [alert], "primary": alert}
    lines = watching.view([found], 60, 60)
    assert any(line.text.startswith("  latency.smoke.1  median  61.5 ns") for line in lines)
    (shown,) = [line for line in lines if command in line.text]
    assert not shown.cut
    assert "It broke. [execution_failed]" in [line.text for line in lines]


def test_a_stale_heartbeat_is_told_at_its_step() -> None:
    found = running(**PROGRESS)
    beat = {"step": "latency.execute", "execution": "latency.smoke.1", "age_s": 75.0, "state": "stale"}
    found["monitoring"] = {**found["monitoring"], "heartbeats": [beat]}
    assert "stalled: the heartbeat is 1 min 15 s old" in text([found])
    beat["age_s"] = None
    assert "stalled: the heartbeat never came" in text([found])


def test_several_runs_have_a_line_each() -> None:
    other = {**status(), "host": "loki"}
    shown = text([running(**PROGRESS), other]).splitlines()
    assert shown[0] == "2 runs, 1 ended"
    assert shown[2].startswith("thor  running")
    assert "4 of 7 latency.execute  [####" in shown[2]
    assert "45 %, about 1 min 50 s left" in shown[2]
    assert shown[3].startswith("loki  completed")


@given(records=st.integers(1, len(WHOLE)), steps=st.integers(0, 60), height=st.integers(13, 80))
def test_the_view_fits_into_the_terminal(records: int, steps: int, height: int) -> None:
    found = status(records)
    found["steps"] = [*found["steps"], *(found["steps"] * (1 + steps // 7))[:steps]]
    found["results"] = found["results"] * 30
    found["alerts"] = {**found["alerts"], "items": []}
    lines = watching.view([found], 80, height)
    assert len(lines) <= height
    assert lines[0].text.startswith("thor: ")


def test_a_low_terminal_shows_the_step_that_runs() -> None:
    found = running(**PROGRESS)
    step = found["steps"][0]
    found["steps"] = [*({**step, "step_id": f"other.{number}"} for number in range(50)), *found["steps"]]
    shown = text([found], height=16)
    assert "> latency.execute" in shown
    assert "45 of 100 pairs" in shown
    assert "lines above" in shown


def test_nothing_changed_is_no_line_and_no_mark() -> None:
    before, after = running(**PROGRESS), running(**PROGRESS)
    after["at"], after["elapsed_s"] = "2026-11-21T09:00:00.000Z", 3600.0
    after["progress"]["left_s"] = 5.0
    assert list(watching.changes(before, after)) == []
    assert watching.mark(before) == watching.mark(after)


def test_each_change_is_a_line_once() -> None:
    """Following a run record by record tells each step, execution and result once, and no more than one look does."""
    told: list[str] = []
    before = None
    for number in range(1, len(WHOLE) + 1):
        after = status(number)
        told += watching.changes(before, after)
        before = after
    assert told[0].startswith("thor: running")
    assert told[1] == f"run_dir: {samples.RUN_DIR}"
    for line in (
        "step latency.execute: running",
        "execution latency.smoke.1: running",
        "result latency.smoke.1: median 61.5 ns",
    ):
        assert told.count(line) == 1
    assert [line for line in told if line.startswith("step latency.execute: completed")]
    assert [line for line in told if line.startswith("execution latency.smoke.1: passed")]
    assert len(told) == len(set(told))
    at_once = [
        line for line in watching.changes(None, status()) if line.startswith(("step", "result", "execution"))
    ]
    assert set(at_once) <= set(told)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"count": 1, "stopped_by": "count"}, None),
        ({"count": 3, "stopped_by": "count"}, "3 repeats, as many as were asked for"),
        (
            {"count": 4, "stopped_by": "precise_enough", "metric": "rate", "half_width_percent": 3.784},
            "4 repeats, precise enough: rate, known within 3.784 %",
        ),
        (
            {"count": 9, "stopped_by": "maximum", "metric": "rate", "half_width_percent": 107.6},
            "9 repeats, the maximum: rate, known within 107.6 %",
        ),
        (
            {"count": 9, "stopped_by": "maximum", "metric": None, "half_width_percent": None},
            "9 repeats, the maximum: no number, how precisely is unknown",
        ),
    ],
)
def test_why_repeats_ended_is_a_line(row: dict[str, Any], words: str | None) -> None:
    before, after = status(), status()
    before["repeats"], after["repeats"] = [], [{"adapter": "latency", "family": "smoke", **row}]
    assert list(watching.changes(before, after)) == ([f"latency.smoke: {words}"] if words else [])


def test_a_beat_that_went_stale_and_came_back_is_told() -> None:
    fresh = running(**PROGRESS)
    beat = {"step": "latency.execute", "execution": "latency.smoke.1", "age_s": 1.0, "state": "fresh"}
    fresh["monitoring"] = {**fresh["monitoring"], "heartbeats": [beat]}
    stale = copy.deepcopy(fresh)
    stale["monitoring"]["heartbeats"][0].update(state="stale", age_s=60.0)
    assert list(watching.changes(fresh, stale)) == ["heartbeat of latency.smoke.1: stale"]
    assert list(watching.changes(stale, fresh)) == ["heartbeat of latency.smoke.1: fresh"]
    assert watching.mark(fresh) != watching.mark(stale)


@given(st.floats(allow_nan=False), st.integers(-50, 300))
def test_a_bar_stays_within_its_bounds(percent: float, width: int) -> None:
    drawn = watching.bar(percent, width)
    assert 12 <= len(drawn) <= 32
    assert drawn[0] + drawn[-1] == "[]"
    assert set(drawn[1:-1]) <= {"#", "."}
