# SPDX-License-Identifier: Apache-2.0
"""Whether a host is a virtual machine, and what its hypervisor is called.

The names are the hypervisor's, whoever rents the machine out. The benchmarks latency and system-info have the same
table, as they run where this package is not.
"""

from __future__ import annotations

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
# How lscpu calls what has another name here.
_CALLED = {"microsoft": "hyper-v", "oracle": "virtualbox", "innotek gmbh": "virtualbox"}


def hypervisor(vendor: str, product: str, *, flagged: bool) -> str | None:
    """Return the hypervisor's name; `other` if the processor only says that there is one; None on a real machine."""
    for said in (vendor, product):
        for start, name in _PRODUCTS.items():
            if said.startswith(start):
                return name
    # What Amazon rents out as a whole machine has a name such as c7g.metal.
    if vendor == "Amazon EC2" and ".metal" not in product:
        return "kvm"
    return "other" if flagged else None


def called(vendor: str) -> str | None:
    """Return the name for what lscpu says is the hypervisor's vendor; None if it says nothing."""
    name = vendor.lower()
    return _CALLED.get(name, name) or None
