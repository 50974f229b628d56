#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Probe a host for what benchmarks need
version_added: "0.1.0"
description:
  - Look for commands, the package manager and free space on the host in one call.
  - As an action within a run it also chooses each adapter's bundle, classifies its readiness and records both.
options:
  run_dir:
    description: The run directory on the controller. The action takes it; the module itself does not.
    type: path
  commands:
    description: The commands to look for. The action fills them in from the adapters.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Whether the module works in check mode.
    support: full
  diff_mode:
    description: Whether the module shows differences.
    support: none
author:
  - Rackbench contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Choose bundles and probe the host
  rackbench.lab.preflight:
    run_dir: "{{ rackbench_plan.run_dir }}"
"""

RETURN = r"""
probe:
  description: What was found.
  returned: success
  type: dict
  sample: {commands: {lstopo: /usr/bin/lstopo}, package_manager: apt, python: 3.11.2, user: bench, free_bytes: 1000}
readiness:
  description: The readiness status of each adapter.
  returned: when used as an action
  type: dict
  sample: {latency: ready}
"""

import getpass
import platform
import shutil
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rackbench.lab.plugins.module_utils import _host


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "run_dir": {"type": "path"},
            "commands": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    module.exit_json(
        changed=False,
        probe={
            "commands": {name: _host.which(name) for name in module.params["commands"]},
            "package_manager": _host.package_manager(),
            "python": platform.python_version(),
            "user": getpass.getuser(),
            "free_bytes": shutil.disk_usage(Path.home()).free,
        },
    )


if __name__ == "__main__":
    main()
