# SPDX-License-Identifier: Apache-2.0
"""Documentation of the action plugin `probe`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: probe
short_description: Probe machines hop by hop
version_added: 0.1.0
description:
  - Logs in to every hop on the way to each host of the play and to the host itself, and says which one failed and
    why - name, network, timeout, host key, auth, missing secret, shell, Python or become.
  - Runs on the controller, once for all hosts of the play, side by side. Hops that hosts share are entered once.
  - A host that fails does not fail the task, so that the findings are always whole; see RV(failed_hosts).
options: {}
author:
  - Rackbench contributors (@rackbench)
attributes:
  check_mode:
    description: Can run in check mode and return what it would return without.
    support: full
requirements:
  - The Python package C(rackbench) with C(paramiko) beside ansible-core
notes:
  - Only hosts of the inventory plugin P(rackbench.lab.lab#inventory) are probed; others are reported as skipped.
seealso:
  - module: rackbench.lab.validate
"""

EXAMPLES = r"""
- name: Probe the way to all hosts
  rackbench.lab.probe:
  register: probed
  run_once: true
"""

RETURN = r"""
hosts:
  description: What was found for each host, as in the C(rackbench.validation/1.1) document.
  returned: success
  type: list
  elements: dict
failed_hosts:
  description: The code of each host that cannot be used.
  returned: success
  type: dict
  sample: {"turind8": "auth_refused"}
"""
