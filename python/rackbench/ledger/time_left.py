# SPDX-License-Identifier: Apache-2.0
"""How long an execution still takes: an estimate, and what it rests on. Pure."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# As long as earlier executions of the same family in this run took, by their median.
EARLIER = "earlier"
# What is left at the pace since it began.
PACE = "pace"


@dataclass(frozen=True, slots=True)
class TimeLeft:
    """How many seconds are left, and by what: `EARLIER` or `PACE`."""

    seconds: float
    by: str


def time_left(
    done: float | None,
    total: float | None,
    elapsed_s: float,
    since_s: float,
    earlier: Sequence[float] = (),
) -> TimeLeft | None:
    """Return how long an execution still takes, or None when nothing tells.

    Its last heartbeat, `since_s` ago, said that `done` of `total` were done after `elapsed_s`. `earlier` holds the
    seconds that other executions of its family took: a family's parameters do not change, so they tell more than the
    pace of something whose parts take differently long. One that takes longer than they did is judged by its pace.
    """
    so_far = elapsed_s + since_s
    if earlier and (usual := statistics.median(earlier)) > so_far:
        return TimeLeft(round(usual - so_far, 3), EARLIER)
    if done is None or total is None or not 0 < done <= total or elapsed_s <= 0:
        return None
    seconds = elapsed_s * (total / done) - so_far
    return TimeLeft(round(max(0.0, seconds), 3), PACE) if math.isfinite(seconds) else None
