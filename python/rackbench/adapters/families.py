# SPDX-License-Identifier: Apache-2.0
"""What families mean on one host: the CPUs that their selectors stand for there, or why it cannot run them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rackbench.adapters.settings import OFFICIAL, UNITS
from rackbench.errors import RackbenchError
from rackbench.topology.pools import pool as cpus_of_pool
from rackbench.topology.splits import split as split_cpus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rackbench.adapters.catalog import Adapter, Family, Pinning
    from rackbench.topology.model import Topology


@dataclass(frozen=True, slots=True)
class HostFamily:
    """A family with the CPUs that it has on this host.

    `asked` is the family of the adapter that it comes from. `cpus` is None for all CPUs; `groups` has the CPUs of each
    agent, and is None for a benchmark without agents.
    """

    name: str
    asked: str
    summary: str
    parameters: Mapping[str, Any]
    time_limit_s: float
    heartbeat_s: float | None
    cpus: tuple[int, ...] | None = None
    groups: tuple[tuple[int, ...], ...] | None = None


@dataclass(frozen=True, slots=True)
class Unavailable:
    """A family that the host cannot run, and why."""

    family: str
    code: str
    reason: str

    def as_dict(self) -> dict[str, str]:
        """Return it as it stands in the journal."""
        return {"family": self.family, "code": self.code, "reason": self.reason}


def on_host(
    adapter: Adapter, wanted: Sequence[Family], topology: Topology | None
) -> tuple[list[HostFamily], list[Unavailable]]:
    """Return the wanted families of an adapter as a host of this topology has them, and those that it cannot run.

    Without a topology only families without a selector can be told.
    """
    official = _official(adapter, topology)
    families: list[HostFamily] = []
    unavailable: list[Unavailable] = []
    # A supplement for each socket gets names that another supplement may have by itself.
    taken = {family.name for family in adapter.families}
    for family in wanted:
        try:
            found = _family_on_host(family, topology, official)
        except RackbenchError as error:
            unavailable.append(Unavailable(family.name, error.code, error.message))
            continue
        for each in found:
            if each.name != family.name and each.name in taken:
                reason = f"Another family is called {each.name}; give one of them another label."
                unavailable.append(Unavailable(family.name, "families_impossible", reason))
            else:
                families.append(each)
    return families, unavailable


def needs_topology(families: Sequence[Family]) -> bool:
    """Return whether any of these families has CPUs of its own."""
    return any(family.pinning is not None for family in families)


_Key = tuple[Any, tuple[int, ...]]


def _official(adapter: Adapter, topology: Topology | None) -> _Key | None:
    """Return what an adapter's official families stand for, to know a supplement that is the same."""
    for family in adapter.families:
        pinning = family.pinning
        if pinning is not None and pinning.label == OFFICIAL and topology is not None:
            try:
                return _key(family, cpus_of_pool(topology, pinning.pool, pinning.threading))
            except RackbenchError:
                return None
    return None


def _key(family: Family, cpus: tuple[int, ...]) -> _Key:
    return family.parameters.get("profile"), cpus


def _family_on_host(family: Family, topology: Topology | None, official: _Key | None) -> list[HostFamily]:
    pinning = family.pinning
    if pinning is None:
        return [_host_family(family, family.name, family.parameters)]
    if topology is None or not topology.usable:
        raise RackbenchError("topology_unknown", "The topology of the host is not known.")
    found = []
    for unit, pool in _pools(pinning, topology):
        cpus = cpus_of_pool(topology, pool, pinning.threading)
        if pinning.mode is None:
            found.append(_host_family(family, _suffixed(family.name, unit), family.parameters, cpus))
        else:
            found.append(_of_agents(family, pinning, unit, cpus, topology, official))
    return found


def _of_agents(
    family: Family,
    pinning: Pinning,
    unit: int | None,
    cpus: tuple[int, ...],
    topology: Topology,
    official: _Key | None,
) -> HostFamily:
    if pinning.label != OFFICIAL and not pinning.splits and _key(family, cpus) == official:
        raise RackbenchError(
            "families_impossible", "On this host it has the same CPUs and profile as the official families."
        )
    if pinning.mode == "single":
        groups: tuple[tuple[int, ...], ...] = ((cpus[0],),)
    elif pinning.split is None:
        groups = tuple((cpu,) for cpu in cpus)
    else:
        groups = split_cpus(topology, cpus, *pinning.split)
    label = _suffixed(str(pinning.label), unit)
    return _host_family(
        family,
        family.name.replace(str(pinning.label), label, 1),
        {**family.parameters, "label": label},
        tuple(sorted(cpu for group in groups for cpu in group)),
        groups,
    )


def _host_family(
    family: Family,
    name: str,
    parameters: Mapping[str, Any],
    cpus: tuple[int, ...] | None = None,
    groups: tuple[tuple[int, ...], ...] | None = None,
) -> HostFamily:
    return HostFamily(
        name, family.name, family.summary, parameters, family.time_limit_s, family.heartbeat_s, cpus, groups
    )


def _suffixed(name: str, unit: int | None) -> str:
    return name if unit is None else f"{name}-{unit}"


def _pools(pinning: Pinning, topology: Topology) -> list[tuple[int | None, str]]:
    """Return the pools that a selector stands for, each with the number of its unit if it is one of several."""
    if pinning.pool not in UNITS:
        return [(None, pinning.pool)]
    kind, words = UNITS[pinning.pool]
    usable = set(topology.usable)
    # A node may have memory only, and a cpuset may leave out a socket.
    found = {getattr(cpu, kind) for cpu in topology.cpus if cpu.id in usable}
    units = sorted(unit for unit in found if unit is not None and unit >= 0)
    if len(units) < 2:
        raise RackbenchError(
            "cpu_pool_impossible",
            f"The host has CPUs to run on in one {words}, so there is nothing to run for each of several.",
        )
    return [(unit, f"{kind}:{unit}") for unit in units]
