# SPDX-License-Identifier: Apache-2.0
"""Steps in series whose steps are known."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rackbench.baselines.history import LEAST, series, steps
from rackbench.baselines.numbers import Results, Scenario


def noise(seed: int, size: int, sigma: float = 0.02) -> np.ndarray:
    return np.random.default_rng(seed).lognormal(0, sigma, size)


def test_a_step_is_found_where_it_is_and_as_large_as_it_is() -> None:
    values = 100 * noise(1, 60)
    values[40:] *= 1.1
    (step,) = steps(values.tolist())
    assert abs(step.at - 40) <= 1
    assert step.ratio == pytest.approx(1.1, abs=0.02)
    assert step.interval[0] < 1.1 < step.interval[1]
    assert step.before == pytest.approx(100, rel=0.02)


def test_two_steps_are_two_also_when_the_second_one_undoes_the_first() -> None:
    values = noise(2, 90)
    values[30:60] *= 1.15
    up, down = steps(values.tolist())
    assert abs(up.at - 30) <= 1
    assert abs(down.at - 60) <= 1
    assert up.ratio > 1.1
    assert down.ratio < 0.9


@pytest.mark.parametrize("seed", range(20))
def test_noise_has_no_step(seed: int) -> None:
    assert steps(noise(seed, 80).tolist()) == []


def test_bad_runs_alone_and_in_a_pair_are_no_step() -> None:
    values = noise(3, 60)
    values[[10, 30, 31, 50]] *= 4
    assert steps(values.tolist()) == []


def test_equal_values_have_no_step_and_a_step_without_noise_is_found() -> None:
    assert steps([7.0] * 40) == []
    (step,) = steps([7.0] * 20 + [14.0] * 20)
    assert (step.at, step.ratio) == (20, 2.0)


def test_a_slow_trend_of_a_percent_is_not_a_row_of_steps() -> None:
    assert len(steps((noise(4, 100) * np.linspace(1, 1.01, 100)).tolist())) <= 1


@pytest.mark.parametrize("size", [0, 1, 2 * LEAST - 1])
def test_too_few_points_have_no_step(size: int) -> None:
    assert steps([1.0] * (size // 2) + [9.0] * (size - size // 2)) == []


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(1e-3, 1e6), min_size=0, max_size=80), st.floats(1e-2, 1e2))
def test_steps_are_in_order_far_enough_apart_and_the_same_in_any_unit(
    values: list[float], factor: float
) -> None:
    found = steps(values)
    edges = [0, *(step.at for step in found), len(values)]
    assert not found or all(after - before >= LEAST for before, after in pairwise(edges))
    assert all(not step.interval[0] <= 1 <= step.interval[1] for step in found)
    if len(set(values)) == len(values):
        assert len(steps([factor * value for value in values])) == len(found)


def test_series_are_of_one_machine_and_one_unit_and_tell_where_they_became_worse() -> None:
    def result(point: int, fingerprint: str) -> Results:
        slow = 1.0 if point < 10 else 2.0
        scenarios = {
            "time": Scenario("time", "us", 5.0 * slow, None, None, None, "lower"),
            "rate": Scenario("rate", "turns/s", None, None, None, 40.0 / slow, "higher"),
            "half": Scenario("half", "us", None, None, None, 3.0, "lower"),
        }
        return Results(scenarios, "made up", Path(f"{point}.json"), fingerprint, run_id=f"run-{point}")

    found = series([result(point, machine) for point in range(20) for machine in ("one", "other")])
    assert [(each.name, each.fingerprint) for each in found] == [
        ("rate", "one"),
        ("rate", "other"),
        ("time", "one"),
        ("time", "other"),
    ]
    for each in found:
        (step,) = each.steps
        assert (len(each.values), each.points[step.at], each.is_worse(step)) == (20, "run-10", True)
