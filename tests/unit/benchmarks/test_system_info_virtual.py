# SPDX-License-Identifier: Apache-2.0
"""Tests of the benchmark system-info: virtual machines and containers, and the captures of the family full."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.benchmarks.system_info_program import (
    BENCH,
    RECORDED,
    assert_obeys_the_contract,
    captures,
    fake_tools,
    imported,
    job,
    load,
    parameters,
    run,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VENDOR = "/sys/class/dmi/id/sys_vendor"
PRODUCT = "/sys/class/dmi/id/product_name"
DETECT = "systemd-detect-virt --vm"
WHOLE = {"lscpu": "Flags: fpu sse2 lahf_lm\n"}
GUEST = {"lscpu": "Flags: fpu hypervisor sse2\n"}
DMI = "Handle 0x0001, DMI type 1, 27 bytes\nSystem Information\n\tManufacturer: {}\n\tProduct Name: {}\n"


@pytest.fixture(scope="module")
def package() -> Iterator[Any]:
    with imported() as package:
        yield package


@pytest.mark.parametrize(
    ("raw", "probes", "machine"),
    [
        (WHOLE, {}, "none"),
        ({"cpuinfo": "flags : fpu sse2\n"}, {DETECT: "none"}, "none"),
        (GUEST, {}, "other"),
        (GUEST, {DETECT: "none"}, "other"),
        ({"lscpu": GUEST["lscpu"] + "Hypervisor vendor: KVM\n"}, {}, "kvm"),
        ({"lscpu": GUEST["lscpu"] + "Hypervisor vendor: Microsoft\n"}, {}, "hyper-v"),
        (GUEST, {DETECT: "oracle"}, "virtualbox"),
        (WHOLE, {"/proc/xen": "is there"}, "xen"),
        ({}, {"/sys/hypervisor/type": "xen"}, "xen"),
        ({"dmi_system": DMI.format("QEMU", "Standard PC")}, {}, "qemu"),
        ({}, {VENDOR: "Microsoft Corporation", PRODUCT: "Virtual Machine"}, "hyper-v"),
        ({}, {VENDOR: "Amazon EC2", PRODUCT: "c7g.large"}, "kvm"),
        ({}, {VENDOR: "Amazon EC2", PRODUCT: "c7g.metal"}, "unknown"),
        ({}, {"/proc/device-tree/hypervisor/compatible": "linux,kvm"}, "kvm"),
        ({"lscpu": "Architecture: aarch64\n"}, {}, "unknown"),
    ],
)
def test_a_virtual_machine_is_told_with_its_evidence(
    package: Any, raw: dict[str, str], probes: dict[str, str], machine: str
) -> None:
    found = package("virtual").judge(raw, probes)
    assert found["machine"] == machine
    assert found["container"] == "unknown"
    assert bool(found["evidence"]) == (machine != "unknown")


@pytest.mark.parametrize(
    ("probes", "container"),
    [
        ({"/.dockerenv": "is there"}, "docker"),
        ({"/run/.containerenv": "is there"}, "podman"),
        ({"/run/systemd/container": "lxc"}, "lxc"),
        ({"/proc/1/cgroup": "12:cpu:/kubepods/besteffort/pod1"}, "kubernetes"),
        ({"/proc/sys/kernel/osrelease": "5.15.0-microsoft-standard-WSL2"}, "wsl"),
        ({"systemd-detect-virt --container": "none"}, "none"),
        ({"/proc/1/cgroup": "0::/init.scope"}, "unknown"),
    ],
)
def test_a_container_is_told_apart_from_a_virtual_machine(
    package: Any, probes: dict[str, str], container: str
) -> None:
    found = package("virtual").judge(WHOLE, probes)
    assert (found["machine"], found["container"]) == ("none", container)


def test_the_recorded_machine_is_not_taken_for_a_virtual_one(package: Any) -> None:
    module = package("summary")
    facts = module.summarise(module.read_raw(RECORDED), [], "").facts
    assert facts["virtual"]["machine"] in {"none", "unknown"}


def test_a_virtual_machine_is_flagged_in_all_documents_and_fails_nothing(tmp_path: Path) -> None:
    text = GUEST["lscpu"] + "Hypervisor vendor: VMware\n"
    tools = {"lscpu": f"printf '{text}'", "systemd-detect-virt": "exit 1"}
    run(tmp_path, job(), path=fake_tools(tmp_path / "bin", **tools))
    result, summary = load(tmp_path / "out" / "result.json"), load(tmp_path / "out" / "summary.json")
    assert_obeys_the_contract(result)
    assert result["facts"]["virtual"] == summary["virtual"]
    assert summary["virtual"]["machine"] == "vmware"
    assert {"name": "vm", "ok": False, "detail": "this is a virtual machine (vmware)"} in result["checks"]
    others = all(check["ok"] for check in result["checks"] if check["name"] != "vm")
    assert result["status"] == ("passed" if others else "partial")
    assert "| Virtual machine | vmware |" in (tmp_path / "out" / "system_profile.md").read_text()


# The family full


def test_the_captures_of_full_are_in_the_readme_and_optional(package: Any) -> None:
    tables = package("captures")
    readme = (BENCH / "README.md").read_text()
    for capture in tables.MORE_CAPTURES + tables.interface_captures(["INTERFACE"]):
        name, path = (re.sub(r"_0(?=$|\.)", "_N", text) for text in (capture.name, capture.path))
        row = rf"^\| `{name}` \| `{re.escape(capture.command)}` \| `{re.escape(path)}` \|"
        assert re.search(row, readme, re.MULTILINE), name
        assert capture.optional
    everything = tables.CAPTURES + tables.MORE_CAPTURES + tables.interface_captures(["a", "b"])
    assert len({c.name for c in everything}) == len({c.path for c in everything}) == len(everything)


def test_full_adds_captures_and_skips_what_the_machine_lacks_with_a_reason(
    package: Any, tmp_path: Path
) -> None:
    path = fake_tools(tmp_path / "bin", sysctl="echo kernel.hostname = db7")
    run(tmp_path, job(parameters=parameters(captures="full", redact="shared")), path=path)
    result, entries = load(tmp_path / "out" / "result.json"), captures(tmp_path)
    assert_obeys_the_contract(result)
    tables = package("captures")
    assert len(entries) == len(tables.CAPTURES + tables.MORE_CAPTURES) + 2 * len(tables.devices())
    assert entries["sysctl"]["status"] == entries["interrupts"]["status"] == "captured"
    assert (tmp_path / "out/raw/sysctl.txt").read_text() == "kernel.hostname = [redacted-host]\n"
    assert all(entry["status"] == "captured" or entry["reason"] for entry in entries.values())
    if shutil.which("nvme") is None:
        assert entries["nvme_list"]["reason"] == "nvme is not on PATH (Debian package nvme-cli)"
    metrics = {metric["name"]: metric["samples"][0] for metric in result["metrics"]}
    assert metrics["captures_done"] + metrics["captures_skipped"] == len(entries)


def test_network_interfaces_that_are_devices_have_numbered_captures(package: Any, tmp_path: Path) -> None:
    for name in ("enx02210b7f905a/device", "eth0/device", "lo"):
        (tmp_path / "sys/class/net" / name).mkdir(parents=True)
    tables = package("captures")
    found = tables.interface_captures(tables.devices(tmp_path))
    assert [(c.name, c.command) for c in found] == [
        ("ethtool_driver_0", "ethtool -i enx02210b7f905a"),
        ("ethtool_link_0", "ethtool enx02210b7f905a"),
        ("ethtool_driver_1", "ethtool -i eth0"),
        ("ethtool_link_1", "ethtool eth0"),
    ]
