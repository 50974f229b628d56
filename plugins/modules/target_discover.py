#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: target_discover
short_description: Read what a target is
version_added: 0.1.0
description:
  - Reads the host's operating system, machine, libc, kernel, boot id, own ssh key, processors and memory in one call.
  - Reads the state that measurements depend on, such as firmware, microcode, mitigations and memory modules, as far as
    the user may. It needs no root, changes nothing, and reads no serial number.
  - Reads the files that tell which processors the host has.
  - M(rackbench.lab.discover) calls it, and records what it finds.
extends_documentation_fragment:
  - rackbench.lab.attributes
  - rackbench.lab.attributes.linux
  - rackbench.lab.target.private
attributes:
  check_mode:
    details: It changes nothing in any mode.
  idempotent:
    support: full
options: {}
author:
  - Rackbench contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Read what the host is
  rackbench.lab.target_discover:
  register: discovered
"""

RETURN = r"""
platform:
  description: What the host is.
  returned: success
  type: dict
  sample: {machine: x86_64, os: linux, os_id: debian, os_version: "12"}
host_state:
  description:
    - The host's state. C(facts) are texts by name, C(unknown) says why something is not known.
  returned: success
  type: dict
  sample:
    facts: {kernel.release: 6.12.9, settings.governor: powersave}
    unknown: {bmc.firmware: ipmitool is not installed}
topology:
  description:
    - The files of C(/sys) and C(/proc) that tell the host's processors, and where this process may run.
    - C(files) are their texts by path, or C(packed) the same as base64 of zlib of JSON when large.
  returned: success
  type: dict
  sample:
    files: {sys/devices/system/cpu/online: "0-7"}
"""

import hashlib
import os
import platform
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rackbench.lab.plugins.module_utils import (
    _host,
    _host_state,
    _noise,
    _supervisor,
    _topology,
)


def read(path: str) -> str:
    """Return a small file's text, or an empty string when it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def os_release() -> dict[str, str]:
    """Return the fields of os-release(5)."""
    fields = {}
    for line in (read("/etc/os-release") or read("/usr/lib/os-release")).splitlines():
        name, separator, value = line.partition("=")
        if separator:
            fields[name] = value.strip("\"'")
    return fields


def machine_id_digest() -> str | None:
    """Return a digest of the machine id, which machine-id(5) asks not to expose itself."""
    text = read("/etc/machine-id")
    return hashlib.sha256(f"rackbench:{text}".encode()).hexdigest() if text else None


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    release = os_release()
    module.exit_json(
        changed=False,
        platform={
            "machine": platform.machine(),
            "os": platform.system().lower(),
            "os_id": release.get("ID"),
            "os_version": release.get("VERSION_ID"),
            "libc": _host.libc(),
            "kernel": platform.release(),
            "python": platform.python_version(),
            "boot_id": read("/proc/sys/kernel/random/boot_id") or None,
            "host_key": _supervisor.host_key(),
            "machine_id_digest": machine_id_digest(),
            "cpus": os.cpu_count(),
            "memory_bytes": _host.memory_bytes(),
            "package_manager": _host.package_manager(),
            "hostname": platform.node(),
            "user": _host.user(),
        },
        host_state=_host_state.collect(_noise.Places()),
        topology=_topology.snapshot(),
    )


if __name__ == "__main__":
    main()
