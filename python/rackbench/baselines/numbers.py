# SPDX-License-Identifier: Apache-2.0
"""What readers, the baseline file and the gate share: a scenario's numbers, a set of results, a baseline."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SCAFFOLD, ACTIVE = "scaffold-placeholder", "active"
# Every time is kept in microseconds, whatever its source had.
MICROSECONDS = "us"
PERCENTILES = ("p50", "p95", "p99")
# A metric where higher is better has no percentiles here: `ips` is its median rate.
NUMBERS = (*PERCENTILES, "ips")


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing that is measured: lower is better (`p50`, `p95`, `p99` in `unit`) or higher is (`ips` in `unit`).

    Times have the unit `us`, and `ips` beside them is iterations per second. None: the source does not have the number.
    `samples` are in `unit`, empty when the source has none. `executions` says how many of them each execution gave, one
    after the other; empty: they are of one, as far as the source tells.
    """

    name: str
    unit: str
    p50: float | None
    p95: float | None
    p99: float | None
    ips: float | None
    direction: str
    samples: tuple[float, ...] = ()
    executions: tuple[int, ...] = ()

    @property
    def expected(self) -> tuple[str, ...]:
        """Return the names of the numbers that a scenario of this kind is to have."""
        if self.direction == "higher":
            return ("ips",)
        return NUMBERS if self.unit == MICROSECONDS else PERCENTILES

    @property
    def missing(self) -> tuple[str, ...]:
        """Return the names of the numbers that it should have and has not."""
        return tuple(name for name in self.expected if getattr(self, name) is None)


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A scenario of a baseline that has no number at all yet, only texts such as TODO."""

    name: str


@dataclass(frozen=True, slots=True)
class Results:
    """What one results file or run directory holds. `source` names its format.

    `fingerprint` says on which machine it was measured, None where the source does not tell. `remarks` are sentences
    that whoever uses the numbers has to read first: what was disturbed, and what gave none.
    """

    scenarios: Mapping[str, Scenario]
    source: str
    path: Path
    fingerprint: str | None = None
    run_id: str | None = None
    commit: str | None = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a ratio of results to baseline may go: at most `p.._max_ratio`, at least `ips_min_ratio`."""

    p50_max_ratio: float = 1.20
    p95_max_ratio: float = 1.30
    p99_max_ratio: float = 1.50
    ips_min_ratio: float = 0.80


@dataclass(frozen=True, slots=True)
class Baseline:
    """A baseline file's content. `vanished` are the scenarios that the last update did not find in its results.

    `generated_by` is what the file's `_generated_by` says: commit, run id, fingerprint and format; empty before the
    first update.
    """

    path: Path
    schema_version: str
    status: str
    tolerance: Tolerance
    overrides: Mapping[str, Tolerance]
    scenarios: Mapping[str, Scenario | Placeholder]
    fingerprint: str | None = None
    generated_at: str | None = None
    generated_by: Mapping[str, Any] = field(default_factory=dict)
    vanished: frozenset[str] = frozenset()

    @property
    def active(self) -> bool:
        """Return whether the gate is armed."""
        return self.status == ACTIVE

    def scenario_tolerance(self, name: str) -> Tolerance:
        """Return the tolerance of one scenario: its own, or that of all."""
        return self.overrides.get(name, self.tolerance)
