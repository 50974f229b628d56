# SPDX-License-Identifier: Apache-2.0
"""Repeats: the confidence interval against what is known of Student's t, and when it is narrow enough."""

from __future__ import annotations

import math
import random
import statistics
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rackbench.adapters.repeats import Family, enough, half_width_percent, metric_of, t_975
from rackbench.ledger.state import fold

NOT_FINITE = [math.nan, math.inf, -math.inf, 10**400]
MEASURED = st.floats(1e-6, 1e12)


def _density(degrees: int, at: float) -> float:
    """Return the density of Student's t, by its definition."""
    scale = math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2) - math.log(degrees * math.pi) / 2
    return math.exp(scale - (degrees + 1) / 2 * math.log1p(at * at / degrees))


def _below(degrees: int, quantile: float) -> float:
    """Return the share of Student's t that is below a positive quantile, by Simpson's rule."""
    pieces = 2000
    width = quantile / pieces
    inner = sum((4 if piece % 2 else 2) * _density(degrees, piece * width) for piece in range(1, pieces))
    return 0.5 + width / 3 * (_density(degrees, 0) + inner + _density(degrees, quantile))


@pytest.mark.parametrize("degrees", range(1, 31))
def test_each_quantile_of_the_table_is_the_one_that_97_5_percent_are_below(degrees: int) -> None:
    quantile = t_975(degrees)
    # The table has three decimals.
    assert _below(degrees, quantile - 0.00051) < 0.975 < _below(degrees, quantile + 0.00051)


@pytest.mark.parametrize(("degrees", "published"), [(1, 12.706), (4, 2.776), (9, 2.262), (29, 2.045)])
def test_known_quantiles_are_those_that_are_published(degrees: int, published: float) -> None:
    assert t_975(degrees) == published


def test_beyond_the_table_the_quantile_is_never_too_small() -> None:
    for degrees in (31, 40, 120, 10000):
        assert _below(degrees, t_975(degrees)) >= 0.975


@pytest.mark.parametrize(
    ("values", "percent"),
    [
        # 12.706 * 1.41421 / sqrt(2) of 101
        ([100.0, 102.0], 12.580),
        # 4.303 * 3 / sqrt(3) of 103
        ([100.0, 106.0, 103.0], 7.236),
        # 3.182 * 2.44949 / 2 of 103
        ([100.0, 106.0, 103.0, 103.0], 3.784),
        # 2.776 * 1.58114 / sqrt(5) of -3
        ([-1.0, -2.0, -3.0, -4.0, -5.0], 65.431),
    ],
)
def test_the_half_width_is_that_of_a_calculation_by_hand(values: list[float], percent: float) -> None:
    assert half_width_percent(values) == pytest.approx(percent, abs=0.001)


def test_the_interval_holds_the_true_mean_in_95_of_100_series() -> None:
    chance = random.Random(20261121)
    held = 0
    for _series in range(4000):
        values = [chance.gauss(100, 10) for _value in range(5)]
        mean, width = statistics.mean(values), half_width_percent(values)
        assert width is not None
        held += abs(mean - 100) <= width / 100 * mean
    assert 0.94 < held / 4000 < 0.96


@given(values=st.lists(MEASURED, min_size=2, max_size=40), factor=st.sampled_from([0.25, 8.0, -2.0]))
def test_the_half_width_does_not_depend_on_order_nor_on_the_unit(values: list[float], factor: float) -> None:
    width = half_width_percent(values)
    assert width is not None
    assert half_width_percent(values[::-1]) == width
    assert half_width_percent([factor * value for value in values]) == pytest.approx(width)


@given(value=st.floats(-1e300, 1e300), count=st.integers(2, 40))
def test_values_that_are_all_the_same_have_no_width_zeros_too(value: float, count: int) -> None:
    assert half_width_percent([value] * count) == 0
    assert enough([value] * count, 0.001) == (count >= 3)


@pytest.mark.parametrize(
    "values", [[], [1.0], [-1.0, 1.0], [-1e308, 1e308], [5e-324, -5e-324, 1e308, -1e308]]
)
def test_too_few_values_and_a_mean_of_zero_have_no_width_and_are_never_enough(values: list[float]) -> None:
    assert half_width_percent(values) is None
    assert not enough(values, 100)


@pytest.mark.parametrize("bad", NOT_FINITE)
def test_a_value_that_is_not_finite_is_not_left_out(bad: float) -> None:
    assert half_width_percent([1.0, 1.0, 1.0, bad]) is None
    assert not enough([1.0, 1.0, 1.0, bad], 100)


@given(values=st.lists(st.floats() | st.integers(), max_size=12), percent=st.floats(0.001, 100))
def test_any_values_get_an_answer(values: list[float], percent: float) -> None:
    width = half_width_percent(values)
    assert width is None or (math.isfinite(width) and width >= 0)
    assert enough(values, percent) == (len(values) >= 3 and width is not None and width <= percent)


def test_two_values_are_not_enough_however_near_they_are() -> None:
    assert not enough([100.0, 100.0], 50)
    assert enough([100.0, 100.0, 100.0], 50)


def test_the_metric_is_the_first_headline_number() -> None:
    rows: list[dict[str, Any]] = [
        {"label": "DRAM", "value": 90, "unit": "ns"},
        {"label": "L1 cache", "value": 1, "unit": "ns"},
    ]
    assert metric_of(rows) == {"id": "DRAM", "value": 90.0, "unit": "ns"}


@pytest.mark.parametrize("value", [None, *NOT_FINITE])
def test_a_headline_number_that_is_missing_or_not_finite_is_no_metric(value: float | None) -> None:
    assert metric_of([{"label": "DRAM", "value": value, "unit": "ns"}]) is None
    assert metric_of([]) is None


PLANNED = [
    {"execution_id": "one.full.w1", "family": "full", "repeat": 1, "warmup": True},
    *(
        {"execution_id": f"one.full.{n}", "family": "full", "repeat": n, "until_percent": 5.0}
        for n in range(1, 6)
    ),
]


def _records(*executions: tuple[str, float | None], items: int = 0) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = [
        {"kind": "run.opened", "run_id": "r", "host": "h", "steps": [], "executions": {"one": PLANNED}},
        {"kind": "task.began", "task": "Run", "action": "rackbench.lab.job", "uuid": "t1"},
    ]
    for name, value in executions:
        records.append({"kind": "execution.began", "execution": name, "adapter": "one", "family": "full"})
        metric = None if value is None else {"id": "DRAM", "value": value, "unit": "ns"}
        records.append({"kind": "execution.ended", "execution": name, "outcome": "passed", "metric": metric})
    records += [
        {"kind": "task.ended", "task": "Run", "uuid": "t1", "status": "ok", "item": item}
        for item in range(items)
    ]
    return records


def _family(records: list[dict[str, Any]], position: int) -> Family:
    state = fold({"seq": seq, **record} for seq, record in enumerate(records, 1))
    family = Family.of(state, "one", PLANNED[position])
    assert family is not None
    return family


STEADY = [(f"one.full.{n}", 100.0) for n in (1, 2, 3)]


def test_warm_ups_do_not_count_however_far_off_they_are() -> None:
    family = _family(_records(("one.full.w1", 1e9), *STEADY), 4)
    assert not family.is_needed
    assert family.record(ended=False) == {
        "adapter": "one",
        "family": "full",
        "count": 3,
        "metric": "DRAM",
        "half_width_percent": 0.0,
        "stopped_by": "precise_enough",
    }


def test_a_warm_up_and_an_execution_that_was_not_planned_have_no_family() -> None:
    state = fold({"seq": seq, **record} for seq, record in enumerate(_records(), 1))
    assert Family.of(state, "one", PLANNED[0]) is None
    assert Family.of(state, "one", {"execution_id": "one.full.99", "family": "full"}) is None


def test_an_execution_that_left_no_number_is_no_value_and_still_counts() -> None:
    family = _family(_records(STEADY[0], ("one.full.2", None), ("one.full.3", 100.0)), 4)
    assert family.is_needed
    assert family.record(ended=True, metric={"id": "DRAM", "value": 100.0, "unit": "ns"})["count"] == 4


def test_the_first_repeat_waits_for_nothing_and_the_next_ones_for_the_ledger() -> None:
    assert not _family(_records(), 1).waits_for_ledger
    assert _family(_records(STEADY[0]), 3).waits_for_ledger
    assert not _family(_records(STEADY[0], STEADY[1]), 3).waits_for_ledger


def test_a_repeat_after_one_that_could_not_begin_does_not_wait_for_it() -> None:
    # The warm-up and two repeats are items of the loop that have ended; nothing tells of the second repeat.
    assert _family(_records(STEADY[0], items=2), 3).waits_for_ledger
    assert not _family(_records(STEADY[0], items=3), 3).waits_for_ledger


def test_the_last_repeat_tells_that_the_maximum_was_reached_and_how_far_off_it_was() -> None:
    noisy = [(f"one.full.{n}", 100.0 * n) for n in (1, 2, 3, 4)]
    told = _family(_records(*noisy), 5).record(
        ended=True, metric={"id": "DRAM", "value": 500.0, "unit": "ns"}
    )
    assert (told["count"], told["stopped_by"]) == (5, "maximum")
    assert told["half_width_percent"] == pytest.approx(65.431, abs=0.001)


def test_a_precise_family_needs_no_more_and_one_that_lost_a_repeat_does_again() -> None:
    repeats = {"kind": "repeats", **_family(_records(*STEADY), 4).record(ended=False)}
    records = [*_records(*STEADY), repeats]
    state = fold({"seq": seq, **record} for seq, record in enumerate(records, 1))
    assert [each.execution for each in state.executions.values() if each.not_needed] == [
        "one.full.4",
        "one.full.5",
    ]
    assert state.awaited_executions == []
    records.append({"kind": "run.resumed", "steps": [], "superseded": ["one.full.2"], "executions": {}})
    state = fold({"seq": seq, **record} for seq, record in enumerate(records, 1))
    assert not state.repeats
    assert not any(each.not_needed for each in state.executions.values())
