# SPDX-License-Identifier: Apache-2.0
"""The text of the pull request that proposes numbers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from rackbench.baselines import proposal, readers
from rackbench.baselines.update import update

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
EVEN = [100.0 + turn % 10 for turn in range(40)]


def text_for(
    folder: Path,
    results: dict[str, list[float]],
    baseline: dict[str, Any],
    status: str = "scaffold-placeholder",
) -> str:
    """Return the text for results, by scenario in microseconds, that are put into a baseline with these scenarios."""
    path, measured = folder / "baseline.json", folder / "results.json"
    path.write_text(
        json.dumps({"_schema_version": "1.0.0", "_status": status, "scenarios": baseline}, indent=2)
    )
    measured.write_text(
        json.dumps(
            {
                "schema": "rackbench.baseline-results/1.0",
                "generated_at": "2026-11-21T08:00:00Z",
                "host": "turind8",
                "run_id": "20261121T080000Z-turind8",
                "commit": "0" * 40,
                "fingerprint": "x86_64, a processor, 2 CPUs",
                "scenarios": [
                    {"name": name, "unit": "us", "direction": "lower", "samples": samples}
                    for name, samples in results.items()
                ],
            }
        )
    )
    found = readers.read(measured)
    return proposal.markdown(update(path, found, NOW), found)


def entry(samples: list[float]) -> dict[str, Any]:
    """Return a scenario of a baseline."""
    mean = sum(samples) / len(samples)
    return {
        "p50_us": sorted(samples)[len(samples) // 2],
        "p95_us": max(samples),
        "p99_us": max(samples),
        "ips": 1e6 / mean,
        "samples_us": samples,
    }


def test_it_tells_both_verdicts_of_an_active_gate_while_the_gate_is_a_scaffold(tmp_path: Path) -> None:
    text = text_for(tmp_path, {"hop": [2 * each for each in EVEN]}, {"hop": entry(EVEN)})
    assert "- Gate now: scaffold-placeholder" in text
    assert "with the baseline so far: failed: 1 REGRESSED" in text
    assert "once these numbers are the baseline: passed" in text


def test_it_has_a_row_with_numbers_and_spread_for_what_vanished_and_what_is_new_too(tmp_path: Path) -> None:
    text = text_for(
        tmp_path, {"hop": EVEN, "new": [5.0, 5.0, 5.0]}, {"hop": entry(EVEN), "gone": entry(EVEN)}
    )
    rows = {
        cells[0]: cells[1:]
        for line in text.splitlines()
        if line.startswith("| ")
        for cells in [[cell.strip() for cell in line.strip("|").split("|")]]
    }
    assert rows["hop"] == ["ok", "us", "105", "104.5", "109", "109", "9569", "9569", "40", "4.8%"]
    assert rows["new"] == ["MISSING IN BASELINE", "us", "-", "5", "5", "5", "-", "200000", "3", "-"]
    assert rows["gone"] == ["MISSING IN RESULTS", "us", "105", "-", "-", "-", "9569", "-", "-", "-"]
    assert "Kept and marked" in text


def test_another_machine_than_before_is_told_as_the_gate_would_tell_it(tmp_path: Path) -> None:
    scenarios = {"hop": entry(EVEN)}
    path = tmp_path / "baseline.json"
    text_for(tmp_path, {"hop": EVEN}, scenarios)
    changed = path.read_text().replace("a processor", "another processor")
    found = readers.read(tmp_path / "results.json")
    path.write_text(changed)
    text = proposal.markdown(update(path, found, NOW), found)
    assert "with the baseline so far: failed: 1 INCOMPARABLE" in text
    assert "once these numbers are the baseline: passed" in text


@pytest.mark.slow
def test_a_thousand_scenarios_still_fit_into_a_pull_request(tmp_path: Path) -> None:
    text = text_for(tmp_path, {f"scenario {number:0200}": EVEN for number in range(1_000)}, {})
    assert len(text) < 62_000
    assert "lines are left out" in text
    assert proposal.NOTE in text


def test_a_name_that_would_be_a_mention_a_link_or_a_cell_stays_text(tmp_path: Path) -> None:
    text = text_for(tmp_path, {"@all [x](https://evil.example) | <img src=x>": EVEN}, {})
    assert "@all" not in text
    assert "[x](" not in text
    assert "<img" not in text


@pytest.mark.parametrize(
    ("samples", "expected"),
    [((1.0, 2.0, 3.0), None), ((4.0, 4.0, 4.0, 4.0), 0.0), ((1.0, 2.0, 3.0, 4.0, 5.0), 2 / 3)],
)
def test_the_spread_is_the_middle_half_as_a_part_of_the_median(
    samples: tuple[float, ...], expected: float | None
) -> None:
    assert proposal.spread(samples) == (None if expected is None else pytest.approx(expected))
