# SPDX-License-Identifier: Apache-2.0
"""Tells a virtual machine and a container from a machine of its own, and says by which evidence."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from system_info import parse

if TYPE_CHECKING:
    from collections.abc import Mapping

NONE = "none"
UNKNOWN = "unknown"
OTHER = "other"

_VENDOR = "/sys/class/dmi/id/sys_vendor"
_PRODUCT = "/sys/class/dmi/id/product_name"
_DETECT_VM = "systemd-detect-virt --vm"
_DETECT_CONTAINER = "systemd-detect-virt --container"
_FILES = (
    _VENDOR,
    _PRODUCT,
    "/sys/hypervisor/type",
    "/proc/device-tree/hypervisor/compatible",
    "/run/systemd/container",
    "/proc/1/cgroup",
    "/proc/sys/kernel/osrelease",
)
_MARKS = ("/proc/xen", "/.dockerenv", "/run/.containerenv")
_PATIENCE_S = 5
_LONGEST = 200

# How lscpu and systemd call what has another name here.
_CALLED = {"microsoft": "hyper-v", "oracle": "virtualbox", "amazon": "kvm", "google": "kvm", "vserver": "kvm"}
# How a manufacturer or product begins whose machines are all virtual. A cloud's name alone proves nothing.
_PRODUCTS = {
    "QEMU": "qemu",
    "KVM": "kvm",
    "VMware": "vmware",
    "innotek GmbH": "virtualbox",
    "VirtualBox": "virtualbox",
    "Xen": "xen",
    "Parallels": "parallels",
    "Bochs": "bochs",
    "BHYVE": "bhyve",
    "Virtual Machine": "hyper-v",
    "OpenStack": "kvm",
    "Google Compute Engine": "kvm",
    "Apple Virtualization": "apple",
    "vServer": "kvm",
}
# Words in the control group of process 1, as older container engines leave them there.
_GROUPS = {"docker": "docker", "kubepods": "kubernetes", "lxc": "lxc", "libpod": "podman"}


def probe() -> dict[str, str]:
    """What the places that need no capture say, by place; those that are not there are left out."""
    found = {}
    for name in _FILES:
        try:
            found[name] = Path(name).read_bytes().decode("utf-8", "replace").strip("\0\n ")
        except OSError:
            continue
    found.update({name: "is there" for name in _MARKS if Path(name).exists()})
    for command in (_DETECT_VM, _DETECT_CONTAINER):
        said = _run(command)
        if said:
            found[command] = said
    return found


def _run(command: str) -> str:
    tool, argument = command.split()
    path = shutil.which(tool)
    if path is None:
        return ""
    try:
        # It ends with 1 when it finds nothing.
        done = subprocess.run(
            [path, argument],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE_S,
            env={**os.environ, "LC_ALL": "C"},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace").strip()


@dataclass
class _Findings:
    kind: str = UNKNOWN
    evidence: list[str] = field(default_factory=list)

    def add(self, place: str, said: str, kind: str) -> None:
        """Keeps the evidence. A name counts more than `other`, and that more than `none`."""
        self.evidence.append(f"{place}: {said[:_LONGEST]}")
        if (
            self.kind in (UNKNOWN, NONE, OTHER)
            and kind != self.kind
            and not (self.kind == OTHER and kind == NONE)
        ):
            self.kind = kind


def judge(raw: Mapping[str, str], probes: Mapping[str, str]) -> dict[str, Any]:
    """The kinds of machine and container, and the evidence, from the captures and what `probe` found.

    `machine` is a name such as "kvm", "other" for one without a known name, "none", or "unknown" when nothing tells;
    `container` likewise.
    """
    machine, container = _Findings(), _Findings()
    _ask_cpu(raw, machine)
    _ask_firmware(raw, probes, machine)
    _ask_xen(probes, machine)
    _ask_systemd(probes, machine, _DETECT_VM)
    _ask_container(probes, container)
    _ask_systemd(probes, container, _DETECT_CONTAINER)
    return {
        "machine": machine.kind,
        "container": container.kind,
        "evidence": machine.evidence + container.evidence,
    }


def _ask_cpu(raw: Mapping[str, str], found: _Findings) -> None:
    lscpu = raw.get("lscpu", "")
    vendor = parse.first(lscpu, "Hypervisor vendor")
    flags = parse.first(lscpu, "Flags") or parse.first(raw.get("cpuinfo", ""), "flags")
    if flags is not None and "hypervisor" in flags.split():
        found.add("CPU flag hypervisor", "set", OTHER)
    elif flags is not None:
        found.add("CPU flag hypervisor", "not set", NONE)
    if vendor is not None:
        found.add("lscpu hypervisor vendor", vendor, _called(vendor))


def _ask_firmware(raw: Mapping[str, str], probes: Mapping[str, str], found: _Findings) -> None:
    systems = parse.dmi_structures(raw.get("dmi_system", ""), parse.SYSTEM)
    system = systems[0] if systems else {}
    vendor = probes.get(_VENDOR) or system.get("Manufacturer", "")
    product = probes.get(_PRODUCT) or system.get("Product Name", "")
    for place, said in (("DMI manufacturer", vendor), ("DMI product", product)):
        kind = next((kind for start, kind in _PRODUCTS.items() if said.startswith(start)), None)
        if kind is not None:
            found.add(place, said, kind)
    # What Amazon rents out as a whole machine has a name such as c7g.metal.
    if vendor == "Amazon EC2" and ".metal" not in product:
        found.add("DMI product", product, "kvm")


def _ask_xen(probes: Mapping[str, str], found: _Findings) -> None:
    kind = probes.get("/sys/hypervisor/type")
    if kind is not None:
        found.add("/sys/hypervisor/type", kind, kind if kind == "xen" else OTHER)
    elif "/proc/xen" in probes:
        found.add("/proc/xen", probes["/proc/xen"], "xen")
    tree = probes.get("/proc/device-tree/hypervisor/compatible")
    if tree is not None:
        found.add("device tree hypervisor", tree, "xen" if "xen" in tree else "kvm")


def _ask_systemd(probes: Mapping[str, str], found: _Findings, command: str) -> None:
    said = probes.get(command)
    if said is not None:
        found.add(command, said, _called(said))


def _ask_container(probes: Mapping[str, str], found: _Findings) -> None:
    if "/.dockerenv" in probes:
        found.add("/.dockerenv", probes["/.dockerenv"], "docker")
    if "/run/.containerenv" in probes:
        found.add("/run/.containerenv", probes["/run/.containerenv"], "podman")
    if probes.get("/run/systemd/container"):
        found.add(
            "/run/systemd/container", probes["/run/systemd/container"], probes["/run/systemd/container"]
        )
    for word, kind in _GROUPS.items():
        if word in probes.get("/proc/1/cgroup", ""):
            found.add("/proc/1/cgroup", word, kind)
    if "microsoft" in probes.get("/proc/sys/kernel/osrelease", "").lower():
        found.add("kernel release", probes["/proc/sys/kernel/osrelease"], "wsl")


def _called(name: str) -> str:
    return _CALLED.get(name.lower(), name.lower())
