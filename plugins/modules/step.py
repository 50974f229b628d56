#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: step
short_description: Begin or end a step of a run
version_added: 0.1.0
description:
  - Records that a step begins, or how it ended. A step that must not begin, because an earlier one failed or somebody
    stopped the run, is recorded as skipped or cancelled with the reason, and RV(proceed=false).
  - Runs on the controller and opens no connection. The role P(rackbench.lab.lifecycle#role) calls it around the work
    of each step.
extends_documentation_fragment:
  - rackbench.lab.attributes
  - rackbench.lab.run
attributes:
  check_mode:
    details: A dry run has a journal of its own, and its steps are recorded there.
  idempotent:
    support: none
    details: Each call is a record of its own in the journal.
options:
  step:
    description:
      - The step, by its C(step_id) in the RV(rackbench.lab.plan#module:steps) of the plan, for example
        V(latency.stage).
    type: str
    required: true
  state:
    description: The state that the step goes to.
    type: str
    required: true
    choices: [running, completed, failed]
  failure:
    description:
      - With O(state=failed), the failure that the failed task handed over in its C(rackbench) when it is one of ours.
    type: dict
    default: {}
  message:
    description: With O(state=failed), what the failed task said when it is none of ours.
    type: str
    default: It said nothing that may be recorded.
author:
  - Rackbench contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Begin the step
  rackbench.lab.step:
    run_dir: "{{ rackbench_plan.run_dir }}"
    step: latency.execute
    state: running
  register: lifecycle_gate

# Here is the work of the step; see rackbench.lab.job.

- name: End the step
  rackbench.lab.step:
    run_dir: "{{ rackbench_plan.run_dir }}"
    step: latency.execute
    state: completed
  when: lifecycle_gate.proceed
"""

RETURN = r"""
proceed:
  description: Whether the step may go on.
  returned: when O(state=running)
  type: bool
  sample: true
executions:
  description:
    - The executions of the benchmark that the step is about, as M(rackbench.lab.job) and M(rackbench.lab.collect) take
      them.
  returned: when RV(proceed) is true
  type: list
  elements: dict
  sample: [{execution_id: latency.smoke.1, family: smoke, repeat: 1, time_limit_s: 600}]
rackbench:
  description: What the ledger takes from this task, such as its records and its failure.
  returned: always
  type: dict
"""
