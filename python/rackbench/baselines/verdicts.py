# SPDX-License-Identifier: Apache-2.0
"""What the gate says of one scenario. Pure; how well a ratio is known is told by the caller."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from rackbench.baselines.numbers import Placeholder, Scenario

if TYPE_CHECKING:
    from collections.abc import Callable

    from rackbench.baselines.numbers import Tolerance

OK, REGRESSED, IMPROVED, NOISY = "ok", "REGRESSED", "IMPROVED", "NOISY"
MISSING_IN_BASELINE, MISSING_IN_RESULTS = "MISSING IN BASELINE", "MISSING IN RESULTS"
PLACEHOLDER, INCOMPARABLE = "PLACEHOLDER", "INCOMPARABLE"
# The worst first, as they are listed.
STATUSES = (
    REGRESSED,
    INCOMPARABLE,
    MISSING_IN_RESULTS,
    MISSING_IN_BASELINE,
    PLACEHOLDER,
    NOISY,
    IMPROVED,
    OK,
)
FAILING = frozenset({REGRESSED, INCOMPARABLE, MISSING_IN_RESULTS, MISSING_IN_BASELINE, PLACEHOLDER})
# What a single number is found to be.
WITHIN, WORSE, BETTER, NOISE = "within", "worse", "better", "noise"
# A ratio of floats that should be its limit may be off by a few of the last digits.
_ROUNDING = 1e-9

Interval: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Check:
    """One number of a scenario against its limit. `ratio` is `after` to `before`.

    `interval` is where the ratio is with 95 %, None without enough samples: the ratio alone decides then.
    """

    number: str
    before: float
    after: float
    ratio: float
    limit: float
    interval: Interval | None
    meaning: str

    @property
    def beyond(self) -> float:
        """Return how far the ratio went on the way to its limit, in logarithms: 1 is there, below 0 is better."""
        if self.limit in {0, 1}:
            return math.inf if self.meaning == WORSE else 0.0
        return math.log(self.ratio) / math.log(self.limit)


@dataclass(frozen=True, slots=True)
class Row:
    """A scenario with its status, and why in words; `ratio_alone` says that no interval could be asked.

    `samples` is how many there are in the baseline and in the results.
    """

    name: str
    status: str
    why: str
    unit: str
    samples: tuple[int, int]
    checks: tuple[Check, ...]
    again: Row | None = None

    @property
    def fails(self) -> bool:
        """Return whether it fails an active gate."""
        return self.status in FAILING

    @property
    def ratio_alone(self) -> bool:
        """Return whether a number was decided by its ratio alone, for want of samples."""
        asked = [check for check in self.checks if check.meaning != WITHIN] or self.checks[:1]
        return any(check.interval is None for check in asked)

    @property
    def shown(self) -> Check | None:
        """Return the number that the status is about: the one furthest past its limit, or the first one."""
        meaning = {REGRESSED: WORSE, NOISY: NOISE, IMPROVED: BETTER}.get(self.status)
        asked = [check for check in self.checks if check.meaning == meaning] or self.checks[:1]
        return max(asked, key=lambda check: abs(check.beyond), default=None)


def judge(
    name: str,
    before: Scenario | Placeholder | None,
    after: Scenario | None,
    tolerance: Tolerance,
    interval: Callable[[str, Scenario, Scenario], Interval | None],
) -> Row:
    """Return what the gate says of a scenario that the baseline, the results or both have.

    `interval` is asked only for numbers that are past their limit, in either direction, and for the first one.
    """
    if after is None:
        unit = before.unit if isinstance(before, Scenario) else ""
        return Row(name, MISSING_IN_RESULTS, "The results do not have it.", unit, (_size(before), 0), ())
    sizes = (_size(before), len(after.samples))
    if before is None:
        why = "The baseline does not have it."
        return Row(name, MISSING_IN_BASELINE, why, after.unit, sizes, ())
    if isinstance(before, Placeholder):
        return Row(name, PLACEHOLDER, "The baseline has no number for it yet.", after.unit, sizes, ())
    if (before.unit, before.direction) != (after.unit, after.direction):
        kinds = [f"{each.unit}, {each.direction} is better" for each in (before, after)]
        why = f"The baseline is in {kinds[0]}; the results are in {kinds[1]}."
        return Row(name, INCOMPARABLE, why, after.unit, sizes, ())
    checks = tuple(_checks(before, after, tolerance, interval))
    status, why = _status(before, after, checks)
    return Row(name, status, why, after.unit, sizes, checks)


def _checks(
    before: Scenario,
    after: Scenario,
    tolerance: Tolerance,
    interval: Callable[[str, Scenario, Scenario], Interval | None],
) -> list[Check]:
    found: list[Check] = []
    for number in before.expected:
        old, new = getattr(before, number), getattr(after, number)
        if old is None or new is None:
            continue
        lower = number != "ips"
        limit = getattr(tolerance, f"{number}_{'max' if lower else 'min'}_ratio")
        # What a float cannot hold is as far as it can.
        ratio = min(max(new / old, sys.float_info.min), sys.float_info.max)
        # How much worse it is, and how much worse it may be, whichever direction is better.
        times, allowed = (ratio, limit) if lower else (1 / ratio, 1 / limit)
        meaning = WITHIN
        if times > allowed * (1 + _ROUNDING):
            meaning = WORSE
        elif times * allowed < 1 - _ROUNDING:
            meaning = BETTER
        known = interval(number, before, after) if meaning != WITHIN or not found else None
        # An interval wholly on the other side comes of samples that are not those of the number: no proof either.
        greater = (meaning == WORSE) == lower
        if meaning != WITHIN and known is not None and (known[0] <= 1 if greater else known[1] >= 1):
            meaning = NOISE
        found.append(Check(number, old, new, ratio, limit, known, meaning))
    return found


def _status(before: Scenario, after: Scenario, checks: tuple[Check, ...]) -> tuple[str, str]:
    """Return the status with the reason; a number that is worse weighs more than one that is missing."""
    gone = [
        (status, f"The {where} no {', '.join(each.missing)}.")
        for status, where, each in (
            (PLACEHOLDER, "baseline has", before),
            (MISSING_IN_RESULTS, "results have", after),
        )
        if each.missing
    ]
    found = [
        (status, f"{', '.join(_past(check) for check in checks if check.meaning == meaning)}.")
        for status, meaning in ((REGRESSED, WORSE), (NOISY, NOISE), (IMPROVED, BETTER))
        if any(check.meaning == meaning for check in checks)
    ]
    worse = [each for each in found if each[0] == REGRESSED]
    ordered = [*worse, *gone, *(each for each in found if each not in worse)]
    if not ordered:
        return OK, ""
    return ordered[0][0], " ".join(why for _status, why in ordered)


def _past(check: Check) -> str:
    bound = f"{check.limit:g} at {'least' if check.number == 'ips' else 'most'}"
    notes = {WORSE: bound, NOISE: f"{bound}, but it may be noise", BETTER: "better"}[check.meaning]
    alone = ", by the ratio alone" if check.interval is None else ""
    return f"{check.number} {check.ratio:.3g} times ({notes}{alone})"


def _size(scenario: Scenario | Placeholder | None) -> int:
    return len(scenario.samples) if isinstance(scenario, Scenario) else 0
