#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: reopen
short_description: Open a run again to publish its results
version_added: "0.1.0"
description:
  - Take up a run that came to its end, and plan the publishing of each benchmark of it that was collected.
  - The host is not asked for anything, and its lease is not taken.
  - A run that did not come to its end is refused, since M(rackbench.lab.resume) publishes too; and so is a dry run.
options:
  run_dir:
    description: The run directory. A relative path starts from the project.
    type: path
    required: true
attributes:
  check_mode:
    description: It only tells what would be done.
    support: full
  diff_mode:
    description: Whether the module shows differences.
    support: none
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
steps:
  description: The steps that publish, as the lifecycle role takes them.
  returned: success
  type: list
  elements: dict
to_run:
  description: The same by their names, also in check mode.
  returned: success
  type: list
  elements: str
options:
  description: The settings that the run was opened with.
  returned: success
  type: dict
run_dir:
  description: The run directory.
  returned: when the run was opened
  type: str
run_id:
  description: The run's id.
  returned: when the run was opened
  type: str
rackbench:
  description: What the ledger takes from this task, such as its records and its failure.
  returned: always
  type: dict
"""
