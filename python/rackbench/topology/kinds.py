# SPDX-License-Identifier: Apache-2.0
"""Which kinds of core a host has, from what its kernel says about each CPU."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rackbench.topology.model import DENSE, EFFICIENT, PERFORMANCE, UNIFORM

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

AMD = "AuthenticAMD"
# Favoured cores of one kind differ by a few per cent; the kinds that are sold differ by more than this.
NEAR_PER_CENT = 15
NONE = "none"


@dataclass(slots=True)
class Signals:
    """What a source says about CPUs, by CPU number. `pmu` gives the CPUs of Intel's event units by their name."""

    vendor: str | None = None
    pmu: dict[str, Collection[int]] = field(default_factory=dict)
    part: dict[int, str] = field(default_factory=dict)
    capacity: dict[int, int] = field(default_factory=dict)
    base_frequency: dict[int, int] = field(default_factory=dict)
    highest_performance: dict[int, int] = field(default_factory=dict)
    nominal_performance: dict[int, int] = field(default_factory=dict)
    max_frequency: dict[int, int] = field(default_factory=dict)


def kinds(cpus: Sequence[int], signals: Signals) -> tuple[dict[int, str], str]:
    """Return the kind of each CPU, and the name of the detection that told them apart, or `none`.

    The first detection that finds more than one kind decides.
    """
    ranks, by = _ranks(cpus, signals)
    if len(set(ranks.values())) < 2:
        return dict.fromkeys(cpus, UNIFORM), NONE
    lower = DENSE if signals.vendor == AMD else EFFICIENT
    return {cpu: PERFORMANCE if ranks[cpu] == 0 else lower for cpu in cpus}, by


def _ranks(cpus: Sequence[int], signals: Signals) -> tuple[dict[int, int], str]:
    """Return a rank for each CPU, 0 for the fastest, and what told it."""
    candidates: tuple[tuple[str, Callable[[], dict[int, int]]], ...] = (
        ("pmu", lambda: _by_pmu(cpus, signals.pmu)),
        ("cpu_part", lambda: _by_part(cpus, signals)),
        ("cpu_capacity", lambda: _by_value(cpus, signals.capacity)),
        ("base_frequency", lambda: _by_base_frequency(cpus, signals)),
        ("cppc", lambda: _by_value(cpus, signals.highest_performance)),
        ("cppc", lambda: _by_value(cpus, signals.nominal_performance)),
        ("max_frequency", lambda: _by_value(cpus, signals.max_frequency)),
    )
    for by, detect in candidates:
        ranks = detect()
        if len(set(ranks.values())) > 1:
            return ranks, by
    return {}, NONE


def _by_pmu(cpus: Sequence[int], pmu: Mapping[str, Collection[int]]) -> dict[int, int]:
    """Rank by the event units of Intel's hybrid processors; they must speak of every CPU, and of each once."""
    order = [set(pmu.get(name, ())) for name in ("cpu_core", "cpu_atom", "cpu_lowpower")]
    ranks = {cpu: [rank for rank, members in enumerate(order) if cpu in members] for cpu in cpus}
    if any(len(found) != 1 for found in ranks.values()):
        return {}
    return {cpu: found[0] for cpu, found in ranks.items()}


def _by_part(cpus: Sequence[int], signals: Signals) -> dict[int, int]:
    """Rank by Arm's part numbers, which name the design of a core; other values only say which one is faster."""
    if any(cpu not in signals.part for cpu in cpus):
        return {}
    for values in (signals.capacity, signals.highest_performance, signals.max_frequency):
        if all(values.get(cpu, 0) > 0 for cpu in cpus):
            fastest: dict[str, int] = {}
            for cpu in cpus:
                fastest[signals.part[cpu]] = max(fastest.get(signals.part[cpu], 0), values[cpu])
            order = sorted(set(fastest.values()), reverse=True)
            return {cpu: order.index(fastest[signals.part[cpu]]) for cpu in cpus}
    return {}


def _by_base_frequency(cpus: Sequence[int], signals: Signals) -> dict[int, int]:
    """Rank by the base frequency, unless all cores reach the same one.

    A Xeon with Speed Select gives some of its equal cores a higher base frequency.
    """
    ranks = _by_value(cpus, signals.base_frequency)
    reached = _by_value(cpus, signals.max_frequency)
    return {} if reached and len(set(reached.values())) == 1 else ranks


def _by_value(cpus: Sequence[int], values: Mapping[int, int]) -> dict[int, int]:
    """Rank by a value that each CPU has; the next rank begins where the next lower value is not near any more.

    Neighbours are compared, since favoured cores are often graded in many small steps.
    """
    if not cpus or any(values.get(cpu, 0) <= 0 for cpu in cpus):
        return {}
    rank_of: dict[int, int] = {}
    rank, above = 0, None
    for value in sorted({values[cpu] for cpu in cpus}, reverse=True):
        if above is not None and value * 100 < above * (100 - NEAR_PER_CENT):
            rank += 1
        rank_of[value] = rank
        above = value
    return {cpu: rank_of[values[cpu]] for cpu in cpus}
