# SPDX-License-Identifier: Apache-2.0
"""Split CPUs among agents, so that the CPUs of one agent are near each other."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from rackbench.errors import RackbenchError
from rackbench.topology import cpulist
from rackbench.topology.pools import check_usable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rackbench.topology.model import Cpu, Topology

# Where an agent's CPUs are looked for, the nearest first. A CPU without an L3 or node is near nothing by it.
_NEAR: tuple[Callable[[Cpu], object], ...] = (
    lambda cpu: None if cpu.l3 is None else (cpu.kind, cpu.l3),
    lambda cpu: cpu.l3,
    lambda cpu: cpu.node,
    lambda cpu: None if cpu.socket < 0 else cpu.socket,
    lambda _: "anywhere",
)


def split(
    topology: Topology, cpus: Iterable[int], agents: int, cpus_each: int
) -> tuple[tuple[int, ...], ...]:
    """Return for each agent its CPUs, ascending; no CPU is given to two agents.

    An agent gets whole cores that nobody has yet, while there are such: of one L3 group if one has enough, else of
    one NUMA node, else of one socket, else of any. What is left of shared cores comes last.

    Raises `RackbenchError(cpu_split_impossible)` if there are too few CPUs, and `PoolError` if one cannot be used.
    """
    wanted = sorted(set(cpus))
    check_usable(topology, wanted)
    if agents < 1 or cpus_each < 1:
        raise RackbenchError(
            "cpu_split_impossible", f"{agents} agents with {cpus_each} CPUs each: both must be at least 1."
        )
    if agents * cpus_each > len(wanted):
        raise RackbenchError(
            "cpu_split_impossible",
            f"{agents} agents with {cpus_each} CPUs each take {agents * cpus_each} CPUs, and there are "
            f"{len(wanted)} ({cpulist.text(wanted)}).",
        )
    chosen = set(wanted)
    free = _Free([cpu for cpu in topology.cpus if cpu.id in chosen])
    return tuple(free.take(cpus_each) for _ in range(agents))


class _Free:
    """The CPUs that no agent has yet."""

    def __init__(self, cpus: list[Cpu]) -> None:
        cores: defaultdict[tuple[str, int], list[Cpu]] = defaultdict(list)
        for cpu in cpus:
            cores[("core", cpu.core) if cpu.core >= 0 else ("cpu", cpu.id)].append(cpu)
        # As a first agent finds them: cores in the order of their first CPU.
        self.untouched = list(cores.values())
        self.started: list[list[Cpu]] = []

    def take(self, count: int) -> tuple[int, ...]:
        """Return `count` CPUs, which are not free any more. There must be as many."""
        for cores in (self.untouched, [*self.untouched, *self.started]):
            for key in _NEAR:
                near = _first_place(cores, key, count)
                if near:
                    return self._take(near, count)
        raise AssertionError("more CPUs were asked for than are free")

    def _take(self, cores: list[list[Cpu]], count: int) -> tuple[int, ...]:
        taken: list[int] = []
        while len(taken) < count:
            missing = count - len(taken)
            # The widest core that fits, so that siblings stay together; else the one with the least left over.
            fitting = [core for core in cores if len(core) <= missing]
            core = max(fitting, key=len) if fitting else min(cores, key=len)
            cores.remove(core)
            (self.untouched if core in self.untouched else self.started).remove(core)
            taken += [cpu.id for cpu in core[:missing]]
            if core[missing:]:
                self.started.append(core[missing:])
        return tuple(sorted(taken))


def _first_place(cores: list[list[Cpu]], key: Callable[[Cpu], object], count: int) -> list[list[Cpu]] | None:
    """Return the cores of the first place that has `count` free CPUs."""
    places: defaultdict[object, list[list[Cpu]]] = defaultdict(list)
    for core in cores:
        place = key(core[0])
        if place is not None:
            places[place].append(core)
    return next((place for place in places.values() if sum(map(len, place)) >= count), None)
