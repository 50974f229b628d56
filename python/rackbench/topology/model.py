# SPDX-License-Identifier: Apache-2.0
"""What processors a host has, as plain data: the same, whichever source told it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from rackbench.errors import RackbenchError

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA = "rackbench.topology/1.0"
PERFORMANCE, EFFICIENT, DENSE, UNIFORM = "performance", "efficient", "dense", "uniform"
# The kind of an offline CPU, and the socket of one whose place the kernel does not tell.
UNKNOWN_KIND, UNKNOWN_ID = "unknown", -1

CacheKind = Literal["data", "instruction", "unified"]


@dataclass(frozen=True, slots=True)
class Cpu:
    """A logical CPU.

    `core` is an index into `Topology.cores`, or -1 if the CPU is offline or its core is not known; `socket` is
    the kernel's number, or -1 if not known; `l3` is an index into `Topology.l3_groups`; `allowed` says whether
    affinity and cgroups let a job run there.
    """

    id: int
    core: int
    socket: int
    node: int | None
    l3: int | None
    kind: str
    online: bool
    allowed: bool


@dataclass(frozen=True, slots=True)
class Core:
    """A core; `id` is its index, `cpus` are its siblings that are online, ascending."""

    id: int
    socket: int
    node: int | None
    l3: int | None
    kind: str
    cpus: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """A NUMA node, also one that has memory only; `cpus` are those that are online."""

    id: int
    cpus: tuple[int, ...]
    memory_bytes: int | None


@dataclass(frozen=True, slots=True)
class Cache:
    """A cache, and the online CPUs that share it."""

    level: int
    kind: CacheKind
    size_bytes: int
    cpus: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Topology:
    """The processors of a host.

    `kinds` counts the cores of each kind, the fastest first; `kinds_by` names the detection that found more than
    one kind, or is `none`. `virtual` names the hypervisor. `problems` are sentences about what the sources did
    not tell.
    """

    machine: str
    model: str | None
    virtual: str | None
    cpus: tuple[Cpu, ...]
    cores: tuple[Core, ...]
    sockets: tuple[int, ...]
    nodes: tuple[Node, ...]
    l3_groups: tuple[tuple[int, ...], ...]
    kinds: dict[str, int]
    kinds_by: str
    caches: tuple[Cache, ...]
    sources: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def online(self) -> tuple[int, ...]:
        """Return the CPUs that are online."""
        return tuple(cpu.id for cpu in self.cpus if cpu.online)

    @property
    def offline(self) -> tuple[int, ...]:
        """Return the CPUs that are there and not online."""
        return tuple(cpu.id for cpu in self.cpus if not cpu.online)

    @property
    def usable(self) -> tuple[int, ...]:
        """Return the CPUs on which a job may run."""
        return tuple(cpu.id for cpu in self.cpus if cpu.online and cpu.allowed)

    @property
    def smt(self) -> bool:
        """Return whether any core has more than one CPU online."""
        return any(len(core.cpus) > 1 for core in self.cores)

    def as_dict(self) -> dict[str, Any]:
        """Return the topology as the document `rackbench.topology/1.0`."""
        return {"schema": SCHEMA, **asdict(self)}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Topology:
        """Return the topology that `as_dict` wrote, also after a way through JSON.

        Raises `RackbenchError(topology_unknown)` if it is none. Unknown fields are left out.
        """
        try:
            parts: dict[str, Any] = {field.name: document[field.name] for field in fields(cls)}
            parts |= {
                "cpus": tuple(Cpu(**_known(Cpu, item)) for item in document["cpus"]),
                "cores": tuple(Core(**_known(Core, item)) for item in document["cores"]),
                "nodes": tuple(Node(**_known(Node, item)) for item in document["nodes"]),
                "caches": tuple(Cache(**_known(Cache, item)) for item in document["caches"]),
                "l3_groups": tuple(tuple(group) for group in document["l3_groups"]),
                "kinds": dict(document["kinds"]),
            }
            parts |= {name: tuple(document[name]) for name in ("sockets", "sources", "problems")}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RackbenchError(
                "topology_unknown", f"The recorded topology cannot be read: {type(error).__name__}: {error}."
            ) from error
        return cls(**parts)


def _known(part: type, item: Mapping[str, Any]) -> dict[str, Any]:
    values = {field.name: item[field.name] for field in fields(part)}
    if "cpus" in values:
        values["cpus"] = tuple(values["cpus"])
    return values
