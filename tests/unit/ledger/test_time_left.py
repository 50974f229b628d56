# SPDX-License-Identifier: Apache-2.0
"""How long an execution still takes, by what its family took before or by its pace."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rackbench.ledger.time_left import EARLIER, PACE, TimeLeft, time_left

SECONDS = st.floats(0, 1e6)
COUNTS = st.none() | st.floats(allow_nan=False, min_value=-10, max_value=1e9)


def test_a_quarter_done_in_ten_seconds_leaves_thirty() -> None:
    assert time_left(25, 100, 10.0, 0.0) == TimeLeft(30.0, PACE)


def test_what_went_by_since_the_heartbeat_counts() -> None:
    assert time_left(25, 100, 10.0, 5.0) == TimeLeft(25.0, PACE)
    assert time_left(25, 100, 10.0, 100.0) == TimeLeft(0.0, PACE)


def test_earlier_executions_of_the_family_tell_more_than_the_pace() -> None:
    assert time_left(1, 100, 10.0, 2.0, [40.0, 60.0, 50.0]) == TimeLeft(38.0, EARLIER)


def test_one_that_takes_longer_than_earlier_ones_is_judged_by_its_pace() -> None:
    assert time_left(50, 100, 60.0, 0.0, [40.0]) == TimeLeft(60.0, PACE)
    assert time_left(None, None, 60.0, 0.0, [40.0]) is None


@pytest.mark.parametrize(
    ("done", "total"),
    [(None, 10), (3, None), (0, 10), (-1, 10), (11, 10), (0, 0), (3, -10), (5e-324, 1e9)],
)
def test_progress_that_makes_no_sense_tells_nothing(done: float | None, total: float | None) -> None:
    assert time_left(done, total, 5.0, 0.0) is None


def test_without_a_heartbeat_nothing_is_known() -> None:
    assert time_left(3, 10, 0.0, 20.0) is None


@given(COUNTS, COUNTS, SECONDS, SECONDS, st.lists(SECONDS, max_size=5))
def test_an_estimate_is_never_negative_or_infinite(
    done: float | None, total: float | None, elapsed: float, since: float, earlier: list[float]
) -> None:
    found = time_left(done, total, elapsed, since, earlier)
    assert found is None or (found.seconds >= 0 and math.isfinite(found.seconds))
