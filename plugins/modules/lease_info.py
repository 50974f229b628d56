#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lease_info
short_description: See who holds the lease of a target
version_added: 0.1.0
description:
  - Reads the lease, which says which run has a target. It is one file in a directory that all users of the target
    share.
  - It works in any playbook, outside of runs.
extends_documentation_fragment:
  - rackbench.lab.attributes
  - rackbench.lab.package
  - rackbench.lab.attributes.linux
  - rackbench.lab.lease.directory
attributes:
  check_mode:
    details: It changes nothing in any mode.
  idempotent:
    support: full
seealso:
  - module: rackbench.lab.lease
author:
  - Rackbench contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: See who holds the host
  rackbench.lab.lease_info:
"""

RETURN = r"""
holder:
  description: Whose lease is there; nothing if there is none.
  returned: success
  type: dict
  sample:
    run_id: 20261121T080000Z-thor
    owner: ann@jump
    purpose: latency
    taken_at: "2026-11-21T08:00:02.125Z"
    lease_id: 20261121T080000Z-thor-0b6a53f2
expires_in_s:
  description: In how many seconds that lease expires if it is not renewed; 0 for one that has expired.
  returned: success
  type: float
  sample: 1799.8
broken:
  description: Whether the file is no lease.
  returned: success
  type: bool
  sample: false
rackbench:
  description: What the ledger takes from this task, such as its failure.
  returned: always
  type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rackbench.lab.plugins.module_utils import _lease
from ansible_collections.rackbench.lab.plugins.module_utils._target import answer


def main() -> None:
    """Run the module."""
    answer(AnsibleModule(argument_spec=_lease.DIRECTORY_OPTION, supports_check_mode=True), work)


def work(module: Any) -> dict[str, Any]:
    """Return the module's result."""
    path = _lease.lease_path(module.params["dir"])
    with _lease.usable(path):
        return {"changed": False, **_lease.look(path).as_dict()}


if __name__ == "__main__":
    main()
