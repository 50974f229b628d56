# SPDX-License-Identifier: Apache-2.0
"""Plan a run: which steps in which order, and which executions each adapter makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rackbench.adapters import repeats as repeating
from rackbench.adapters.catalog import require, suggest
from rackbench.adapters.families import needs_topology
from rackbench.adapters.families import on_host as families_on_host
from rackbench.errors import RackbenchError
from rackbench.ledger.steps import PHASES, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rackbench.adapters.catalog import Adapter, Family
    from rackbench.adapters.families import HostFamily, Unavailable
    from rackbench.topology.model import Topology

PREFLIGHT = "preflight"
_HOST_PHASES = ("discover", "preflight")
# The phases whose tasks are those of the adapter's own role.
ROLE_PHASES = ("stage", "execute", "collect")
_ADAPTER_PHASES = (*ROLE_PHASES, "publish")
_FINALIZE = "finalize"
_COLLECTION = "rackbench.lab"
# What an adapter's step waits for, by phase.
_WAITS_FOR = {"stage": (), "execute": ("stage",), "collect": ("execute",), "publish": ("execute", "collect")}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will do on one host.

    `families` holds for each adapter what its executions are of, and `unavailable` what the host cannot run.
    `executions` holds for each adapter that executes a list of
    `{execution_id, family, repeat, time_limit_s, parameters}`, `heartbeat_s` (seconds) where the family sets it, `cpus`
    where it has CPUs of its own, and `groups` where it has agents. Each family's warm-ups, with `warmup`, come before
    its repeats. `until_percent` in a repeat says that it is made only while the family's number is less precise than
    that. An adapter whose executions are known only when the host's topology is has none here.
    """

    benchmarks: list[str]
    phases: list[str]
    steps: list[Step]
    families: dict[str, list[HostFamily]]
    unavailable: dict[str, list[Unavailable]]
    executions: dict[str, list[dict[str, Any]]]


def own_role(adapter: Adapter) -> str:
    """Return the name of the adapter's role without a collection."""
    return adapter.name.replace("-", "_")


def plan(
    catalog: Mapping[str, Adapter],
    benchmarks: Sequence[str] | None = None,
    families: Sequence[str] = (),
    phases: Sequence[str] | None = None,
    repeats: int | None = None,
    *,
    warmups: int = 0,
    repeats_until: float | None = None,
    repeats_max: int = 20,
    role_of: Callable[[Adapter], str] = own_role,
    topology: Topology | None = None,
) -> Plan:
    """Return the plan for `benchmarks`, in their order; none given: every adapter with a bundle in default runs.

    `families` holds `NAME` (for every adapter that has it) and `ADAPTER:NAME`; an adapter that none of them
    names runs its default families. `phases` ends the run after the last of them: what they rest on is planned too.
    `preflight` as the only benchmark plans the host's steps alone. Each family is executed `repeats` times (none given:
    once), or with `repeats_until` (percent) up to `repeats_max` times. `role_of` names the role of an adapter. Families
    with CPUs of their own are planned when the `topology` of the host is given.
    Raises `RackbenchError`: unknown_benchmark, unknown_family, unknown_phase, unknown_option (numbers out of their
    range, a count together with a precision, or an adapter without a number to judge repeats by).
    """
    _check_repeats(repeats, warmups, repeats_until, repeats_max)
    wanted = [name for name in benchmarks or () if name != PREFLIGHT]
    only_preflight = bool(benchmarks) and not wanted
    default = [name for name, adapter in catalog.items() if adapter.bundle and adapter.in_default_runs]
    chosen = require(catalog, wanted or default)
    planned_families = _families(catalog, chosen, families)
    planned_phases = _phases(["discover", "preflight"] if only_preflight else phases)

    steps = [
        Step(f"host.{phase}", None, phase, f"{_COLLECTION}.{phase}")
        for phase in _HOST_PHASES
        if phase in planned_phases
    ]
    host_steps = tuple(step.step_id for step in steps)
    for adapter in chosen:
        for phase in _ADAPTER_PHASES:
            if phase in planned_phases:
                role = f"{_COLLECTION}.publish" if phase == "publish" else role_of(adapter)
                depends = (
                    host_steps
                    if phase == "stage"
                    else tuple(f"{adapter.name}.{name}" for name in _WAITS_FOR[phase])
                )
                steps.append(Step(f"{adapter.name}.{phase}", adapter.name, phase, role, depends))
    steps.append(Step(f"host.{_FINALIZE}", None, _FINALIZE, f"{_COLLECTION}.{_FINALIZE}"))
    executing = chosen if "execute" in planned_phases else []
    if repeats_until is not None:
        _require_headline(executing)
    most = (repeats or 1) if repeats_until is None else repeats_max
    until = {} if repeats_until is None else {"until_percent": repeats_until}
    on_host = {
        adapter.name: families_on_host(adapter, planned_families[adapter.name], topology)
        for adapter in executing
    }
    waiting = [
        adapter.name
        for adapter in executing
        if topology is None and needs_topology(planned_families[adapter.name])
    ]
    executions = {
        adapter.name: [
            execution
            for family in on_host[adapter.name][0]
            for execution in (
                *(_execution(adapter, family, number, "w") | {"warmup": True} for number in _from_1(warmups)),
                *(_execution(adapter, family, number) | until for number in _from_1(most)),
            )
        ]
        for adapter in executing
        if adapter.name not in waiting
    }
    return Plan(
        benchmarks=[adapter.name for adapter in chosen],
        phases=planned_phases,
        steps=steps,
        families={name: found for name, (found, _) in on_host.items()},
        unavailable={name: missing for name, (_, missing) in on_host.items()},
        executions=executions,
    )


def _from_1(most: int) -> range:
    return range(1, most + 1)


def _check_repeats(repeats: int | None, warmups: int, until: float | None, most: int) -> None:
    """Raise `RackbenchError` (unknown_option) for a number out of its range, NaN too, and for both ways at once."""
    for name, value, least in (
        ("lab_repeats", repeats, 1),
        ("lab_warmups", warmups, 0),
        ("lab_repeats_max", most, repeating.MINIMUM),
    ):
        if value is not None and value < least:
            raise RackbenchError("unknown_option", f"{name} is {value}, and must be {least} or more.")
    if until is not None and repeats is not None:
        raise RackbenchError(
            "unknown_option",
            "lab_repeats and lab_repeats_until are both set: repeats end by a count or by a precision.",
            next_step="Leave one of them out; lab_repeats_max limits how many repeats a precision may take.",
        )
    if until is not None and not 0 < until <= 100:
        raise RackbenchError(
            "unknown_option", f"lab_repeats_until is {until}, and must be above 0 and at most 100 percent."
        )


def _require_headline(adapters: Sequence[Adapter]) -> None:
    """Raise `RackbenchError` (unknown_option) for an adapter whose repeats nothing could judge."""
    for adapter in adapters:
        if not adapter.headline:
            raise RackbenchError(
                "unknown_option",
                f"lab_repeats_until cannot hold for {adapter.name}: its adapter.yml names no headline number.",
                next_step="Leave that benchmark out, or set lab_repeats instead of lab_repeats_until.",
            )


def _execution(adapter: Adapter, family: HostFamily, repeat: int, mark: str = "") -> dict[str, Any]:
    execution: dict[str, Any] = {
        "execution_id": f"{adapter.name}.{family.name}.{mark}{repeat}",
        "family": family.name,
        "repeat": repeat,
        "time_limit_s": family.time_limit_s,
        "parameters": dict(family.parameters),
    }
    if family.heartbeat_s is not None:
        execution["heartbeat_s"] = family.heartbeat_s
    if family.cpus is not None:
        execution["cpus"] = list(family.cpus)
    if family.groups is not None:
        execution["groups"] = [list(group) for group in family.groups]
    return execution


def _phases(asked: Sequence[str] | None) -> list[str]:
    """Return every phase up to the last one asked for, and finalize, in their order."""
    for name in asked or ():
        if name not in PHASES:
            raise RackbenchError("unknown_phase", f"There is no phase {name!r}.{suggest(name, PHASES)}")
    before = [PHASES.index(name) for name in asked or PHASES if name != _FINALIZE]
    return [*PHASES[: max(before, default=-1) + 1], _FINALIZE]


def _families(
    catalog: Mapping[str, Adapter], chosen: Sequence[Adapter], asked: Sequence[str]
) -> dict[str, list[Family]]:
    """Return the families of each chosen adapter, in the order of its adapter.yml.

    A family of a benchmark that this run leaves out is left out with it, so that an inventory can name families once.
    """
    named: dict[str, set[str]] = {name: set() for name in catalog}
    for text in asked:
        owner, colon, name = text.rpartition(":")
        if colon and owner not in catalog:
            raise RackbenchError(
                "unknown_family", f"The family {text!r} is of no benchmark.{suggest(owner, sorted(catalog))}"
            )
        owners = [catalog[owner]] if colon else list(catalog.values())
        holders = [adapter for adapter in owners if adapter.family(name)]
        if not holders:
            allowed = [f"{adapter.name}:{family.name}" for adapter in owners for family in adapter.families]
            raise RackbenchError(
                "unknown_family", f"No benchmark has the family {text!r}.{suggest(text, allowed)}"
            )
        for adapter in holders:
            named[adapter.name].add(name)
    return {
        adapter.name: [
            family
            for family in adapter.families
            if family.name in (named[adapter.name] or adapter.default_families)
        ]
        for adapter in chosen
    }
