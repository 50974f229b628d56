# SPDX-License-Identifier: Apache-2.0
"""CPU pools: which CPUs a benchmark shall run on, by a name that fits every host, or by a list."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rackbench.errors import RackbenchError
from rackbench.topology import cpulist
from rackbench.topology.model import DENSE, EFFICIENT, PERFORMANCE, UNIFORM

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rackbench.topology.model import Topology

LOGICAL, PHYSICAL = "logical", "physical"
KIND_POOLS = {"p-core": PERFORMANCE, "e-core": EFFICIENT, "dense-core": DENSE}
POOLS = "all, p-core, e-core, dense-core, socket:N, node:N, l3:N or a CPU list such as 0-3,8"
_NUMBERED = re.compile(r"(socket|node|l3):(\d{1,9})", re.ASCII)
_GROUP_NAMES = {"socket": "socket", "node": "NUMA node", "l3": "L3 group"}


class PoolError(RackbenchError):
    """A pool that this host cannot have; its message says why."""

    def __init__(self, message: str) -> None:
        super().__init__("cpu_pool_impossible", message)


def pool(topology: Topology, pool: str, threading: str) -> tuple[int, ...]:
    """Return the CPUs of a pool, ascending; never none.

    `pool` is one of `POOLS`. A name takes what may be used of it; a list must be usable as a whole. `threading`
    is `logical` for all of them, or `physical` for the first of each core.

    Raises `PoolError` that says why this host has no such pool.
    """
    if threading not in {LOGICAL, PHYSICAL}:
        raise PoolError(f"The threading {threading!r} is neither {LOGICAL} nor {PHYSICAL}.")
    cpus = _members(topology, pool.strip())
    return _first_of_each_core(topology, cpus) if threading == PHYSICAL else cpus


def check_name(pool: str) -> None:
    """Raise `PoolError` for a pool that no host can have."""
    name = pool.strip()
    if name != "all" and name not in KIND_POOLS and not _NUMBERED.fullmatch(name):
        _listed(name)


def _listed(name: str) -> tuple[int, ...]:
    try:
        cpus = cpulist.parse(name)
    except ValueError as error:
        raise PoolError(f"The pool {name[:80]!r} is none of {POOLS}: {error}.") from error
    if not cpus:
        raise PoolError(f"The pool is empty; give {POOLS}.")
    return cpus


def _members(topology: Topology, name: str) -> tuple[int, ...]:
    if name == "all":
        return _usable(topology, topology.online, "The host")
    if name in KIND_POOLS:
        return _of_kind(topology, name, KIND_POOLS[name])
    numbered = _NUMBERED.fullmatch(name)
    if numbered:
        return _of_group(topology, numbered[1], int(numbered[2]))
    cpus = _listed(name)
    check_usable(topology, cpus)
    return cpus


def check_usable(topology: Topology, cpus: Iterable[int]) -> None:
    """Raise `PoolError` unless a job may run on all these CPUs of the host."""
    known = {cpu.id: cpu for cpu in topology.cpus}
    wanted = sorted(set(cpus))
    absent = [cpu for cpu in wanted if cpu not in known]
    if absent:
        raise PoolError(f"{_cpus(absent)}: the host has {cpulist.text(known)}.")
    offline = [cpu for cpu in wanted if not known[cpu].online]
    if offline:
        raise PoolError(f"{_cpus(offline)}: offline. Online are {cpulist.text(topology.online)}.")
    forbidden = [cpu for cpu in wanted if not known[cpu].allowed]
    if forbidden:
        raise PoolError(
            f"{_cpus(forbidden)}: affinity or a cgroup keeps jobs off. Allowed are {cpulist.text(topology.usable)}."
        )


def _of_kind(topology: Topology, name: str, kind: str) -> tuple[int, ...]:
    cores = [core for core in topology.cores if core.kind == kind]
    if not cores:
        if not topology.cores:
            raise PoolError(f"There is no pool {name}: the host's cores are not known.")
        if set(topology.kinds) <= {UNIFORM}:
            raise PoolError(f"There is no pool {name}: the host has one kind of core.")
        counts = ", ".join(f"{count} {other}" for other, count in topology.kinds.items())
        raise PoolError(f"There is no pool {name}: the host's cores are {counts}.")
    return _usable(topology, (cpu for core in cores for cpu in core.cpus), f"The pool {name}")


def _of_group(topology: Topology, group: str, number: int) -> tuple[int, ...]:
    online = [cpu for cpu in topology.cpus if cpu.online]
    ids = {
        "socket": set(topology.sockets),
        "node": {node.id for node in topology.nodes},
        "l3": set(range(len(topology.l3_groups))),
    }[group]
    title = _GROUP_NAMES[group]
    if not ids:
        raise PoolError(f"There is no {title} {number}: what {title}s the host has is not known.")
    if number not in ids:
        raise PoolError(f"There is no {title} {number}: the host has {cpulist.text(ids)}.")
    members = [cpu.id for cpu in online if getattr(cpu, group) == number]
    if not members:
        raise PoolError(f"No CPU of {title} {number} is online.")
    return _usable(topology, members, f"The {title} {number}")


def _usable(topology: Topology, cpus: Iterable[int], what: str) -> tuple[int, ...]:
    usable = set(topology.usable)
    found = tuple(sorted(usable.intersection(cpus)))
    if not found:
        raise PoolError(
            f"{what} has no CPU on which jobs may run: affinity or a cgroup allows {cpulist.text(usable) or 'none'}."
        )
    return found


def _first_of_each_core(topology: Topology, cpus: tuple[int, ...]) -> tuple[int, ...]:
    core_of = {cpu.id: cpu.core for cpu in topology.cpus}
    if any(core_of[cpu] < 0 for cpu in cpus):
        raise PoolError(f"Which of the CPUs {cpulist.text(cpus)} share a core is not known on this host.")
    first: dict[int, int] = {}
    for cpu in cpus:
        first.setdefault(core_of[cpu], cpu)
    return tuple(sorted(first.values()))


def _cpus(cpus: list[int]) -> str:
    return f"CPU {cpus[0]}" if len(cpus) == 1 else f"CPUs {cpulist.text(cpus)}"
