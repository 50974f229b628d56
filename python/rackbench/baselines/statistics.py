# SPDX-License-Identifier: Apache-2.0
"""How well the ratio of two quantiles, or of two means, is known: 95 % intervals. Pure, and the same for the same seed.

For quantiles it is the percentile interval of the bootstrap (B. Efron and R. J. Tibshirani, An Introduction to the
Bootstrap, Chapman & Hall 1993, chapter 13). BCa (chapter 14 there) needs the jackknife, which is not consistent for
quantiles (chapter 11).

Resamples are never drawn. What a quantile of n independent draws from a sample is depends on two neighbouring order
statistics only, and those of n uniform numbers are known: the k-th is Beta(k, n - k + 1), and the next one is the
least of the n - k that lie above it (H. A. David and H. N. Nagaraja, Order Statistics, 3rd edition, Wiley 2003,
chapter 2). So one resample costs two random numbers, however large the sample is.

Samples that follow each other are often alike, and then n of them tell less than n. If the rank correlation of
neighbours is more than chance, n is taken as n (1 - r) / (1 + r), as for an autoregressive series of the first order
(F. W. Zwiers and H. von Storch, Journal of Climate 8, 1995, pages 336 to 351). Samples have to be in the order of
measurement.

Samples of one execution are alike in what differs between executions: where memory lay, which CPUs it got. When it is
told which samples are of one, the interval also holds Student's, over the executions: the scatter of the logarithms of
their quantiles (or means), taken as equal on both sides, around the ratio of all samples. How often
it holds the true ratio is told in docs/explanation/gate.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    Interval: TypeAlias = tuple[float, float]

LEVEL = 0.95
SEED = 8
# With these the ends of a 95 % interval are the 50th and the 1,950th of all resamples.
RESAMPLES = 1_999
# How many samples each quantile needs: from there on its intervals cover about 90 % or more, by our simulation.
LEAST: Mapping[float, int] = {0.5: 6, 0.95: 20, 0.99: 40}
_LEAST_FOR_MEAN = 6
_LEAST_EFFECTIVE = 3
# Neighbours are alike when chance gives a correlation as large in fewer than 5 % of all series.
_ALIKE = 1.645
_MOST_ALIKE = 0.98
# What both sides must have of executions, beyond the first of each: with one, Student's interval is 13 deviations wide.
LEAST_FREEDOM = 2


@dataclass(frozen=True, slots=True)
class Sample:
    """Positive values in ascending order, and how many independent ones tell as much as they do.

    `executions` has the values of each execution in ascending order, also if there is one.
    """

    ordered: NDArray[np.float64]
    effective: int
    executions: tuple[NDArray[np.float64], ...]

    @property
    def size(self) -> int:
        """Return how many values there are."""
        return self.ordered.size


def sample(values: ArrayLike, executions: Sequence[int] = ()) -> Sample:
    """Return values, which are in the order of measurement, as they are asked below.

    `executions` says how many are of each execution, one after the other; nothing: all are of one.
    """
    measured = np.asarray(values, dtype=float)
    ordered = np.sort(measured)
    parts = np.split(measured, np.cumsum(executions)[:-1]) if len(executions) > 1 else ()
    return Sample(ordered, _effective_size(measured), tuple(map(np.sort, parts)) or (ordered,))


def quantile_ratio(before: Sample, after: Sample, quantile: float, *, seed: int = SEED) -> Interval | None:
    """Return the interval of the ratio of a quantile of `after` to that of `before`; the quantile is one of LEAST.

    None: one of the two has too few values, or both together too few executions.
    """
    if min(before.size, after.size) < LEAST[quantile]:
        return None
    random = np.random.default_rng((seed, before.size, after.size, round(quantile * 1000)))
    ratios = np.sort(_resampled(after, quantile, random) / _resampled(before, quantile, random))
    rank = round((RESAMPLES + 1) * (1 - LEVEL) / 2)
    within = float(ratios[rank - 1]), float(ratios[-rank])
    return _with_executions(before, after, within, lambda ordered: _quantile(ordered, quantile))


def mean_ratio(before: Sample, after: Sample) -> Interval | None:
    """Return the interval of the ratio of the mean of `after` to that of `before`.

    It is that of the normal distribution, for the logarithm of the ratio (the delta method: G. Casella and
    R. L. Berger, Statistical Inference, 2nd edition, 2002, section 5.5.4). None: one of the two has too few values, or
    both together too few executions.
    """
    if min(before.size, after.size) < _LEAST_FOR_MEAN:
        return None
    variance, ratio = 0.0, 1.0
    for each, power in ((before, -1), (after, 1)):
        mean = float(each.ordered.mean())
        variance += float(each.ordered.var(ddof=1)) / (mean**2 * each.effective)
        ratio *= mean**power
    factor = math.exp(NormalDist().inv_cdf((1 + LEVEL) / 2) * math.sqrt(variance))
    return _with_executions(
        before, after, (ratio / factor, ratio * factor), lambda ordered: float(ordered.mean())
    )


def _with_executions(
    before: Sample, after: Sample, within: Interval, of: Callable[[NDArray[np.float64]], float]
) -> Interval | None:
    """Return an interval widened by what differs between executions; None if there are too few of them to know."""
    scatter, parts, freedom = 0.0, 0.0, 0
    for each in (before, after):
        logarithms = [math.log(of(execution)) for execution in each.executions]
        middle = math.fsum(logarithms) / len(logarithms)
        scatter += math.fsum((one - middle) ** 2 for one in logarithms)
        parts += 1 / len(logarithms)
        freedom += len(logarithms) - 1
    if not freedom:
        return within
    if freedom < LEAST_FREEDOM:
        return None
    factor = math.exp(_student(freedom) * math.sqrt(scatter / freedom * parts))
    ratio = of(after.ordered) / of(before.ordered)
    return min(within[0], ratio / factor), max(within[1], ratio * factor)


def _student(freedom: int) -> float:
    """Return how many standard errors Student's interval reaches to each side: within 1 % from 2 degrees of freedom on.

    It is the expansion 26.7.5 of M. Abramowitz and I. A. Stegun, Handbook of Mathematical Functions, 1964.
    """
    x = NormalDist().inv_cdf((1 + LEVEL) / 2)
    terms = (
        (x**3 + x) / 4,
        (5 * x**5 + 16 * x**3 + 3 * x) / 96,
        (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384,
        (79 * x**9 + 776 * x**7 + 1482 * x**5 - 1920 * x**3 - 945 * x) / 92160,
    )
    return x + sum(term / float(freedom) ** power for power, term in enumerate(terms, 1))


def _quantile(ordered: NDArray[np.float64], quantile: float) -> float:
    """Return a quantile as `numpy.quantile` has it, of values in ascending order."""
    place = (ordered.size - 1) * quantile
    below = math.floor(place)
    low, high = float(ordered[below]), float(ordered[min(below + 1, ordered.size - 1)])
    return low + (high - low) * (place - below)


def _effective_size(measured: NDArray[np.float64]) -> int:
    if not measured.size:
        return 0
    _different, places, counts = np.unique(measured, return_inverse=True, return_counts=True)
    # Equal values share the middle of their ranks.
    ranks = (np.cumsum(counts) - counts / 2)[places]
    ranks -= ranks.mean()
    spread = float(ranks @ ranks)
    alike = float(ranks[1:] @ ranks[:-1]) / spread if spread else 0.0
    if alike <= _ALIKE / math.sqrt(measured.size):
        return measured.size
    alike = min(alike, _MOST_ALIKE)
    return max(_LEAST_EFFECTIVE, round(measured.size * (1 - alike) / (1 + alike)))


def _resampled(of: Sample, quantile: float, random: np.random.Generator) -> NDArray[np.float64]:
    """Return the quantile of each resample, between two neighbours as `numpy.quantile` has it."""
    size = of.effective
    whole = math.floor((size - 1) * quantile)
    part = (size - 1) * quantile - whole
    below = random.beta(whole + 1, size - whole, RESAMPLES)
    least = of.ordered[_positions(below, of.size)]
    if part < 1e-9:  # a whole number, counted in floats
        return least
    above = below + (1 - below) * (1 - random.random(RESAMPLES) ** (1 / (size - whole - 1)))
    return least + part * (of.ordered[_positions(above, of.size)] - least)


def _positions(uniform: NDArray[np.float64], size: int) -> NDArray[np.intp]:
    return np.minimum((uniform * size).astype(np.intp), size - 1)
