#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: step
short_description: Begin or end a step of a run
version_added: "0.1.0"
description:
  - Record that a step begins, or how it ended. A step that must not begin is recorded as skipped with its reason.
  - It runs on the controller and touches no host.
options:
  run_dir:
    description: The run directory, as M(rackbench.lab.plan) returned it.
    type: path
    required: true

  step:
    description: The step, for example V(latency.stage).
    type: str
    required: true
  state:
    description: The state that the step goes to.
    type: str
    required: true
    choices: [running, completed, failed]
  failure:
    description: The failure that the failed task handed over, when it is one of ours.
    type: dict
    default: {}
  message:
    description: What the failed task said, when it is none of ours.
    type: str
    default: It said nothing that may be recorded.
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
- name: Begin the step
  rackbench.lab.step:
    run_dir: "{{ rackbench_plan.run_dir }}"
    step: latency.stage
    state: running
  register: lifecycle_gate
"""

RETURN = r"""
proceed:
  description: Whether the step may go on.
  returned: when O(state=running)
  type: bool
rackbench:
  description: What the ledger takes from this task, such as its records and its failure.
  returned: always
  type: dict
"""
