#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: collect
short_description: Fetch and read what a benchmark measured on the host of a run
version_added: 0.1.0
description:
  - Fetches what the named executions left on the host in one archive, checks its digest, and unpacks it into the run
    directory. What is on the host stays there.
  - Records each file with its digest, and each result. Fails if a result is missing or cannot be read, after all were
    looked at.
extends_documentation_fragment:
  - rackbench.lab.attributes
  - rackbench.lab.attributes.linux
  - rackbench.lab.run
  - rackbench.lab.run.adapter
attributes:
  idempotent:
    support: partial
    details: Results on the host stay, so collecting again gives the same files; the task always reports a change.
options:
  executions:
    description: The executions, as M(rackbench.lab.step) returned them in RV(rackbench.lab.step#module:executions).
    type: list
    elements: dict
    required: true
seealso:
  - module: rackbench.lab.job
  - module: rackbench.lab.target_collect
author:
  - Rackbench contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Fetch and read the results
  rackbench.lab.collect:
    run_dir: "{{ rackbench_plan.run_dir }}"
    adapter: latency
    executions: "{{ lifecycle_gate.executions }}"
"""

RETURN = r"""
path:
  description: The directory of the benchmark's results in the run directory.
  returned: when not in check mode
  type: str
  sample: /home/lab/rackbench/automation-runs/2026-11-21/turind8/20261121T080000Z/benchmarks/latency
rackbench:
  description: What the ledger takes from this task, such as its records and its failure.
  returned: always
  type: dict
"""
