#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: reopen
short_description: Open a run again to publish its results
version_added: 0.1.0
description:
  - Takes up a run that came to its end, and plans the publishing of each benchmark of it that was collected.
  - Runs on the controller. The host is not asked for anything, and its lease is not taken.
  - A run that did not come to its end is refused, since M(rackbench.lab.resume) publishes too; and so is a dry run.
extends_documentation_fragment:
  - rackbench.lab.attributes
  - rackbench.lab.run
attributes:
  check_mode:
    details: RV(to_run) tells what would be done.
  idempotent:
    support: none
    details: Each call is a part of its own in the run's journal.
seealso:
  - module: rackbench.lab.publish
  - module: rackbench.lab.resume
author:
  - Rackbench contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Open the run again
  rackbench.lab.reopen:
    run_dir: "{{ lab_run_dir }}"
  register: rackbench_plan
"""

RETURN = r"""
begun:
  description: Whether the run was opened; not in check mode.
  returned: success
  type: bool
  sample: true
steps:
  description: The steps that publish, as the role P(rackbench.lab.lifecycle#role) takes them. Empty in check mode.
  returned: success
  type: list
  elements: dict
  sample:
    - {step_id: latency.publish, phase: publish, adapter: latency, role: rackbench.lab.publish, tasks: main}
to_run:
  description: The same by their names, also in check mode.
  returned: success
  type: list
  elements: str
  sample: [latency.publish]
options:
  description: The settings that the run was opened with.
  returned: success
  type: dict
  sample: {benchmarks: [latency], families: [smoke], repeats: null, export_formats: [json, csv, markdown]}
run_dir:
  description: The run directory, absolute.
  returned: when RV(begun) is true
  type: str
  sample: /home/lab/rackbench/automation-runs/2026-11-21/turind8/20261121T080000Z
run_id:
  description: The name of the run.
  returned: when RV(begun) is true
  type: str
  sample: 20261121T080000Z-turind8
rackbench:
  description: What the ledger takes from this task, such as its records and its failure.
  returned: always
  type: dict
"""
