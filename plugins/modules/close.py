#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: close
short_description: Close a run
version_added: 0.1.0
description:
  - Writes the last record of the run, and fails the host when one of its steps did not come out well or the run was
    stopped.
  - Runs on the controller and opens no connection.
extends_documentation_fragment:
  - rackbench.lab.attributes
  - rackbench.lab.run
attributes:
  check_mode:
    details: A dry run has a journal of its own, and is closed there.
  idempotent:
    support: none
    details: A run is closed once.
seealso:
  - module: rackbench.lab.plan
  - module: rackbench.lab.resume
author:
  - Rackbench contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Close the run
  rackbench.lab.close:
    run_dir: "{{ rackbench_plan.run_dir }}"
"""

RETURN = r"""
outcome:
  description: How the run came out.
  returned: success
  type: str
  sample: completed
rackbench:
  description: What the ledger takes from this task, such as its records and its failure.
  returned: always
  type: dict
"""
