#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: target_preflight
short_description: Look for what benchmarks need on a target
version_added: 0.1.0
description:
  - Looks for commands, the package manager, free space, memory and bundles on the host in one call, and whether the
    user can become root.
  - M(rackbench.lab.preflight) calls it, and says for each benchmark whether it is ready.
extends_documentation_fragment:
  - rackbench.lab.attributes
  - rackbench.lab.attributes.linux
  - rackbench.lab.target.private
attributes:
  check_mode:
    details: It changes nothing in any mode.
  idempotent:
    support: full
options:
  commands:
    description: The commands to look for.
    type: list
    elements: str
    default: []
  bootstrapped:
    description: Those of O(commands) that the role P(rackbench.lab.rustup#role) may have installed for builds.
    type: list
    elements: str
    default: []
  bundles:
    description: The SHA-256 of the bundles to look for.
    type: list
    elements: str
    default: []
  root:
    description:
      - Whether to try if sudo works without a password.
      - It is tried only when a benchmark needs root, since sudo reports users who may not use it.
    type: bool
    default: false
  noise:
    description:
      - The noise settings to look at, as M(rackbench.lab.target_noise) takes them. All but C(irqbalance) if there are
        none.
    type: dict
    default: {}
author:
  - Rackbench contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: See what the host has
  rackbench.lab.target_preflight:
    commands: [lstopo, cargo]
  register: probed
"""

RETURN = r"""
probe:
  description: What was found.
  returned: success
  type: dict
  sample:
    commands: {lstopo: /usr/bin/lstopo}
    package_manager: apt
    python: 3.11.2
    user: bench
    root: false
    free_bytes: 1000
    memory_bytes: 4000
    stored: [5f0c6c5e29ee0d0b6a53f2d6d2f8f8d3d5a8f7c1e0b9a8f7c6d5e4f3a2b1c0d9]
noise:
  description: The noise settings of the host as they are, those that it does not have as V(absent).
  returned: success
  type: dict
  sample: {governor: powersave, boost: absent}
"""

import os
import platform
import shutil
from typing import TYPE_CHECKING

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rackbench.lab.plugins.module_utils import _host, _noise
from ansible_collections.rackbench.lab.plugins.module_utils._store import MARKER
from ansible_collections.rackbench.lab.plugins.module_utils._target import DIGEST, expanded

if TYPE_CHECKING:
    from pathlib import Path


def our_directory() -> Path:
    """Return where everything of ours is kept; it may be a link to a larger disk."""
    place = expanded("~/.rackbench")
    try:
        return place.resolve()
    except (OSError, RuntimeError):
        return place


def free_bytes(root: Path) -> int | None:
    """Return the free space where bundles and jobs go, or None: it, and a home directory, may be missing."""
    try:
        there = next((folder for folder in (root, *root.parents) if folder.exists()), None)
        return shutil.disk_usage(str(there)).free if there else None
    except OSError:
        return None


def stored(root: Path, digests: list[str]) -> list[str]:
    """Return those of the bundles that are in the store. Whether they are unchanged is looked at before they run."""
    wanted = [digest for digest in digests if DIGEST.fullmatch(digest)]
    return sorted(each for each in wanted if os.path.isfile(root / "bundles" / each / MARKER))  # noqa: PTH113


def can_become_root(module: AnsibleModule) -> bool | None:
    """Return whether this user is root or can be, and None when sudo was not to be tried."""
    if os.geteuid() == 0:
        return True
    if not module.params["root"]:
        return None
    return _host.sudo_works()


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "commands": {"type": "list", "elements": "str", "default": []},
            "bootstrapped": {"type": "list", "elements": "str", "default": []},
            "bundles": {"type": "list", "elements": "str", "default": []},
            "root": {"type": "bool", "default": False},
            "noise": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    bootstrapped = set(module.params["bootstrapped"])
    root = our_directory()
    module.exit_json(
        changed=False,
        probe={
            "commands": {
                name: _host.which(name) or (name in bootstrapped and _host.bootstrapped(name)) or None
                for name in module.params["commands"]
            },
            "package_manager": _host.package_manager(),
            "python": platform.python_version(),
            "user": _host.user(),
            "root": can_become_root(module),
            "free_bytes": free_bytes(root),
            "memory_bytes": _host.memory_bytes(),
            "stored": stored(root, module.params["bundles"]),
        },
        noise=_noise.observe(module.params["noise"], _noise.Places()),
    )


if __name__ == "__main__":
    main()
