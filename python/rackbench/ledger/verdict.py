# SPDX-License-Identifier: Apache-2.0
"""Whether something disturbed an execution: a pure function of the conditions before and after it.

The supervisor on the target writes the conditions down and judges nothing. What a machine does not tell is unknown, and
a required input that is unknown forbids `valid`. Nothing here raises: the conditions come from another machine.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from rackbench import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

VALID, SUSPECT, VOID = "valid", "suspect", "void"
LOST = "lost"

# Others, on all CPUs together. Half a CPU: what an idle server does in the background stays far below, and a process
# that computes all the time takes a whole one. That is little of a large machine, and still shares caches and clocks.
OTHERS_CPUS = 0.5
# On a small machine less than half a CPU is much: a twentieth of it.
OTHERS_SHARE = 0.05
# The five kinds of busy time are each cut to whole ticks. It matters to executions of less than a second.
SLACK_TICKS = 5
# The hypervisor took CPU time away. On a machine that is not oversubscribed it is next to nothing.
STEAL_SHARE = 0.01
# One process that wanted to run all the time before the benchmark began. Staging and logging in leave less behind.
LOAD_BEFORE = 1.0
# The load average of one minute holds what ran before for a while: after this time less than 1 % of it.
LOAD_FADES_S = 300.0
# Clocks that are slewed drift together; a difference is a step. Less than this is a delay between two looks.
CLOCK_STEP_S = 0.5
# Times of the target then stand in another order than those of the controller.
CLOCK_OFFSET_S = 5.0
# Each machine that runs Linux tells of these. Without them nobody can say that an execution was left alone.
REQUIRED = frozenset({"boot_id", "others_cpus", "steal_share", "clock_step_s"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is thought of an execution, why, which inputs are unknown, and the inputs as they were judged."""

    verdict: str
    reasons: list[str]
    unknown: list[str]
    inputs: dict[str, Any]

    def disturbed(self, reason: str) -> Verdict:
        """Return the verdict with one more reason for suspicion."""
        verdict = SUSPECT if self.verdict == VALID else self.verdict
        return replace(self, verdict=verdict, reasons=[*self.reasons, reason])

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as the journal has it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Seen:
    """The two looks, and what follows from them."""

    before: Mapping[str, Any]
    after: Mapping[str, Any]
    clock_offset_s: float | None

    def boots(self) -> list[str] | None:
        """Return before and after, or None if one is unknown; so for all of these."""
        return self._texts("boot_id")

    def host_keys(self) -> list[str] | None:
        return self._texts("host_key")

    def others_cpus(self) -> float | None:
        """Return how many CPUs other processes kept busy, on average."""
        share, cpus = self.others_share(), _number(self.before.get("cpus"))
        return None if share is None or cpus is None else round(share * cpus, 4)

    def others_share(self) -> float | None:
        """Return the share of all CPU time that other processes had."""
        busy, total = self._growth("cpu_busy_ticks"), self._growth("cpu_total_ticks")
        own_s, rate = _number(self.after.get("own_cpu_s")), _number(self.before.get("ticks_per_s"))
        if busy is None or not total or own_s is None or rate is None:
            return None
        others = busy - own_s * rate - SLACK_TICKS
        return round(max(0.0, others) / total, 4)

    def steal_share(self) -> float | None:
        steal, total = self._growth("cpu_steal_ticks"), self._growth("cpu_total_ticks")
        return None if steal is None or not total else round(steal / total, 4)

    def pressure_share(self) -> float | None:
        """Return for which share of the time some process waited for a CPU, one of the benchmark's own included."""
        waited, elapsed = self._growth("pressure_cpu_us"), self._growth("mono")
        return None if waited is None or not elapsed else round(waited / 1e6 / elapsed, 4)

    def load_before(self) -> float | None:
        """Return the load before; None when it may be that of an earlier job of ours."""
        since = _number(self.before.get("since_job_s"))
        faded = self.before.get("since_job_s", 0) is None or (since is not None and since >= LOAD_FADES_S)
        return _number(self.before.get("load_1m")) if faded else None

    def sessions(self) -> list[float] | None:
        before, after = _number(self.before.get("sessions")), _number(self.after.get("sessions"))
        return None if before is None or after is None else [before, after]

    def throttle_events(self) -> float | None:
        return self._growth("throttle_events")

    def clock_step_s(self) -> float | None:
        """Return by how much the clock was set, forward or back."""
        elapsed, before, after = self._growth("mono"), _moment(self.before), _moment(self.after)
        if elapsed is None or before is None or after is None:
            return None
        return round(after - before - elapsed, 3)

    def _texts(self, name: str) -> list[str] | None:
        pair = [self.before.get(name), self.after.get(name)]
        return [str(text) for text in pair] if all(isinstance(text, str) and text for text in pair) else None

    def _growth(self, name: str) -> float | None:
        """Return by how much a counter grew; None if it went back, or is another boot's."""
        boots = self.boots()
        before, after = _number(self.before.get(name)), _number(self.after.get(name))
        if before is None or after is None or after < before or (boots and boots[0] != boots[1]):
            return None
        return after - before


@dataclass(frozen=True, slots=True)
class _Rule:
    """One input: how it is called, where it comes from, when it disturbs, and what is then said."""

    name: str
    value: Callable[[_Seen], Any]
    disturbs: Callable[[Any], bool]
    words: Callable[[Any], str]
    verdict: str = SUSPECT


def _changed(pair: list[Any]) -> bool:
    return bool(pair[0] != pair[1])


RULES = (
    _Rule("boot_id", _Seen.boots, _changed, lambda _: "The machine rebooted.", VOID),
    _Rule(
        "host_key",
        _Seen.host_keys,
        _changed,
        lambda pair: f"The machine's host key was {pair[0]} before and is {pair[1]} now.",
        VOID,
    ),
    _Rule(
        "others_cpus",
        _Seen.others_cpus,
        lambda cpus: cpus > OTHERS_CPUS,
        lambda cpus: f"Other processes kept {cpus:.2f} CPUs busy, more than {OTHERS_CPUS:g}.",
    ),
    _Rule(
        "others_share",
        _Seen.others_share,
        lambda share: share > OTHERS_SHARE,
        lambda share: (
            f"Other processes had {100 * share:.1f} % of the CPU time, more than {100 * OTHERS_SHARE:g} %."
        ),
    ),
    _Rule(
        "steal_share",
        _Seen.steal_share,
        lambda share: share > STEAL_SHARE,
        lambda share: (
            f"The hypervisor took {100 * share:.1f} % of the CPU time away, more than {100 * STEAL_SHARE:g} %."
        ),
    ),
    _Rule(
        "load_before",
        _Seen.load_before,
        lambda load: load > LOAD_BEFORE,
        lambda load: f"The load was {load:.2f} before the benchmark began, more than {LOAD_BEFORE:g}.",
    ),
    _Rule(
        "sessions",
        _Seen.sessions,
        _changed,
        lambda pair: f"The number of logins changed from {pair[0]:g} to {pair[1]:g}.",
    ),
    _Rule(
        "throttle_events",
        _Seen.throttle_events,
        lambda events: events > 0,
        lambda events: f"CPUs were slowed down {events:g} times because they were hot.",
    ),
    _Rule(
        "clock_step_s",
        _Seen.clock_step_s,
        lambda step: abs(step) > CLOCK_STEP_S,
        lambda step: f"The clock was set by {step:g} s while the benchmark ran.",
    ),
    _Rule(
        "clock_offset_s",
        lambda seen: _number(seen.clock_offset_s),
        lambda offset: abs(offset) > CLOCK_OFFSET_S,
        lambda offset: f"The machine's clock is {offset:g} s off the controller's.",
    ),
    # Processes of the benchmark wait for each other too, so this says nothing by itself.
    _Rule("pressure_share", _Seen.pressure_share, lambda _: False, lambda _: ""),
)


def judge(
    conditions: Any,
    *,
    outcome: str | None,
    clock_offset_s: float | None,
    required: Collection[str] = REQUIRED,
) -> Verdict:
    """Return the verdict on an execution from its conditions.json, its outcome and how far the clocks are apart."""
    document = _mapping(conditions)
    seen = _Seen(_mapping(document.get("before")), _mapping(document.get("after")), clock_offset_s)
    inputs = {rule.name: rule.value(seen) for rule in RULES}
    unknown = [name for name, value in inputs.items() if value is None]
    found = [
        (rule.verdict, rule.words(inputs[rule.name]))
        for rule in RULES
        if rule.name not in unknown and rule.disturbs(inputs[rule.name])
    ]
    if outcome == LOST:
        found.insert(0, (VOID, "The execution is lost: nobody saw how it went on."))
    found += [(SUSPECT, f"It is unknown: {name}.") for name in unknown if name in required]
    worst = VOID if any(verdict == VOID for verdict, _ in found) else SUSPECT if found else VALID
    return Verdict(worst, [words for _, words in found], unknown, inputs)


def clock_offset(told: Any, asked: float, answered: float) -> float | None:
    """Return how many seconds a clock is at least off ours, from the time that it told between two times of ours."""
    moment = _moment({"at": told})
    if moment is None:
        return None
    # It was read somewhere between the two, so a time between them proves no difference.
    return round(moment - min(max(moment, asked), answered), 3)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> float | None:
    """Return a finite number of a sensible size; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e18:
        return None
    return value if math.isfinite(value) else None


def _moment(snapshot: Mapping[str, Any]) -> float | None:
    try:
        return clock.parse_utc(str(snapshot.get("at"))).timestamp()
    except (ValueError, OverflowError):
        return None
