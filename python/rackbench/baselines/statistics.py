# SPDX-License-Identifier: Apache-2.0
"""How well the ratio of two quantiles, or of two means, is known: 95 % intervals. Pure, and the same for the same seed.

For quantiles it is the percentile interval of the bootstrap (B. Efron and R. J. Tibshirani, An Introduction to the
Bootstrap, Chapman & Hall 1993, chapter 13). BCa (chapter 14 there) needs the jackknife, which is not consistent for
quantiles (chapter 11), and with the bias correction alone it covered less in our simulation: docs/explanation/gate.md.

Resamples are never drawn. What a quantile of n independent draws from a sample is depends on two neighbouring order
statistics only, and those of n uniform numbers are known: the k-th is Beta(k, n - k + 1), and the next one is the
least of the n - k that lie above it (H. A. David and H. N. Nagaraja, Order Statistics, 3rd edition, Wiley 2003,
chapter 2). So one resample costs two random numbers, however large the sample is.

Samples that follow each other are often alike, and then n of them tell less than n. If the rank correlation of
neighbours is more than chance, n is taken as n (1 - r) / (1 + r), as for an autoregressive series of the first order
(F. W. Zwiers and H. von Storch, Journal of Climate 8, 1995, pages 336 to 351). Samples have to be in the order of
measurement.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import norm, rankdata

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

LEVEL = 0.95
SEED = 8
RESAMPLES = 3_999
# How many samples each quantile needs: from there on its intervals cover 90 % at least, by our simulation.
LEAST: Mapping[float, int] = {0.5: 6, 0.95: 20, 0.99: 40}
_LEAST_FOR_MEAN = 6
_LEAST_EFFECTIVE = 3
# Neighbours are alike when chance gives a correlation as large in fewer than 5 % of all series.
_ALIKE = 1.645
_MOST_ALIKE = 0.98


def quantile_ratio(
    before: ArrayLike, after: ArrayLike, quantile: float, *, seed: int = SEED
) -> tuple[float, float] | None:
    """Return the interval of the ratio of a quantile of `after` to that of `before`, which are positive.

    The quantile is one of LEAST. None: one of the two has too few samples.
    """
    old, new = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    if min(old.size, new.size) < LEAST[quantile]:
        return None
    random = np.random.default_rng((seed, old.size, new.size, round(quantile * 1000)))
    drawn = _resampled(new, quantile, random) / _resampled(old, quantile, random)
    low, high = np.quantile(drawn, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return float(low), float(high)


def mean_ratio(before: ArrayLike, after: ArrayLike) -> tuple[float, float] | None:
    """Return the interval of the ratio of the mean of `after` to that of `before`, which are positive.

    It is that of the normal distribution, for the logarithm of the ratio (the delta method: G. Casella and
    R. L. Berger, Statistical Inference, 2nd edition, 2002, section 5.5.4). None: one of the two has too few samples.
    """
    old, new = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    if min(old.size, new.size) < _LEAST_FOR_MEAN:
        return None
    variance = sum(
        float(values.var(ddof=1)) / (float(values.mean()) ** 2 * effective_size(values))
        for values in (old, new)
    )
    ratio = float(new.mean() / old.mean())
    factor = math.exp(float(norm.ppf((1 + LEVEL) / 2)) * math.sqrt(variance))
    return ratio / factor, ratio * factor


def effective_size(values: NDArray[np.float64]) -> int:
    """Return how many independent samples tell as much as these, which are in the order of measurement."""
    ranks = rankdata(values)
    ranks -= ranks.mean()
    spread = float(ranks @ ranks)
    alike = float(ranks[1:] @ ranks[:-1]) / spread if spread else 0.0
    if alike <= _ALIKE / math.sqrt(values.size):
        return values.size
    alike = min(alike, _MOST_ALIKE)
    return max(_LEAST_EFFECTIVE, round(values.size * (1 - alike) / (1 + alike)))


def _resampled(
    values: NDArray[np.float64], quantile: float, random: np.random.Generator
) -> NDArray[np.float64]:
    """Return the quantile of each resample, between two neighbours as `numpy.quantile` has it."""
    size = effective_size(values)
    whole = math.floor((size - 1) * quantile)
    part = (size - 1) * quantile - whole
    ordered = np.sort(values)
    below = random.beta(whole + 1, size - whole, RESAMPLES)
    least = ordered[_positions(below, values.size)]
    if part < 1e-9:  # a whole number, counted in floats
        return least
    above = below + (1 - below) * (1 - random.random(RESAMPLES) ** (1 / (size - whole - 1)))
    return least + part * (ordered[_positions(above, values.size)] - least)


def _positions(uniform: NDArray[np.float64], size: int) -> NDArray[np.intp]:
    return np.minimum((uniform * size).astype(np.intp), size - 1)
