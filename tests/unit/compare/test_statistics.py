# SPDX-License-Identifier: Apache-2.0
"""The interval of a median, against the binomial distribution summed up in whole numbers and against counting."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rackbench.compare.statistics import interval_rank, median_interval, summary

NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=32)


def coverage(n: int, rank: int) -> Fraction:
    """Return exactly how often the rank-th least and greatest of n values enclose the median."""
    return Fraction(sum(math.comb(n, below) for below in range(rank, n - rank + 1)), 2**n)


@pytest.mark.parametrize("n", range(300))
def test_the_rank_is_the_greatest_that_holds_95_percent(n: int) -> None:
    good = [rank for rank in range(1, n // 2 + 1) if coverage(n, rank) >= Fraction(95, 100)]
    assert interval_rank(n) == max(good, default=None)


@pytest.mark.parametrize(
    ("n", "rank"), [(6, 1), (8, 1), (9, 2), (11, 2), (12, 3), (15, 4), (17, 5), (20, 6), (1000, 469)]
)
def test_the_ranks_are_those_of_printed_tables(n: int, rank: int) -> None:
    assert interval_rank(n) == rank


@pytest.mark.parametrize("n", range(6, 13))
def test_counting_all_ways_to_fall_above_and_below_gives_95_percent(n: int) -> None:
    held = 0
    for signs in itertools.product((-1, 1), repeat=n):
        interval = median_interval([float(sign * (place + 1)) for place, sign in enumerate(signs)])
        assert interval is not None
        held += interval[0] <= 0 <= interval[1]
    assert held / 2**n >= 0.95


def test_a_million_values_have_an_interval_near_that_of_the_normal_distribution() -> None:
    rank = interval_rank(10**6)
    assert rank is not None
    assert abs(rank - (10**6 / 2 - 1.959964 * 1000 / 2)) <= 2


@given(st.lists(NUMBERS, max_size=5))
def test_fewer_than_six_values_have_no_interval(values: list[float]) -> None:
    assert median_interval(values) is None


@given(st.lists(NUMBERS, min_size=6, max_size=60), st.randoms())
def test_the_interval_holds_the_median_and_is_made_of_the_values_in_any_order(
    values: list[float], random: object
) -> None:
    found = summary([[value] for value in values])
    assert found.interval is not None
    low, high = found.interval
    assert low <= found.median <= high
    assert {low, high} <= set(values)
    random.shuffle(values)  # type: ignore[attr-defined]
    assert summary([[value] for value in values]) == found


def test_several_executions_count_once_each_and_one_by_its_samples() -> None:
    alone = summary([[3.0, 1.0, 2.0]])
    assert (alone.n, alone.of, alone.median) == (3, "samples", 2.0)
    both = summary([[1.0, 1.0, 9.0], [5.0] * 100])
    assert (both.n, both.of, both.median) == (2, "executions", 3.0)
    assert both.interval is None
