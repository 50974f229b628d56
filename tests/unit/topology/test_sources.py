# SPDX-License-Identifier: Apache-2.0
"""Sources that are poor, strange or broken; cgroups and virtual machines."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rackbench.errors import RackbenchError
from rackbench.topology import read, sysfs
from rackbench.topology.model import Topology

from tests.unit.topology.machines import CPU, text

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

FOUR = {f"{CPU}/present": "0-3", f"{CPU}/online": "0-3"}
XML = (
    '<topology version="2.0"><object type="Machine" cpuset="0x3" complete_cpuset="0x3">{}</object></topology>'
)
PUS = '<object type="PU" os_index="0"/><object type="PU" os_index="1"/>'


def refused(call: Any, *arguments: Any) -> str:
    """Call, and return the message of the refusal with the one code of this package's readers."""
    with pytest.raises(RackbenchError) as failure:
        call(*arguments)
    assert failure.value.code == "topology_unknown"
    return failure.value.message


def test_a_kernel_without_topology_falls_back_and_says_so() -> None:
    topology = read.from_snapshot(FOUR)
    assert [core.cpus for core in topology.cores] == [(0,), (1,), (2,), (3,)]
    assert (topology.sockets, topology.nodes, topology.l3_groups) == ((0,), (), ())
    assert len(topology.problems) == 2
    assert "each counts as a core" in topology.problems[0]
    assert "socket 0" in topology.problems[1]


def test_without_sysfs_cpuinfo_names_the_cpus() -> None:
    topology = read.from_snapshot({"proc/cpuinfo": "processor: 0\n\nprocessor: 1\n"})
    assert topology.online == (0, 1)
    assert "offline CPUs are not known" in topology.problems[0]


@pytest.mark.parametrize("files", [{}, {"proc/cpuinfo": "nonsense"}, {f"{CPU}/online": ""}])
def test_files_that_name_no_cpu_are_refused(files: dict[str, str]) -> None:
    assert "named no CPU that is online" in refused(read.from_snapshot, files)


def test_files_that_make_no_sense_are_named_and_left_out() -> None:
    files = FOUR | {
        f"{CPU}/cpu0/topology/core_cpus_list": "3-1",
        f"{CPU}/cpu1/topology/core_cpus_list": "1",
        f"{CPU}/cpu1/topology/physical_package_id": "zero",
        f"{CPU}/cpu1/cache/index0/level": "3",
        f"{CPU}/cpu1/cache/index0/type": "Unified",
        f"{CPU}/cpu1/cache/index0/size": "some",
        f"{CPU}/cpu1/cache/index0/shared_cpu_list": "0-999999999",
        f"{CPU}/cpu2/regs/identification/midr_el1": "0xzz",
        "proc/self/status": "Cpus_allowed_list:\tmany",
    }
    topology = read.from_snapshot(files)
    assert topology.online == (0, 1, 2, 3)
    assert topology.caches == ()
    said = " ".join(topology.problems)
    for part in (
        "cpu0/topology/core_cpus_list",
        "physical_package_id",
        "shared_cpu_list",
        "midr_el1",
        "Cpus_allowed",
    ):
        assert part in said
    assert "Which cores the CPUs 0,2-3 belong to is not told" in said


def test_many_problems_are_cut_short() -> None:
    files = {f"{CPU}/online": "0-99"} | {
        f"{CPU}/cpu{cpu}/topology/physical_package_id": "x" for cpu in range(100)
    }
    topology = read.from_snapshot(files)
    assert len(topology.problems) == 21
    assert topology.problems[-1] == "And 82 more of this sort."


@given(
    st.dictionaries(
        st.sampled_from(
            [
                f"{CPU}/present",
                f"{CPU}/online",
                "sys/devices/cpu_core/cpus",
                "sys/devices/system/node/node0/cpulist",
                "sys/devices/system/node/node0/meminfo",
                "proc/cpuinfo",
                "proc/self/status",
                "proc/self/cgroup",
                *(
                    f"{CPU}/cpu{cpu}/{name}"
                    for cpu in (0, 1)
                    for name in (
                        "topology/core_cpus_list",
                        "topology/physical_package_id",
                        "cache/index0/level",
                        "cache/index0/shared_cpu_map",
                        "cpu_capacity",
                    )
                ),
            ]
        ),
        st.one_of(st.sampled_from(["0-1", "0", "1", "3", "-1", "0-3", "99", "2-1"]), st.text(max_size=20)),
    )
)
def test_any_files_give_a_topology_or_one_named_refusal(files: dict[str, str]) -> None:
    with contextlib.suppress(RackbenchError):
        topology = read.from_snapshot(files)
        assert Topology.from_dict(json.loads(json.dumps(topology.as_dict()))) == topology
        assert sorted(cpu for core in topology.cores for cpu in core.cpus) == sorted(
            cpu.id for cpu in topology.cpus if cpu.core >= 0
        )


def test_affinity_and_a_cpuset_of_cgroup_2_both_limit() -> None:
    topology = read.from_snapshot(
        FOUR
        | {
            "proc/self/status": "Name:\tpython3\nCpus_allowed_list:\t0-2\n",
            "proc/self/cgroup": "0::/user.slice/a/b\n",
            "sys/fs/cgroup/user.slice/cpuset.cpus.effective": "1-3",
        }
    )
    assert topology.usable == (1, 2)
    assert topology.online == (0, 1, 2, 3)
    assert topology.sources == ("affinity", "cgroup")


def test_a_cpuset_of_cgroup_1_limits() -> None:
    topology = read.from_snapshot(
        FOUR
        | {
            "proc/self/cgroup": "4:cpu,cpuacct:/x\n3:cpuset:/batch/../job\n0::/\n",
            "sys/fs/cgroup/cpuset/batch/cpuset.cpus": "0-1",
        }
    )
    assert topology.usable == (0, 1)


@pytest.mark.parametrize(
    ("vendor", "product", "flags", "virtual"),
    [
        ("QEMU", "Standard PC (Q35 + ICH9, 2009)", "lm hypervisor", "qemu"),
        ("Amazon EC2", "c7g.4xlarge", "", "kvm"),
        ("Amazon EC2", "c7g.metal", "", None),
        ("Microsoft Corporation", "Virtual Machine", "hypervisor", "hyper-v"),
        ("Microsoft Corporation", "Surface Laptop", "lm", None),
        ("", "", "lm hypervisor", "other"),
        ("Dell Inc.", "PowerEdge R760", "lm", None),
    ],
)
def test_virtual_machines_are_known_by_firmware_or_by_the_processor(
    vendor: str, product: str, flags: str, virtual: str | None
) -> None:
    files = FOUR | {
        f"{sysfs.DMI}/sys_vendor": vendor,
        f"{sysfs.DMI}/product_name": product,
        "proc/cpuinfo": f"processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: {flags}\n",
    }
    assert read.from_snapshot(files).virtual == virtual


def test_a_tree_does_not_lead_out_of_itself(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("0-7")
    root = tmp_path / "tree"
    (root / CPU).mkdir(parents=True)
    (root / CPU / "present").symlink_to(outside)
    (root / CPU / "online").write_text("0-1\n")
    assert sysfs.files_of(root) == {f"{CPU}/online": "0-1\n"}


def test_a_target_without_any_file_answers_nothing_and_does_not_fail(
    tmp_path: Path, target: ModuleType
) -> None:
    answer = target.snapshot(str(tmp_path))
    assert answer == {"files": {}}
    assert "named no CPU" in refused(read.from_answer, answer)


def test_a_target_reads_no_directory_or_pipe_in_place_of_a_file(tmp_path: Path, target: ModuleType) -> None:
    (tmp_path / CPU / "online").mkdir(parents=True)
    (tmp_path / CPU / "present").write_bytes(b"\xff\x000-3\n")
    assert list(target.snapshot(str(tmp_path))["files"]) == [f"{CPU}/present"]


def test_what_breaks_a_snapshot_off_is_said(target: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(files: Any) -> None:
        raise RuntimeError("odd")

    monkeypatch.setattr(target, "_cpus", broken)
    answer = target.snapshot()
    assert answer["files"][sysfs.PROBLEM] == "RuntimeError: odd"
    topology = read.from_answer(answer)
    assert set(topology.usable) == os.sched_getaffinity(0)
    assert "could not be read to the end: RuntimeError: odd" in " ".join(topology.problems)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"files": None},
        {"packed": "%%%"},
        {"packed": base64.b64encode(b"no zlib").decode()},
        {"packed": base64.b64encode(zlib.compress(b"[1]")).decode()},
        {"packed": base64.b64encode(zlib.compress(b'{"a": "b"}' * 100)[:-4]).decode()},
        {"packed": base64.b64encode(zlib.compress(b"[" * 100_000)).decode()},
        {"packed": base64.b64encode(zlib.compress(b" " * (read.LARGEST_SNAPSHOT + 1))).decode()},
    ],
    ids=["empty", "null", "no base64", "no zlib", "no files", "cut off", "nested too deep", "too large"],
)
def test_an_answer_that_is_no_snapshot_is_refused(answer: dict[str, Any]) -> None:
    assert "cannot be read" in refused(read.from_answer, answer)


@pytest.mark.parametrize(
    ("xml", "why"),
    [
        ("", "cannot be read"),
        ("<topology", "cannot be read"),
        ("<html/>", "not lstopo's topology"),
        ("<topology/>", "holds no machine"),
        (XML.format('<object type="PU" os_index="many"/>'), "os_index of PU is no number"),
        (XML.format('<object type="PU" os_index="999999999"/>'), "is no CPU"),
        (XML.format(PUS).replace("0x3", "0xzz"), "no word of a CPU mask"),
        (XML.format(""), "named no CPU that is online"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><topology>&b;</topology>', "defines entities"),
    ],
)
def test_xml_that_is_not_of_lstopo_is_refused(xml: str, why: str) -> None:
    assert why in refused(read.from_lstopo, xml)


def test_truncated_xml_is_refused_wherever_it_ends() -> None:
    whole = text("nvidia-dgx-gb10.lstopo.xml").rstrip()
    for end in range(0, len(whole), 1499):
        assert "cannot be read" in refused(read.from_lstopo, whole[:end])


def test_xml_without_cores_packages_and_nodes_is_read_as_far_as_it_tells() -> None:
    topology = read.from_lstopo(XML.format(PUS))
    assert [core.cpus for core in topology.cores] == [(0,), (1,)]
    assert (topology.sockets, topology.nodes) == ((0,), ())


def test_cpus_that_lstopo_says_are_not_allowed_are_not_usable() -> None:
    topology = read.from_lstopo(XML.format(PUS).replace(" cpuset=", ' allowed_cpuset="0x1" cpuset='))
    assert (topology.online, topology.usable) == ((0, 1), (0,))


@pytest.mark.parametrize(
    "printed",
    [
        "",
        "{",
        "{}",
        '{"lscpu": 3}',
        '{"cpus": []}',
        '{"cpus": [{"node": 0}]}',
        '{"lscpu": [{"field": "On-line CPU(s) list:", "data": "3-1"}]}',
        "0,0,0,0\n",
        "# CPU,Core\n0,0,0\n",
        "# CPU,Core\n0-3,0\n",
        "# CPU,Core,Socket\n0,0,zero\n",
        "lscpu: command not found\n",
    ],
)
def test_text_that_is_not_of_lscpu_is_refused(printed: str) -> None:
    assert refused(read.from_lscpu, printed)


def test_lscpu_lists_offline_cpus_without_a_place() -> None:
    topology = read.from_lscpu("# CPU,Core,Socket,Node,Online\n0,0,0,0,Y\n1,,,,N\n2,1,0,0,Y\n")
    assert (topology.online, topology.offline) == ((0, 2), (1,))
    offline = topology.cpus[1]
    assert (offline.core, offline.socket, offline.node, offline.kind) == (-1, -1, None, "unknown")


@pytest.mark.parametrize("document", [{}, {"cpus": 3}, {"cpus": [{}]}])
def test_a_document_that_is_no_topology_is_refused(document: dict[str, Any]) -> None:
    assert "cannot be read" in refused(Topology.from_dict, document)


def test_unknown_fields_of_a_newer_document_are_left_out() -> None:
    topology = read.from_snapshot(FOUR)
    document = topology.as_dict() | {"more": 1}
    document["cpus"][0]["more"] = 1
    assert Topology.from_dict(document) == topology
