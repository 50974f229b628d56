# SPDX-License-Identifier: Apache-2.0
"""Whether a host is a virtual machine, from what its firmware calls it."""

from __future__ import annotations

# A part of what firmware says of the vendor and product of a virtual machine, and the name that we give.
_FIRMWARE = {
    "qemu": "qemu",
    "kvm": "kvm",
    "vmware": "vmware",
    "virtualbox": "virtualbox",
    "innotek": "virtualbox",
    "xen": "xen",
    "bochs": "bochs",
    "parallels": "parallels",
    "bhyve": "bhyve",
    "openstack": "openstack",
    "firecracker": "firecracker",
    "google compute engine": "google",
    "microsoft corporation virtual machine": "microsoft",
    "apple virtualization": "apple",
}
# Amazon's firmware says this of its bare machines as well, whose type ends with `.metal` or `.metal-24xl`.
_AMAZON = "amazon ec2"


def hypervisor(vendor: str, product: str, *, flagged: bool) -> str | None:
    """Return the hypervisor's name; `unknown` if the processor only says that there is one; None on a real machine."""
    firmware = f"{vendor} {product}".lower()
    for part, name in _FIRMWARE.items():
        if part in firmware:
            return name
    if _AMAZON in firmware and ".metal" not in firmware:
        return "amazon"
    return "unknown" if flagged else None
