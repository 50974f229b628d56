# SPDX-License-Identifier: Apache-2.0
"""Where a series of results changed for good: which step, and how large it is. Pure.

Steps are found by PELT (R. Killick, P. Fearnhead and I. A. Eckley, Journal of the American Statistical Association 107,
2012), with the squared distance to the mean of a segment as cost, on logarithms, so that a step is a ratio. Around it:

- A value far from the median of its neighbours is moved to the edge of what noise gives (F. R. Hampel's filter), so
  that one bad run is no step; and no segment is shorter than LEAST points.
- The penalty follows from the noise: PENALTY x variance x log n. The variance is taken from the differences of
  neighbours, by their median, so that steps and outliers hardly count. Runs that follow each other may be alike; how
  much is told by the differences of next neighbours but one, and variance becomes the long-run variance
  (G. Romano, G. Rigaill, V. Runge and P. Fearnhead, Journal of the American Statistical Association 117, 2022).
- A step counts if the interval of the ratio of the medians on its two sides excludes 1, and if it is SMALLEST or more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ruptures import KernelCPD  # type: ignore[import-untyped]

from rackbench.baselines import statistics

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from rackbench.baselines.numbers import Results

# No segment is shorter: the medians of fewer points have no interval.
LEAST = statistics.LEAST[0.5]
# How many neighbouring variances a step must explain, in units of log n; 3 is for a mean that is estimated.
PENALTY = 3.0
# Steps below half a percent are of no interest to anybody, even where they are well known.
SMALLEST = 0.005
# The median absolute deviation of a normal distribution, in standard deviations.
_MAD = 0.6745
_WINDOW, _FAR = 11, 3.0
_MOST_ALIKE = 0.8


@dataclass(frozen=True, slots=True)
class Step:
    """A change for good: `at` is the index of the first point behind it; `before` and `after` are medians.

    `ratio` is after to before, `interval` where it is with 95 %.
    """

    at: int
    before: float
    after: float
    ratio: float
    interval: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Series:
    """A scenario over results, oldest first, on one kind of machine. Its values are p50, or `ips` if higher is better.

    `points` says which results they are: a run id, or the name of a file.
    """

    name: str
    fingerprint: str | None
    unit: str
    direction: str
    points: tuple[str, ...]
    values: tuple[float, ...]
    steps: tuple[Step, ...]

    @property
    def number(self) -> str:
        """Return which number of the scenario it is."""
        return "ips" if self.direction == "higher" else "p50"

    @property
    def enough(self) -> bool:
        """Return whether it is long enough to have a step."""
        return len(self.values) >= 2 * LEAST

    def is_worse(self, step: Step) -> bool:
        """Return whether it became worse with a step."""
        return (step.ratio > 1) == (self.direction == "lower")


def series(results: Iterable[Results], *, seed: int = statistics.SEED) -> list[Series]:
    """Return the series of results, which are oldest first, by name. A scenario in another unit is another one."""
    found: dict[tuple[str, str, str, str | None], list[tuple[str, float]]] = {}
    for each in results:
        point = each.run_id or each.path.name
        for scenario in each.scenarios.values():
            value = scenario.ips if scenario.direction == "higher" else scenario.p50
            if value is not None:
                key = (scenario.name, scenario.unit, scenario.direction, each.fingerprint)
                found.setdefault(key, []).append((point, value))
    return [
        Series(
            name,
            fingerprint,
            unit,
            direction,
            tuple(point for point, _value in points),
            tuple(value for _point, value in points),
            tuple(steps([value for _point, value in points], seed=seed)),
        )
        for (name, unit, direction, fingerprint), points in sorted(
            found.items(), key=lambda item: (*item[0][:3], item[0][3] or "")
        )
    ]


def steps(values: Sequence[float], *, seed: int = statistics.SEED) -> list[Step]:
    """Return the steps of a series of positive values, oldest first; none for one too short to have any."""
    series = np.asarray(values, dtype=float)
    if series.size < 2 * LEAST:
        return []
    logarithms = np.log(series)
    penalty = _penalty(logarithms)
    if not penalty:
        # More than half of all neighbours are equal, to the last digit: only what differs at all can be a step.
        penalty = 1e-12
    ends = KernelCPD(kernel="linear", min_size=LEAST).fit(_without_outliers(logarithms)).predict(pen=penalty)
    return _confirmed(series, ends[:-1], seed)


def _penalty(logarithms: NDArray[np.float64]) -> float:
    """Return what a further step must explain, as a sum of squares."""
    near, far = _spread(logarithms[1:] - logarithms[:-1]), _spread(logarithms[2:] - logarithms[:-2])
    if not near:
        return 0.0
    # Differences of neighbours have the variance 2 v (1 - r), and those of next neighbours 2 v (1 - r^2).
    alike = min(max((far / near) ** 2 - 1, 0.0), _MOST_ALIKE)
    variance = near**2 / (2 * (1 - alike))
    return PENALTY * variance * (1 + alike) / (1 - alike) * math.log(logarithms.size)


def _spread(differences: NDArray[np.float64]) -> float:
    return float(np.median(np.abs(differences))) / _MAD


def _without_outliers(logarithms: NDArray[np.float64]) -> NDArray[np.float64]:
    noise = _spread(logarithms[1:] - logarithms[:-1]) / math.sqrt(2)
    padded = np.pad(logarithms, _WINDOW // 2, mode="reflect")
    middle = np.median(np.lib.stride_tricks.sliding_window_view(padded, _WINDOW), axis=1)
    bounded: NDArray[np.float64] = np.clip(logarithms, middle - _FAR * noise, middle + _FAR * noise)
    return bounded


def _confirmed(series: NDArray[np.float64], cuts: Sequence[int], seed: int) -> list[Step]:
    """Return the steps at these cuts; the least one that does not count is taken away first, and its sides joined."""
    cuts = [int(cut) for cut in cuts]
    while True:
        edges = [0, *cuts, series.size]
        found = [
            _step(series, edges[index], edges[index + 1], edges[index + 2], seed)
            for index in range(len(cuts))
        ]
        weak = [step for step in found if not _counts(step)]
        if not weak:
            return found
        cuts.remove(min(weak, key=lambda step: abs(math.log(step.ratio))).at)


def _step(series: NDArray[np.float64], begin: int, cut: int, end: int, seed: int) -> Step:
    left, right = series[begin:cut], series[cut:end]
    before, after = float(np.median(left)), float(np.median(right))
    interval = statistics.quantile_ratio(statistics.sample(left), statistics.sample(right), 0.5, seed=seed)
    assert interval is not None, "no segment is shorter than LEAST"  # noqa: S101 - tells the type checker
    return Step(cut, before, after, after / before, interval)


def _counts(step: Step) -> bool:
    low, high = step.interval
    return not low <= 1 <= high and abs(math.log(step.ratio)) >= math.log(1 + SMALLEST)
