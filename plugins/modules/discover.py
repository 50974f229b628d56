#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: discover
short_description: Reach the host of a run, read what it is, and take its lease
version_added: 0.1.0
description:
  - Reads the host's operating system, machine, kernel and processors, and the state that measurements depend on, such
    as firmware, microcode and mitigations, as far as the user may. It needs no root and reads no serial number.
  - Records them in the run's ledger, and takes the host's lease for the run.
extends_documentation_fragment:
  - rackbench.lab.attributes
  - rackbench.lab.attributes.linux
  - rackbench.lab.run
attributes:
  check_mode:
    details: The host is read, and its lease is not taken.
  idempotent:
    support: full
    details: A lease that the run has is renewed.
seealso:
  - module: rackbench.lab.target_discover
  - module: rackbench.lab.lease
author:
  - Rackbench contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Read what the host is, and take its lease
  rackbench.lab.discover:
    run_dir: "{{ rackbench_plan.run_dir }}"
"""

RETURN = r"""
platform:
  description: What the host is, as M(rackbench.lab.target_discover) returns it.
  returned: success
  type: dict
  sample: {machine: x86_64, os: linux, os_id: debian, os_version: "12"}
rackbench:
  description: What the ledger takes from this task, such as its records and its failure.
  returned: always
  type: dict
"""
