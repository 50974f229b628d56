# SPDX-License-Identifier: Apache-2.0
"""Recorded machines against a table written by hand, from every source that tells them."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rackbench.models.topology import TopologyDocument
from rackbench.topology import cpulist, read
from rackbench.topology.model import Topology

from tests.unit.topology import machines

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType


@dataclass(frozen=True)
class Machine:
    """What a machine is, by the sources named at it."""

    sockets: tuple[int, ...]
    nodes: int
    l3_groups: tuple[str, ...]
    kinds: dict[str, int]
    kinds_by: str
    online: str
    offline: str
    # The CPUs of some cores: the first, one in the middle, the last.
    cores: tuple[tuple[int, ...], ...]
    fast: str = ""


MACHINES = {
    # hwloc's name of the recording says 4 sockets, 2 cores, 2 threads. `online` of cpu2, cpu5, cpu13 and cpu14 holds 0;
    # the Xeon 7100 ("Tulsa", family 15 model 6) has one L3 for both its cores. hwloc's own expected output of it:
    # tests/hwloc/linux/16em64t-4s2c2t-offlines.output of open-mpi/hwloc.
    "intel-4s2c2t-offline-cpus": Machine(
        sockets=(0, 1, 2, 3),
        nodes=1,
        l3_groups=("0,4,8,12", "1,9", "3,7,11,15", "6,10"),
        kinds={"uniform": 7},
        kinds_by="none",
        online="0-1,3-4,6-12,15",
        offline="2,5,13-14",
        cores=((0, 8), (4, 12), (10,), (7, 15)),
    ),
    # Intel's specifications of the Core i7-1370P: 14 cores, 6 performance and 8 efficient ones, 20 threads, 24 MB L3.
    # Only the performance cores have two threads, so the recorded siblings say which they are.
    "intel-i7-1370p-hybrid": Machine(
        sockets=(0,),
        nodes=1,
        l3_groups=("0-19",),
        kinds={"performance": 6, "efficient": 8},
        kinds_by="base_frequency",
        online="0-19",
        offline="",
        cores=((0, 1), (10, 11), (12,), (19,)),
        fast="0-11",
    ),
    # docs.nvidia.com/dgx/dgx-spark-porting-guide/overview.html: two clusters, each with 5 Cortex-X925 of 2 MB L2, 5
    # Cortex-A725 of 512 KB L2, and an L3 of its own. Part numbers 0xd85 and 0xd87: Arm's technical reference manuals of
    # the two. The recording has the L2 of 2 MB at 5-9 and 15-19.
    "nvidia-dgx-gb10": Machine(
        sockets=(36,),
        nodes=1,
        l3_groups=("0-9", "10-19"),
        kinds={"performance": 10, "efficient": 10},
        kinds_by="cpu_part",
        online="0-19",
        offline="",
        cores=((0,), (9,), (19,)),
        fast="5-9,15-19",
    ),
    # AMD's specifications of the EPYC 9654: 96 cores, 192 threads, 384 MB L3; of 12 dies with 32 MB each (AMD, 4th Gen
    # EPYC processor architecture). Two sockets; the recording has one NUMA node.
    "amd-2x-epyc-9654": Machine(
        sockets=(0, 1),
        nodes=1,
        l3_groups=tuple(f"{first}-{first + 7},{first + 192}-{first + 199}" for first in range(0, 192, 8)),
        kinds={"uniform": 192},
        kinds_by="none",
        online="0-383",
        offline="",
        cores=((0, 192), (95, 287), (191, 383)),
    ),
    # Its own /proc/cpuinfo and lscpu, and Ampere's product brief of AmpereOne: 192 single-threaded cores. The 64 MB of
    # system level cache are no L3 to the kernel.
    "amponed8": Machine(
        sockets=(140,),
        nodes=1,
        l3_groups=(),
        kinds={"uniform": 192},
        kinds_by="none",
        online="0-191",
        offline="",
        cores=((0,), (191,)),
    ),
}
I7 = "intel-i7-1370p-hybrid"
# lscpu numbers sockets from 0; its maximum frequencies tell kinds where they are printed.
I7_BY_LSCPU = replace(MACHINES[I7], kinds_by="max_frequency")
I7_KINDLESS = replace(MACHINES[I7], kinds={"uniform": 14}, kinds_by="none", fast="")
AMPERE_BY_LSCPU = replace(MACHINES["amponed8"], sockets=(0,))


def check(topology: Topology, machine: Machine) -> None:
    """Compare a topology with what a machine is, and its document with the schema's model."""
    assert topology.sockets == machine.sockets
    assert len(topology.nodes) == machine.nodes
    assert tuple(cpulist.text(group) for group in topology.l3_groups) == machine.l3_groups
    assert topology.kinds == machine.kinds
    assert topology.kinds_by == machine.kinds_by
    assert cpulist.text(topology.online) == machine.online
    assert cpulist.text(topology.offline) == machine.offline
    assert topology.usable == topology.online
    assert topology.virtual is None
    assert set(machine.cores) <= {core.cpus for core in topology.cores}
    assert sorted(cpu for core in topology.cores for cpu in core.cpus) == list(topology.online)
    if machine.fast:
        fast = [cpu.id for cpu in topology.cpus if cpu.kind == "performance"]
        assert cpulist.text(fast) == machine.fast
    document = TopologyDocument.model_validate(topology.as_dict())
    assert Topology.from_dict(document.model_dump(by_alias=True)) == topology


@pytest.mark.parametrize("name", ["intel-4s2c2t-offline-cpus", I7, "nvidia-dgx-gb10"])
def test_a_recorded_tree(name: str, tree: Callable[[str], Path]) -> None:
    topology = read.from_tree(tree(name))
    check(topology, MACHINES[name])
    assert topology.problems == ()


@pytest.mark.parametrize("name", ["intel-4s2c2t-offline-cpus", I7, "nvidia-dgx-gb10"])
def test_the_snapshot_of_a_target_tells_what_its_tree_tells(
    name: str, tree: Callable[[str], Path], target: ModuleType
) -> None:
    assert read.from_answer(target.snapshot(str(tree(name)))) == read.from_tree(tree(name))


@pytest.mark.parametrize(
    ("file", "machine"),
    [
        ("intel-4s2c2t-offline-cpus.lstopo-v1.xml.bz2", MACHINES["intel-4s2c2t-offline-cpus"]),
        ("intel-4s2c2t-offline-cpus.lstopo-v2.xml.bz2", MACHINES["intel-4s2c2t-offline-cpus"]),
        (f"{I7}.lstopo-v1.xml.bz2", I7_KINDLESS),  # hwloc 1 knows of no kinds
        (f"{I7}.lstopo-v2.xml.bz2", MACHINES[I7]),
        ("nvidia-dgx-gb10.lstopo.xml", MACHINES["nvidia-dgx-gb10"]),
        ("amd-2x-epyc-9654.lstopo.xml.bz2", MACHINES["amd-2x-epyc-9654"]),
        (str(machines.AMPERE / "topology/lstopo.xml"), MACHINES["amponed8"]),
    ],
    ids=lambda value: Path(value).name if isinstance(value, str) else "",
)
def test_the_xml_of_lstopo(file: str, machine: Machine) -> None:
    check(read.from_lstopo(machines.text(file)), machine)


@pytest.mark.parametrize(
    ("file", "machine"),
    [
        (f"{I7}.lscpu-p.csv", I7_KINDLESS),
        (f"{I7}.lscpu-p-all.csv", I7_BY_LSCPU),
        (f"{I7}.lscpu-e.json.bz2", I7_BY_LSCPU),
        (str(machines.AMPERE / "raw/lscpu-topology.csv"), AMPERE_BY_LSCPU),
    ],
    ids=lambda value: Path(value).name if isinstance(value, str) else "",
)
def test_the_tables_of_lscpu(file: str, machine: Machine) -> None:
    check(read.from_lscpu(machines.text(file)), machine)


def test_the_summary_of_lscpu_counts_and_says_what_it_does_not_tell() -> None:
    topology = read.from_lscpu(machines.text(f"{I7}.lscpu.json"))
    assert topology.model == "13th Gen Intel(R) Core(TM) i7-1370P"
    assert (cpulist.text(topology.online), topology.sockets, len(topology.nodes)) == ("0-19", (0,), 1)
    assert topology.cores == ()
    assert topology.kinds == {}
    assert any("Which cores the CPUs 0-19 belong to is not told" in problem for problem in topology.problems)


def test_tree_and_xml_of_one_machine_tell_the_same_caches(tree: Callable[[str], Path]) -> None:
    for name, file in (
        (I7, f"{I7}.lstopo-v2.xml.bz2"),
        ("nvidia-dgx-gb10", "nvidia-dgx-gb10.lstopo.xml"),
    ):
        by_tree, by_xml = read.from_tree(tree(name)), read.from_lstopo(machines.text(file))
        assert by_xml.caches == by_tree.caches
        assert by_xml.cores == by_tree.cores
        assert [node.memory_bytes for node in by_xml.nodes] == [node.memory_bytes for node in by_tree.nodes]


def test_this_machine_agrees_with_the_scheduler_and_with_lscpu(target: ModuleType) -> None:
    topology = read.from_answer(target.snapshot())
    assert set(topology.usable) == os.sched_getaffinity(0)
    assert topology.machine == os.uname().machine
    lscpu = shutil.which("lscpu")
    if lscpu is None:
        pytest.skip("lscpu is not installed")
    columns = "-p=cpu,core,socket,node,online"
    printed = subprocess.run([lscpu, "-a", columns], capture_output=True, text=True, check=True).stdout
    other = read.from_lscpu(printed)
    assert other.online == topology.online
    assert other.offline == topology.offline
    assert [core.cpus for core in other.cores] == [core.cpus for core in topology.cores]
    assert len(other.sockets) == len(topology.sockets)
    assert [node.cpus for node in other.nodes] == [node.cpus for node in topology.nodes if node.cpus]


def test_this_machine_agrees_with_lstopo(target: ModuleType) -> None:
    lstopo = shutil.which("lstopo-no-graphics") or shutil.which("lstopo")
    if lstopo is None:
        pytest.skip("lstopo is not installed")
    argv = [lstopo, "--disallowed", "--of", "xml"]
    printed = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    topology, other = read.from_answer(target.snapshot()), read.from_lstopo(printed)
    assert other.online == topology.online
    assert [core.cpus for core in other.cores] == [core.cpus for core in topology.cores]
    assert other.l3_groups == topology.l3_groups
