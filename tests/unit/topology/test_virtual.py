# SPDX-License-Identifier: Apache-2.0
"""The hypervisor has one name, whoever asks: the topology, and the benchmarks system-info and latency."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from rackbench.topology import read, sysfs

from tests.unit.benchmarks import latency_program, system_info_program
from tests.unit.topology.machines import CPU

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

# What firmware says of manufacturer and product, and the name; None: a real machine.
FIRMWARE = {
    ("QEMU", "Standard PC (Q35 + ICH9, 2009)"): "qemu",
    ("QEMU", "QEMU Virtual Machine"): "qemu",
    ("Red Hat", "KVM"): "kvm",
    ("Google", "Google Compute Engine"): "kvm",
    ("OpenStack Foundation", "OpenStack Nova"): "kvm",
    ("Amazon EC2", "c7g.4xlarge"): "kvm",
    ("Amazon EC2", "c7g.metal"): None,
    ("Amazon EC2", "c7i.metal-24xl"): None,
    ("Hetzner", "vServer"): "kvm",
    ("Microsoft Corporation", "Virtual Machine"): "hyper-v",
    ("Microsoft Corporation", "Surface Laptop"): None,
    ("VMware, Inc.", "VMware20,1"): "vmware",
    ("innotek GmbH", "VirtualBox"): "virtualbox",
    ("Xen", "HVM domU"): "xen",
    ("Parallels Software International Inc.", "Parallels Virtual Platform"): "parallels",
    ("Bochs", "Bochs"): "bochs",
    ("FreeBSD", "BHYVE"): "bhyve",
    ("Apple Inc.", "Apple Virtualization Generic Platform"): "apple",
    ("Dell Inc.", "PowerEdge R760"): None,
    ("", ""): None,
}
CPUINFO = "processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: {}\n"
# How the benchmarks, which run on the machine, find what the topology's snapshot has by another path.
DMI = "sys/class/dmi/id"
NO_NAME = {"none", "unknown"}


def topology_says(vendor: str, product: str, flags: str) -> str | None:
    """Return what is in the run's topology."""
    return read.from_snapshot(
        {
            f"{CPU}/present": "0-1",
            f"{CPU}/online": "0-1",
            f"{sysfs.DMI}/sys_vendor": vendor,
            f"{sysfs.DMI}/product_name": product,
            "proc/cpuinfo": CPUINFO.format(flags),
        }
    ).virtual


def system_info_says(vendor: str, product: str, flags: str) -> str | None:
    """Return what the benchmark system-info would write."""
    raw = {"cpuinfo": CPUINFO.format(flags)}
    probes = {f"/{DMI}/sys_vendor": vendor, f"/{DMI}/product_name": product}
    with system_info_program.imported() as package:
        machine = package("virtual").judge(raw, probes)["machine"]
    return None if machine in NO_NAME else str(machine)


@pytest.fixture(scope="module")
def latency(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the built benchmark latency."""
    if shutil.which("cc") is None:
        pytest.skip("there is no cc: install gcc")
    return latency_program.build(latency_program.BENCH, tmp_path_factory.mktemp("built"))


def latency_says(program: Path, directory: Path, vendor: str, product: str) -> str | None:
    """Return what the benchmark latency says in its plan. It asks the processor itself, and no cpuinfo, for a flag."""
    for path, text in (
        (f"{CPU}/online", "0-1"),
        (f"{DMI}/sys_vendor", vendor),
        (f"{DMI}/product_name", product),
    ):
        file = directory / "root" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")
    config = directory / "job.json"
    config.write_text(json.dumps(latency_program.job(cpus=None)))
    done = subprocess.run(
        [str(program), "--config", str(config), "--plan", "--root", str(directory / "root")],
        capture_output=True, text=True, timeout=latency_program.PATIENCE_S,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    machine = json.loads(done.stdout)["virtual"]["machine"]
    return None if machine in NO_NAME else str(machine)


@pytest.mark.parametrize(("vendor", "product"), FIRMWARE)
def test_all_three_give_one_name_for_what_firmware_says(
    vendor: str, product: str, latency: Path, tmp_path: Path
) -> None:
    said = {
        "topology": topology_says(vendor, product, "lm"),
        "system-info": system_info_says(vendor, product, "lm"),
        "latency": latency_says(latency, tmp_path, vendor, product),
    }
    assert set(said.values()) == {FIRMWARE[vendor, product]}, said


def test_a_hypervisor_that_only_the_processor_tells_of_is_other() -> None:
    assert topology_says("", "", "lm hypervisor") == system_info_says("", "", "lm hypervisor") == "other"


@pytest.mark.parametrize(
    ("vendor", "name"),
    [
        ("KVM", "kvm"),
        ("Microsoft", "hyper-v"),
        ("Oracle", "virtualbox"),
        ("VMware", "vmware"),
        ("Xen", "xen"),
    ],
)
def test_what_lscpu_calls_a_hypervisor_has_the_same_name(vendor: str, name: str) -> None:
    text = f"Hypervisor vendor: {vendor}\n"
    entries = [("CPU(s):", "2"), ("On-line CPU(s) list:", "0-1"), ("Hypervisor vendor:", vendor)]
    summary = json.dumps({"lscpu": [{"field": field, "data": data} for field, data in entries]})
    assert read.from_lscpu(summary).virtual == name
    with system_info_program.imported() as package:
        assert package("virtual").judge({"lscpu": text}, {})["machine"] == name
