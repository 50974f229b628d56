# SPDX-License-Identifier: Apache-2.0
"""The processors of a host: preflight/topology.json of a run."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from rackbench.models.common import Document, Model

CoreKind = Literal["performance", "efficient", "dense", "uniform"]


class TopologyCpu(Model):
    """A logical CPU."""

    id: int = Field(ge=0, description="The kernel's number.")
    core: int = Field(ge=-1, description="An id of `cores`; -1: offline, or not known.")
    socket: int = Field(ge=-1, description="The kernel's number of its socket; -1: not known.")
    node: int | None = Field(ge=0, description="The number of its NUMA node.")
    l3: int | None = Field(ge=0, description="An index into `l3_groups`.")
    kind: CoreKind | Literal["unknown"] = Field(
        description="The kind of its core; `unknown` while it is offline."
    )
    online: bool
    allowed: bool = Field(description="Whether affinity and cgroups let a job run there.")


class TopologyCore(Model):
    """A core."""

    id: int = Field(ge=0)
    socket: int = Field(ge=-1)
    node: int | None = Field(ge=0)
    l3: int | None = Field(ge=0)
    kind: CoreKind
    cpus: list[int] = Field(min_length=1, description="Its CPUs that are online, ascending.")


class TopologyNode(Model):
    """A NUMA node."""

    id: int = Field(ge=0)
    cpus: list[int] = Field(description="Its CPUs that are online; none if it has memory only.")
    memory_bytes: int | None = Field(ge=0)


class TopologyCache(Model):
    """A cache."""

    level: int = Field(ge=1)
    kind: Literal["data", "instruction", "unified"]
    size_bytes: int = Field(ge=0)
    cpus: list[int] = Field(min_length=1, description="The CPUs that share it and are online.")


class TopologyDocument(Document):
    """What processors a host has, in one form, whichever source told it."""

    KIND: ClassVar[str] = "topology"

    machine: str = Field(description="As `uname -m` says it, or `unknown`.")
    model: str | None = Field(description="The processor's name.")
    virtual: str | None = Field(
        description="The hypervisor, `other` if it does not tell its name; null: a real machine."
    )
    cpus: list[TopologyCpu] = Field(
        min_length=1, description="All that are there, ascending; offline ones too."
    )
    cores: list[TopologyCore]
    sockets: list[int] = Field(description="The kernel's numbers of the sockets that have a CPU online.")
    nodes: list[TopologyNode]
    l3_groups: list[list[int]] = Field(description="CPUs that share an L3 cache, by their first CPU.")
    kinds: dict[CoreKind, int] = Field(
        description="How many cores there are of each kind, the fastest first."
    )
    kinds_by: str = Field(
        description="The detection that told the kinds apart; `none`: one kind, or nothing told."
    )
    caches: list[TopologyCache]
    sources: list[str] = Field(
        description="Where it was read: sysfs, cpuinfo, affinity, cgroup, lscpu or lstopo."
    )
    problems: list[str] = Field(description="Sentences about what the sources did not tell.")
