# SPDX-License-Identifier: Apache-2.0
"""Recorded machines, and small ones that are made up, for the tests of topology."""

from __future__ import annotations

import bz2
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from rackbench.topology.facts import Facts, assemble
from rackbench.topology.model import Node, Topology

from tests import recordings

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT / "tests/data/topology"
AMPERE = ROOT / "tests/data/system-info/amponed8"
CPU = "sys/devices/system/cpu"


def text(name: str) -> str:
    """Return a recorded file, unpacked if it is packed."""
    data = (DATA / name).read_bytes()
    return (bz2.decompress(data) if name.endswith(".bz2") else data).decode()


def unpack(name: str, to: Path) -> Path:
    """Unpack a recorded tree, and return its root."""
    recordings.unpack(DATA / f"{name}.sysfs.tar.bz2", to)
    (proc,) = (found for found in to.glob("**/proc") if found.is_dir())
    return proc.parent


def host(
    *,
    cores: int = 4,
    threads: int = 2,
    sockets: int = 1,
    l3_cores: int = 2,
    offline: Iterable[int] = (),
    allowed: Iterable[int] | None = None,
    fast: int = 0,
) -> Topology:
    """Return a made-up host: its second siblings come after all first ones, as on most servers; one node each socket.

    `cores` is of all sockets; the first `fast` cores are performance cores, the others efficient ones.
    """
    total = cores * threads
    facts = Facts(present=set(range(total)), online=set(range(total)) - set(offline))
    facts.allowed = None if allowed is None else set(allowed)
    each = cores // sockets
    for cpu in facts.online:
        facts.siblings[cpu] = tuple(range(cpu % cores, total, cores))
        facts.socket[cpu] = min(cpu % cores // each, sockets - 1)
    facts.nodes = [
        Node(number, tuple(cpu for cpu in facts.online if facts.socket[cpu] == number), None)
        for number in range(sockets)
    ]
    facts.l3_groups = [
        tuple(cpu for cpu in facts.online if cpu % cores // l3_cores == group)
        for group in range(-(-cores // l3_cores))
    ]
    if fast:
        facts.signals.capacity = {cpu: 1024 if cpu % cores < fast else 512 for cpu in facts.online}
    return assemble(facts)


@st.composite
def hosts(draw: st.DrawFn) -> Topology:
    """Hosts of up to 48 CPUs, of which at least one is online and allowed."""
    sockets = draw(st.integers(1, 2))
    cores = sockets * draw(st.integers(1, 8))
    threads = draw(st.integers(1, 3))
    cpus = st.integers(0, cores * threads - 1)
    usable = draw(cpus)
    return host(
        cores=cores,
        threads=threads,
        sockets=sockets,
        l3_cores=draw(st.integers(1, cores)),
        offline=draw(st.sets(cpus)) - {usable},
        allowed=draw(st.none() | st.sets(cpus).map(lambda cpus: cpus | {usable})),
        fast=draw(st.integers(0, cores)),
    )
