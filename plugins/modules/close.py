#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: close
short_description: Close a run
version_added: "0.1.0"
description:
  - Write the last record of the run, and fail the host when one of its steps did not come out well.
options:
  run_dir:
    description: The run directory, as M(rackbench.lab.plan) returned it.
    type: path
    required: true
attributes:
  check_mode:
    description: Whether the module works in check mode.
    support: full
  diff_mode:
    description: Whether the module shows differences.
    support: none
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
