# SPDX-License-Identifier: Apache-2.0
"""Two runs side by side: which way is better, what is noise, and what is never compared."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from rackbench.compare import compare
from rackbench.errors import RackbenchError

from tests.unit.compare.made_runs import KEY, execution, run

if TYPE_CHECKING:
    from rackbench.compare.runs import Execution

LOWER = replace(KEY, metric="time", unit="s", direction="lower")
NEITHER = replace(KEY, metric="size", unit="bytes", direction="none")


def six(middle: float, spread: float, **changes: object) -> list[Execution]:
    """Return six executions around a value."""
    return [execution(middle + spread * step, **changes) for step in (-3, -2, -1, 1, 2, 3)]


@pytest.mark.parametrize(
    ("key", "before", "after", "spread", "meaning"),
    [
        (KEY, 10.0, 20.0, 0.1, "better"),
        (KEY, 20.0, 10.0, 0.1, "worse"),
        (LOWER, 10.0, 20.0, 0.1, "worse"),
        (LOWER, 20.0, 10.0, 0.1, "better"),
        (NEITHER, 20.0, 10.0, 0.1, "changed"),
        (KEY, 10.0, 10.5, 1.0, "within noise"),
        (NEITHER, 10.0, 10.5, 1.0, "within noise"),
        (KEY, 10.0, 10.0, 1.0, "same"),
    ],
)
def test_the_meaning_follows_from_direction_and_intervals(
    key: object, before: float, after: float, spread: float, meaning: str
) -> None:
    found = compare([run("a", six(before, spread, key=key)), run("b", six(after, spread, key=key))])
    (row,) = found.rows
    (change,) = row.changes
    assert change.meaning == meaning
    assert change.ratio == pytest.approx(after / before)
    assert not change.within_one


def test_without_intervals_nobody_knows_whether_it_is_noise() -> None:
    (row,) = compare([run("a", [execution(1.0)]), run("b", [execution(9.0)])]).rows
    assert (row.changes[0].meaning, row.changes[0].ratio) == ("unknown", 9.0)


def test_samples_of_one_execution_are_marked() -> None:
    samples = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
    (row,) = compare(
        [run("a", [execution(*samples)]), run("b", [execution(*(each + 10 for each in samples))])]
    ).rows
    assert (row.changes[0].meaning, row.changes[0].within_one) == ("better", True)


def test_a_median_of_zero_has_no_ratio() -> None:
    (row,) = compare([run("a", [execution(0.0)]), run("b", [execution(9.0)])]).rows
    assert row.changes[0].ratio is None


def test_three_runs_are_compared_with_the_first() -> None:
    found = compare([run(name, [execution(value)]) for name, value in (("a", 1.0), ("b", 2.0), ("c", 4.0))])
    assert [change.ratio for change in found.rows[0].changes] == [2.0, 4.0]
    assert len(found.differences) == 2


def test_what_only_one_has_is_told() -> None:
    found = compare([run("a", [execution(1.0), execution(1.0, key=LOWER)]), run("b", [execution(1.0)])])
    assert found.only == ((LOWER,), ())


def test_everything_that_differs_is_named() -> None:
    before = run("a", [execution(1.0)])
    after = run(
        "b",
        [execution(1.0, bundle_sha256="00" * 32, benchmark_version="2.0.0", setup='{"cpus": [0]}')],
        bios="2",
        label="tuned",
        host="loki",
        adapters={"one": "00" * 32},
    )
    (differences,) = compare([before, after]).differences
    assert [(each.what, each.name) for each in differences] == [
        ("host", ""),
        ("label", ""),
        ("state", "firmware.version"),
        ("adapter", "one"),
        ("benchmark", "one"),
        ("bundle", "one"),
        ("family", "one.full"),
    ]
    assert str(differences[2]) == "state firmware.version: 1 -> 2"


def test_simulated_results_are_not_compared_with_real_ones() -> None:
    with pytest.raises(RackbenchError, match="one was simulated by a stand-in in b-thor") as caught:
        compare([run("a", [execution(1.0)]), run("b", [execution(1.0, simulated=True)])])
    assert caught.value.code == "simulated_and_real"


def test_two_simulated_runs_are_compared() -> None:
    runs = [run(name, [execution(1.0, simulated=True)]) for name in ("a", "b")]
    assert len(compare(runs).rows) == 1
