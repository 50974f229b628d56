#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: validate
short_description: Report which hosts can be used, and with which bundles
version_added: 0.1.0
description:
  - Puts together how each host of the play is reached, as M(rackbench.lab.probe) found it, and which bundle each
    benchmark gets there and whether the host is ready for it.
  - The latter comes from the preflight of the run that M(rackbench.lab.plan) began on the host in this play, or
    without one from the last preflight of the host that is kept. The plan has to be registered as C(rackbench_plan).
  - Runs on the controller, once for all hosts of the play, and opens no connection.
  - A host that fails does not fail the task, so that the report is always whole; see RV(failed_hosts).
extends_documentation_fragment:
  - rackbench.lab.attributes
  - rackbench.lab.package
attributes:
  check_mode:
    details: It changes nothing in any mode.
  idempotent:
    support: full
options:
  scope:
    description: What is reported.
    type: str
    choices: [connectivity, staging, publish, all]
    default: connectivity
  probed:
    description:
      - What M(rackbench.lab.probe) returned as RV(rackbench.lab.probe#module:hosts).
      - Hosts that are not in it were not to be reached.
    type: list
    elements: dict
    default: []
seealso:
  - module: rackbench.lab.probe
  - module: rackbench.lab.plan
author:
  - Rackbench contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Probe the way to all hosts
  rackbench.lab.probe:
  register: probed
  run_once: true

- name: Put the report together
  rackbench.lab.validate:
    probed: "{{ probed.hosts }}"
  run_once: true
"""

RETURN = r"""
report:
  description: The C(rackbench.validation/1.1) document, as C(rackbench validate --json) prints it.
  returned: success
  type: dict
  sample: {schema: rackbench.validation/1.1, scope: connectivity, hosts: []}
lines:
  description: The report as text.
  returned: success
  type: list
  elements: str
  sample: ["turind8: thor: auth [auth_refused]"]
failed_hosts:
  description: Hosts that cannot be used, with the machine that failed, the cause and the code.
  returned: success
  type: dict
  sample: {"turind8": "thor: auth [auth_refused]"}
rackbench:
  description: What the ledger takes from this task, such as its records and its failure.
  returned: always
  type: dict
"""
