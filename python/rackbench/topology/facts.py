# SPDX-License-Identifier: Apache-2.0
"""What a source tells about processors, and the one way from there to a topology."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rackbench.errors import RackbenchError
from rackbench.topology import cpulist
from rackbench.topology.kinds import Signals, kinds
from rackbench.topology.model import (
    DENSE,
    EFFICIENT,
    PERFORMANCE,
    UNIFORM,
    UNKNOWN_ID,
    UNKNOWN_KIND,
    Cache,
    Core,
    Cpu,
    Node,
    Topology,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_PROBLEMS = 20


@dataclass(slots=True)
class Facts:
    """What one source tells. What it does not tell stays empty.

    `siblings` gives the CPUs that share a core with a CPU; a CPU that is not in it has no known core. `allowed`
    is None if the source knows of no limit.
    """

    machine: str = "unknown"
    model: str | None = None
    virtual: str | None = None
    present: set[int] = field(default_factory=set)
    online: set[int] = field(default_factory=set)
    allowed: set[int] | None = None
    siblings: dict[int, tuple[int, ...]] = field(default_factory=dict)
    socket: dict[int, int] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    caches: list[Cache] = field(default_factory=list)
    l3_groups: list[tuple[int, ...]] = field(default_factory=list)
    signals: Signals = field(default_factory=Signals)
    sources: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def assemble(facts: Facts) -> Topology:
    """Return the topology of the facts.

    Raises `RackbenchError(topology_unknown)` if they name no CPU that is online.
    """
    online = sorted(facts.online)
    if not online:
        raise RackbenchError(
            "topology_unknown", f"{' and '.join(facts.sources) or 'The source'} named no CPU that is online."
        )
    caches = _caches(facts)
    l3_groups = _disjoint(
        facts.l3_groups or [cache.cpus for cache in caches if cache.level == 3], facts.online
    )
    l3_of = {cpu: index for index, group in enumerate(l3_groups) for cpu in group}
    nodes = tuple(
        Node(node.id, tuple(sorted(facts.online.intersection(node.cpus))), node.memory_bytes)
        for node in sorted(facts.nodes, key=lambda node: node.id)
    )
    node_of = {cpu: node.id for node in facts.nodes for cpu in node.cpus}
    kind_of, kinds_by = kinds(online, facts.signals)
    cores = tuple(
        Core(
            id=index,
            socket=facts.socket.get(members[0], UNKNOWN_ID),
            node=node_of.get(members[0]),
            l3=l3_of.get(members[0]),
            kind=kind_of[members[0]],
            cpus=members,
        )
        for index, members in enumerate(_disjoint(_siblings(facts), facts.online))
    )
    core_of = {cpu: core.id for core in cores for cpu in core.cpus}
    counts = Counter(core.kind for core in cores)
    return Topology(
        machine=facts.machine,
        model=facts.model,
        virtual=facts.virtual,
        cpus=tuple(
            Cpu(
                id=cpu,
                core=core_of.get(cpu, UNKNOWN_ID),
                socket=facts.socket.get(cpu, UNKNOWN_ID),
                node=node_of.get(cpu),
                l3=l3_of.get(cpu),
                kind=kind_of.get(cpu, UNKNOWN_KIND),
                online=cpu in facts.online,
                allowed=facts.allowed is None or cpu in facts.allowed,
            )
            for cpu in sorted(facts.present | facts.online)
        ),
        cores=cores,
        sockets=tuple(sorted({facts.socket[cpu] for cpu in online if cpu in facts.socket})),
        nodes=nodes,
        l3_groups=tuple(l3_groups),
        kinds={kind: counts[kind] for kind in (PERFORMANCE, DENSE, EFFICIENT, UNIFORM) if kind in counts},
        kinds_by=kinds_by,
        caches=tuple(caches),
        sources=tuple(facts.sources),
        problems=tuple(_problems(facts, online)),
    )


def _caches(facts: Facts) -> list[Cache]:
    """Return each cache once, with its online CPUs, by level and first CPU."""
    found = {
        Cache(cache.level, cache.kind, cache.size_bytes, cpus)
        for cache in facts.caches
        if (cpus := tuple(sorted(facts.online.intersection(cache.cpus))))
    }
    return sorted(found, key=lambda cache: (cache.level, cache.kind, cache.cpus))


def _siblings(facts: Facts) -> Iterable[tuple[int, ...]]:
    return ((cpu, *facts.siblings[cpu]) for cpu in sorted(facts.online.intersection(facts.siblings)))


def _disjoint(groups: Iterable[tuple[int, ...]], online: set[int]) -> list[tuple[int, ...]]:
    """Return groups of online CPUs by their first CPU; of two that overlap the first keeps what both claim."""
    left = set(online)
    found = []
    for group in groups:
        members = tuple(sorted(left.intersection(group)))
        if members:
            found.append(members)
            left.difference_update(members)
    return sorted(found)


def _problems(facts: Facts, online: list[int]) -> list[str]:
    problems = list(dict.fromkeys(facts.problems))
    coreless = [cpu for cpu in online if cpu not in facts.siblings]
    if coreless:
        problems.append(f"Which cores the CPUs {cpulist.text(coreless)} belong to is not told.")
    placeless = [cpu for cpu in online if cpu not in facts.socket]
    if placeless:
        problems.append(f"Which sockets the CPUs {cpulist.text(placeless)} are in is not told.")
    if len(problems) > MOST_PROBLEMS:
        more = len(problems) - MOST_PROBLEMS
        problems = [*problems[:MOST_PROBLEMS], f"And {more} more of this sort."]
    return problems
