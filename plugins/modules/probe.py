#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

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
extends_documentation_fragment:
  - rackbench.lab.attributes
attributes:
  check_mode:
    details: It changes nothing in any mode.
  idempotent:
    support: full
options: {}
requirements:
  - the Python package C(rackbench) with C(paramiko) beside ansible-core on the controller
notes:
  - Only hosts of the inventory plugin P(rackbench.lab.lab#inventory) are probed. Others are reported as skipped.
seealso:
  - module: rackbench.lab.validate
author:
  - Rackbench contributors (!UNKNOWN)
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
  sample:
    - {host: turind8, ok: false, failed_at: thor, cause: auth, code: auth_refused}
failed_hosts:
  description: The code of each host that cannot be used.
  returned: success
  type: dict
  sample: {"turind8": "auth_refused"}
rackbench:
  description: What the ledger takes from this task, which is its failure.
  returned: when the task fails for a reason that has a code
  type: dict
"""
