# SPDX-License-Identifier: Apache-2.0
"""Documentation of the action plugin `validate`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: validate
short_description: Probe machines hop by hop
version_added: 0.1.0
description:
  - Logs in to every hop on the way to each host of the play and to the host itself, and says which one failed and
    why - name, network, timeout, host key, auth, missing secret, shell, Python or become.
  - Runs on the controller, once for all hosts of the play, side by side. Hops that hosts share are entered once.
  - A host that fails does not fail the task, so that the report is always whole; see RV(failed_hosts).
options:
  scope:
    description: What to probe.
    type: str
    choices: [connectivity]
    default: connectivity
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
"""

EXAMPLES = r"""
- name: Probe the way to all hosts
  rackbench.lab.validate:
  register: probed
"""

RETURN = r"""
report:
  description: The C(rackbench.validation/1.0) document, as C(rackbench validate --json) prints it.
  returned: success
  type: dict
lines:
  description: The report as text.
  returned: success
  type: list
  elements: str
failed_hosts:
  description: Hosts that cannot be used, with the machine that failed, the cause and the code.
  returned: success
  type: dict
  sample: {"turind8": "thor: auth [auth_refused]"}
"""
