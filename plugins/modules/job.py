#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: job
short_description: Run one execution of a benchmark on the host of a run
version_added: 0.1.0
description:
  - Starts one planned execution as a detached job on the host, follows it to its end, and records how it ended.
  - The job outlives a broken connection and the controller. An execution that was begun is never begun a second time;
    the task finds it again.
  - Fails if the execution did not pass, with a code that says why.
extends_documentation_fragment:
  - rackbench.lab.attributes
  - rackbench.lab.attributes.linux
  - rackbench.lab.run
  - rackbench.lab.run.adapter
attributes:
  idempotent:
    support: partial
    details:
      - The same execution is not begun twice, but the task always reports a change, since it records the end again.
options:
  execution:
    description: The execution, as M(rackbench.lab.step) returned it in RV(rackbench.lab.step#module:executions).
    type: dict
    required: true
  embargoes:
    description:
      - Nothing is begun when the run is under one of these embargoes, which are written as in the variable
        C(lab_embargoes). For benchmarks that send their results out by themselves.
    type: list
    elements: dict
    default: []
seealso:
  - module: rackbench.lab.collect
  - module: rackbench.lab.target_job
author:
  - Rackbench contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Run the benchmark
  rackbench.lab.job:
    run_dir: "{{ rackbench_plan.run_dir }}"
    adapter: latency
    execution: "{{ lab_execution }}"
  loop: "{{ lifecycle_gate.executions }}"
  loop_control:
    loop_var: lab_execution
    label: "{{ lab_execution.execution_id }}"
"""

RETURN = r"""
outcome:
  description: How the execution ended.
  returned: when it was run
  type: str
  sample: passed
job_dir:
  description: The job directory on the host.
  returned: when it was run
  type: str
  sample: /home/lab/.rackbench/jobs/20261121T080000Z-thor/latency.smoke.1
rackbench:
  description: What the ledger takes from this task, such as its records and its failure.
  returned: always
  type: dict
"""
