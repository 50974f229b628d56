# SPDX-License-Identifier: Apache-2.0
"""Results held against a baseline: every scenario of the two, with what the gate says of it, and of all together."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from rackbench.baselines import statistics
from rackbench.baselines.verdicts import (
    FAILING,
    INCOMPARABLE,
    NOISY,
    REGRESSED,
    STATUSES,
    Row,
    judge,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rackbench.baselines.numbers import Baseline, Results, Scenario
    from rackbench.baselines.verdicts import Interval

_QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the gate says: a row for each scenario, worst first. `remarks` are to be read before the rows.

    `again` are the results of the suspects that were run again, None where that was not asked for or not possible.
    """

    baseline: Baseline
    results: Results
    rows: tuple[Row, ...]
    remarks: tuple[str, ...]
    seed: int
    again: Results | None = None

    @property
    def counts(self) -> Mapping[str, int]:
        """Return how many scenarios have which status, worst first; only those that there are."""
        counted = Counter(row.status for row in self.rows)
        return {status: counted[status] for status in STATUSES if counted[status]}

    @property
    def would_fail(self) -> bool:
        """Return whether an active gate fails: on any failing row, and when nothing at all was compared."""
        return not self.rows or any(row.fails for row in self.rows)

    @property
    def fails(self) -> bool:
        """Return whether this gate fails, which it never does before it is armed."""
        return self.baseline.active and self.would_fail

    @property
    def reasons(self) -> str:
        """Return why it fails in a few words, such as `2 REGRESSED, 1 PLACEHOLDER`; empty when it would not."""
        failing = Counter(row.status for row in self.rows if row.fails)
        counted = ", ".join(f"{failing[status]} {status}" for status in STATUSES if failing[status])
        return counted if self.rows else "nothing was compared"

    @property
    def headline(self) -> str:
        """Return the verdict in one line."""
        if self.baseline.active:
            return f"failed: {self.reasons}" if self.fails else "passed"
        return f"scaffold (would fail: {self.reasons})" if self.would_fail else "scaffold (would pass)"

    @property
    def suspects(self) -> tuple[Row, ...]:
        """Return the scenarios that regressed."""
        return tuple(row for row in self.rows if row.status == REGRESSED)


def compare(
    baseline: Baseline,
    results: Results,
    *,
    allow_fingerprint: bool = False,
    seed: int = statistics.SEED,
) -> Comparison:
    """Return what the gate says of results.

    Those of another machine are INCOMPARABLE, unless `allow_fingerprint`; and so are those of nobody knows which
    machine, if the baseline says of which one it is.
    """

    # A scenario is asked for several numbers, one after the other.
    @lru_cache(maxsize=2)
    def sample(scenario: Scenario) -> statistics.Sample:
        return statistics.sample(scenario.samples, scenario.executions)

    def interval(number: str, before: Scenario, after: Scenario) -> Interval | None:
        try:
            with np.errstate(over="raise", invalid="raise", divide="raise"):
                known = known_of(number, before, after)
        except ArithmeticError:
            # Floats do not reach from one to the other; then the ratio says enough.
            return None
        return known if known and all(map(math.isfinite, known)) else None

    def known_of(number: str, before: Scenario, after: Scenario) -> Interval | None:
        old, new = sample(before), sample(after)
        if number in _QUANTILES:
            return statistics.quantile_ratio(old, new, _QUANTILES[number], seed=seed)
        if before.direction == "higher":
            return statistics.quantile_ratio(old, new, 0.5, seed=seed)
        # Iterations per second beside times are the inverse of their mean.
        known = statistics.mean_ratio(old, new)
        return known and (1 / known[1], 1 / known[0])

    names = dict.fromkeys([*baseline.scenarios, *results.scenarios])
    rows = [
        judge(
            name,
            baseline.scenarios.get(name),
            results.scenarios.get(name),
            baseline.scenario_tolerance(name),
            interval,
        )
        for name in names
    ]
    other = _other_machine(baseline, results)
    if other and not allow_fingerprint:
        rows = [replace(row, status=INCOMPARABLE, why=other) if row.checks else row for row in rows]
    return Comparison(
        baseline, results, _ordered(rows), (*results.remarks, *_remarks(baseline, rows, other)), seed
    )


def confirmed(first: Comparison, second: Comparison) -> Comparison:
    """Return the comparison in which a scenario regressed only if it did so in both: `second` is of the suspects.

    A suspect that `second` does not tell of, or tells of without all its numbers, stays what it is.
    """
    again = {row.name: row for row in second.rows if row.checks}
    rows = [_twice(row, again.get(row.name)) if row.status == REGRESSED else row for row in first.rows]
    remarks = (*first.remarks, *(f"Run again: {remark}" for remark in second.results.remarks))
    return replace(first, rows=_ordered(rows), remarks=remarks, again=second.results)


def _twice(row: Row, again: Row | None) -> Row:
    if again is None:
        return replace(row, why=f"{row.why} It has no number of the run that was to confirm it.")
    # What has no number, say, does not clear anybody.
    if again.status in FAILING:
        return replace(row, again=again, why=f"{row.why} Run again: {again.why}")
    return replace(
        row,
        again=again,
        status=NOISY,
        why=f"{row.why} Run again it was {again.status}, so it is not confirmed.",
    )


def _ordered(rows: list[Row]) -> tuple[Row, ...]:
    return tuple(sorted(rows, key=lambda row: (STATUSES.index(row.status), row.name)))


def _other_machine(baseline: Baseline, results: Results) -> str | None:
    if baseline.fingerprint is None or baseline.fingerprint == results.fingerprint:
        return None
    measured = results.fingerprint or "a machine that they do not name"
    return f"The baseline is of {baseline.fingerprint}; the results are of {measured}."


def _remarks(baseline: Baseline, rows: list[Row], other: str | None) -> Iterator[str]:
    if other:
        yield other
    if baseline.fingerprint is None and any(row.checks for row in rows):
        yield "The baseline does not say on which machine it was measured, so results of any machine pass for its own."
    if not rows:
        yield "Neither the baseline nor the results have a scenario."
    if any(row.ratio_alone for row in rows):
        least = ", ".join(f"{size} for p{quantile * 100:g}" for quantile, size in statistics.LEAST.items())
        yield (
            f"*: the ratio alone decides. For an interval both sides need samples, at least {least}; and of repeated "
            f"executions there have to be {statistics.LEAST_FREEDOM + 2} at least, both sides together."
        )
        if any(row.ratio_alone and not row.samples[0] for row in rows):
            yield (
                'The baseline keeps no samples of some of them: add "samples_us": [] (for another unit "samples": []) '
                "to their entries, and update it."
            )
