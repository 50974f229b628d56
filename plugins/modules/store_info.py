#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: store_info
short_description: List what Rackbench keeps on a target
version_added: 0.1.0
description:
  - Lists the bundles, jobs, uploads and the toolchain that are on a target.
  - It works in any playbook, outside of runs.
extends_documentation_fragment:
  - rackbench.lab.attributes
  - rackbench.lab.package
  - rackbench.lab.attributes.linux
  - rackbench.lab.target
attributes:
  check_mode:
    details: It changes nothing in any mode.
  idempotent:
    support: full
seealso:
  - module: rackbench.lab.store
author:
  - Rackbench contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: See what is there
  rackbench.lab.store_info:
"""

RETURN = r"""
root:
  description: The directory on the target that holds everything of Rackbench.
  returned: success
  type: str
  sample: /home/lab/.rackbench
bundles:
  description: The bundles in the store, longest unused first, with the running jobs that use them.
  returned: success
  type: list
  elements: dict
  sample: [{sha256: 0b6a53f2, name: latency, version: 1.0.0, bytes: 73421, last_use: "2026-11-20T09:00:00Z", jobs: []}]
jobs:
  description: The executions that left a directory.
  returned: success
  type: list
  elements: dict
  sample: [{run_id: 20261121T080000Z-thor, execution_id: latency.smoke.1, state: ended, running: false, bytes: 9021}]
uploads:
  description: The tarballs that are on their way, or were given up on it.
  returned: success
  type: list
  elements: dict
  sample: [{name: 5f0c6c5e.0f3a9c4d5b6e7f80.part, bytes: 4096, given_up: false}]
toolchain:
  description: The Rust toolchain that Rackbench installed; nothing if there is none.
  returned: success
  type: dict
  sample: {path: /home/lab/.rackbench/rust, bytes: 734003200}
rackbench:
  description: What the ledger takes from this task, such as its failure.
  returned: always
  type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rackbench.lab.plugins.module_utils import _store
from ansible_collections.rackbench.lab.plugins.module_utils._target import ROOT_OPTION, answer, root_of


def main() -> None:
    """Run the module."""
    answer(AnsibleModule(argument_spec=ROOT_OPTION, supports_check_mode=True), work)


def work(module: Any) -> dict[str, Any]:
    """Return everything of ours on this target."""
    root = root_of(module)
    jobs = _store.jobs(root)
    toolchain = root / _store.TOOLCHAIN
    return {
        "changed": False,
        "root": str(root),
        "bundles": [bundle.as_dict() for bundle in _store.bundles(root, jobs)],
        "jobs": [
            {
                "run_id": job.path.parent.name,
                "execution_id": job.path.name,
                "state": job.state,
                "running": job.running,
                "bytes": _store.size_of(job.path),
            }
            for job in jobs
        ],
        "uploads": [
            {"name": part.name, "bytes": _store.size_of(part), "given_up": _store.is_given_up(root, part)}
            for part in _store.parts(root)
        ],
        "toolchain": {"path": str(toolchain), "bytes": _store.size_of(toolchain)}
        if toolchain.is_dir()
        else None,
    }


if __name__ == "__main__":
    main()
