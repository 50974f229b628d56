# SPDX-License-Identifier: Apache-2.0
"""How well a ratio is known: against scipy's bootstrap, by what it covers, and for series whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rackbench.baselines.statistics import LEAST, Sample, mean_ratio, quantile_ratio, sample
from scipy import stats


def lognormal(seed: int, size: int, median: float = 1.0, sigma: float = 0.1) -> np.ndarray:
    return median * np.random.default_rng(seed).lognormal(0, sigma, size)


@pytest.mark.parametrize("quantile", [0.5, 0.95])
def test_the_interval_is_that_of_scipys_percentile_bootstrap(quantile: float) -> None:
    before, after = lognormal(1, 101), lognormal(2, 80, 1.2)
    ours = quantile_ratio(sample(before), sample(after), quantile)
    theirs = stats.bootstrap(
        (before, after),
        lambda one, other, axis: (
            np.quantile(other, quantile, axis=axis) / np.quantile(one, quantile, axis=axis)
        ),
        method="percentile",
        n_resamples=9_999,
        rng=np.random.default_rng(3),
    ).confidence_interval
    assert ours == pytest.approx((theirs.low, theirs.high), rel=0.01)


def test_the_interval_of_means_is_near_scipys() -> None:
    before, after = lognormal(1, 100), lognormal(2, 80, 1.2)
    theirs = stats.bootstrap(
        (before, after),
        lambda one, other, axis: other.mean(axis=axis) / one.mean(axis=axis),
        method="percentile",
        n_resamples=4_999,
        rng=np.random.default_rng(3),
    ).confidence_interval
    assert mean_ratio(sample(before), sample(after)) == pytest.approx((theirs.low, theirs.high), rel=0.01)


@pytest.mark.parametrize("quantile", LEAST)
def test_intervals_hold_the_true_ratio_about_as_often_as_they_say(quantile: float) -> None:
    random = np.random.default_rng(4)
    rounds, inside = 400, 0
    for _ in range(rounds):
        before, after = (random.lognormal(0, 0.2, LEAST[quantile]) for _ in range(2))
        known = quantile_ratio(sample(before), sample(2 * after), quantile)
        assert known is not None
        inside += known[0] <= 2 <= known[1]
    assert 0.87 <= inside / rounds <= 0.995


@pytest.mark.parametrize(("quantile", "least"), LEAST.items())
def test_one_sample_fewer_than_needed_on_either_side_has_no_interval(quantile: float, least: int) -> None:
    enough, few = sample(lognormal(1, least)), sample(lognormal(2, least - 1))
    assert quantile_ratio(enough, enough, quantile) is not None
    assert quantile_ratio(enough, few, quantile) is None
    assert quantile_ratio(few, enough, quantile) is None


def test_no_samples_have_no_interval() -> None:
    assert quantile_ratio(sample([]), sample(lognormal(1, 100)), 0.5) is None
    assert mean_ratio(sample([]), sample(lognormal(1, 100))) is None


def test_constant_samples_have_an_interval_without_width() -> None:
    assert quantile_ratio(sample([2.0] * 9), sample([3.0] * 9), 0.5) == (1.5, 1.5)
    assert mean_ratio(sample([2.0] * 9), sample([3.0] * 9)) == pytest.approx((1.5, 1.5))


def test_the_same_seed_gives_the_same_and_another_seed_another_interval() -> None:
    before, after = sample(lognormal(1, 50)), sample(lognormal(2, 50))
    assert quantile_ratio(before, after, 0.5, seed=1) == quantile_ratio(before, after, 0.5, seed=1)
    assert quantile_ratio(before, after, 0.5, seed=1) != quantile_ratio(before, after, 0.5, seed=2)


def test_independent_samples_count_in_full_also_with_ties() -> None:
    random = np.random.default_rng(5)
    assert sample(random.permutation(np.repeat([1.0, 2.0, 3.0], 40))).effective == 120
    assert sample([1.0, 2.0] * 30).effective == 60


def test_samples_that_follow_each_other_alike_count_less() -> None:
    random = np.random.default_rng(6)
    values = [0.0]
    for push in random.normal(0, 1, 4_000):
        values.append(0.6 * values[-1] + push)
    # (1 - 0.6) / (1 + 0.6) of them; the correlation of ranks is a little smaller.
    assert sample(np.exp(np.array(values) / 10)).effective == pytest.approx(4_000 / 4, rel=0.2)
    assert sample(range(1, 101)).effective < 6


positive = st.lists(st.floats(1e-3, 1e6), min_size=6, max_size=60)


@settings(max_examples=60, deadline=None)
@given(positive, positive, st.floats(1e-3, 1e3))
def test_the_interval_lies_within_the_values_and_scales_with_them(
    before: list[float], after: list[float], factor: float
) -> None:
    known = quantile_ratio(sample(before), sample(after), 0.5)
    assert known is not None
    low, high = known
    assert min(after) / max(before) * (1 - 1e-9) <= low <= high <= max(after) / min(before) * (1 + 1e-9)
    scaled = quantile_ratio(sample(before), sample([factor * value for value in after]), 0.5)
    assert scaled == pytest.approx((factor * low, factor * high), rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(positive, positive)
def test_the_interval_of_means_holds_the_ratio_of_the_means(before: list[float], after: list[float]) -> None:
    known = mean_ratio(sample(before), sample(after))
    assert known is not None
    ratio = (math.fsum(after) / len(after)) / (math.fsum(before) / len(before))
    assert known[0] * (1 - 1e-9) <= ratio <= known[1] * (1 + 1e-9)


def repeats(random: np.random.Generator, executions: int, size: int = 20) -> Sample:
    """Return quiet samples of executions that are off by 5 % each."""
    levels = np.repeat(random.normal(0, 0.05, executions), size)
    return sample(np.exp(levels + random.normal(0, 0.01, executions * size)), [size] * executions)


@pytest.mark.parametrize(
    ("executions", "quantile"), [((5, 5), 0.5), ((5, 5), 0.95), ((3, 3), 0.5), ((1, 5), 0.5)]
)
def test_intervals_over_executions_of_a_level_of_their_own_hold_the_true_ratio(
    executions: tuple[int, int], quantile: float
) -> None:
    random = np.random.default_rng(7)
    rounds, quantiles, means = 200, 0, 0
    for _ in range(rounds):
        before, after = (repeats(random, count) for count in executions)
        known, mean = quantile_ratio(before, after, quantile), mean_ratio(before, after)
        assert known is not None
        assert mean is not None
        quantiles += known[0] <= 1 <= known[1]
        means += mean[0] <= 1 <= mean[1]
    assert quantiles / rounds >= 0.86
    assert means / rounds >= 0.88


def test_one_execution_against_two_has_no_interval_for_nobody_knows_how_executions_differ() -> None:
    random = np.random.default_rng(8)
    one, two = repeats(random, 1), repeats(random, 2)
    assert quantile_ratio(one, two, 0.5) is None
    assert mean_ratio(two, one) is None
    assert quantile_ratio(two, two, 0.5) is not None


@pytest.mark.parametrize("freedom", [2, 3, 4, 8, 30, 1000])
def test_the_interval_over_executions_of_equal_samples_is_students(freedom: int) -> None:
    random = np.random.default_rng(9)
    before, after = np.exp(random.normal(0, 0.1, 8)), np.exp(random.normal(0, 0.1, freedom))
    # One execution of eight samples has no scatter of its own; the other side has as many as freedom + 1.
    after = np.append(after, 1.0)
    known = mean_ratio(sample(before), sample(np.repeat(after, 6), [6] * after.size))
    assert known is not None
    error = np.std(np.log(after), ddof=1) * math.sqrt(1 + 1 / after.size)
    half = stats.t.ppf(0.975, freedom) * error
    assert math.log(known[1] / known[0]) / 2 == pytest.approx(half, rel=0.01)
