# SPDX-License-Identifier: Apache-2.0
"""Repeats: how precise a family's number is by now, and whether another execution of it is needed. Pure.

Every execution counts that was begun and gave a number: none is picked, and none is left out for being far off.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rackbench.ledger.state import ENDED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rackbench.ledger.state import ExecutionState, RunState

# Two values may be alike by chance; with fewer than three the interval is no guide.
MINIMUM = 3
COUNT, PRECISE_ENOUGH, MAXIMUM = "count", "precise_enough", "maximum"

# The 0.975 quantiles of Student's t by degrees of freedom, from 1. Source: NIST/SEMATECH e-Handbook of Statistical
# Methods, section 1.3.6.7.2, "Critical Values of the Student's t Distribution".
_T_975 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


def t_975(degrees: int) -> float:
    """Return the 0.975 quantile of Student's t for at least one degree of freedom; beyond 30 that of 30, a bit more."""
    return _T_975[min(degrees, len(_T_975)) - 1]


def half_width_percent(values: Sequence[float]) -> float | None:
    """Return the half-width of the mean's 95 % confidence interval in percent of the mean.

    None when there is no such number: fewer than two values, one that is not finite, or a mean of zero with values
    around it. Values that are all the same have 0.
    """
    numbers = [_finite(value) for value in values]
    finite = [number for number in numbers if number is not None]
    if len(finite) < max(2, len(numbers)):
        return None
    mean, spread = statistics.mean(finite), statistics.stdev(finite)
    if spread == 0:
        return 0.0
    if mean == 0:
        return None
    return _finite(100 * t_975(len(finite) - 1) * (spread / math.sqrt(len(finite)) / abs(mean)))


def metric_of(headline: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the number by which repeats are judged, the first of a headline: `{id, value, unit}`, or None."""
    first = headline[0] if headline else {"value": None}
    value = None if first["value"] is None else _finite(first["value"])
    return None if value is None else {"id": first["label"], "value": value, "unit": first["unit"]}


def enough(values: Sequence[float], percent: float) -> bool:
    """Return whether at least three values are known within `percent` of their mean, with 95 % confidence."""
    width = half_width_percent(values)
    return len(values) >= MINIMUM and width is not None and width <= percent


def _finite(value: float) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        # A whole number may have more digits than any measurement.
        return None
    return number if math.isfinite(number) else None


@dataclass(frozen=True, slots=True)
class Family:
    """A family of an adapter as one of its counted executions finds it: what came before it.

    `percent` is the precision that is asked for; None: every planned execution is made. `is_told` says whether the
    ledger has the family's `repeats` record.
    """

    adapter: str
    name: str
    percent: float | None
    earlier: tuple[ExecutionState, ...]
    is_settled: bool
    is_last: bool
    is_told: bool

    @classmethod
    def of(cls, state: RunState, adapter: str, execution: Mapping[str, Any]) -> Family | None:
        """Return what an execution finds; None for a warm-up, and for one that is not in the plan."""
        planned = state.planned_executions.get(adapter) or []
        names = [str(each["execution_id"]) for each in planned]
        own = str(execution["execution_id"])
        if execution.get("warmup") or own not in names:
            return None
        family = str(execution["family"])
        counted = [
            str(each["execution_id"])
            for each in planned
            if each.get("family") == family and not each.get("warmup")
        ]
        earlier = tuple(state.executions[name] for name in counted[: counted.index(own)])
        task = next(reversed(state.open_tasks.values()), None)
        return cls(
            adapter=adapter,
            name=family,
            percent=execution.get("until_percent"),
            earlier=earlier,
            # The ledger has what became of the one just before this one. If that could not be begun, only the number
            # of the loop's items that have ended tells.
            is_settled=not earlier
            or earlier[-1].state == ENDED
            or earlier[-1].not_needed
            or (task is not None and task.items >= names.index(own)),
            is_last=own == counted[-1],
            is_told=f"{adapter}.{family}" in state.repeats,
        )

    @property
    def waits_for_ledger(self) -> bool:
        """Return whether this execution has to know of the one before it, and the ledger does not have that yet."""
        return not self.is_settled and (self.percent is not None or self.is_last)

    @property
    def is_needed(self) -> bool:
        """Return whether this execution has to be made."""
        return self.percent is None or not enough(_values(self.earlier), self.percent)

    def record(self, *, ended: bool, metric: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the fields of the `repeats` record; `ended` with its `metric` when this execution was made too."""
        metrics = [each.metric for each in self.earlier if each.metric] + ([dict(metric)] if metric else [])
        values = [each["value"] for each in metrics]
        width = half_width_percent(values)
        stopped_by = COUNT
        if self.percent is not None:
            stopped_by = PRECISE_ENOUGH if enough(values, self.percent) else MAXIMUM
        return {
            "adapter": self.adapter,
            "family": self.name,
            "count": sum(each.state == ENDED for each in self.earlier) + ended,
            "metric": metrics[-1]["id"] if metrics else None,
            "half_width_percent": width if width is None else round(width, 3),
            "stopped_by": stopped_by,
        }


def _values(executions: Sequence[ExecutionState]) -> list[float]:
    return [each.metric["value"] for each in executions if each.metric]
