#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: publish
short_description: Publish an adapter's results
version_added: "0.1.0"
description:
  - Publish to the target that is configured for the adapter's publish key; without one the state is C(not_configured).
  - What is no measurement is C(withheld), with the reasons. That is the results of a dry run, of a run with the tag
    V(smoke), V(dry) or V(simulated), and those that a stand-in for the benchmark made.
  - This version cannot publish yet, and fails when a target is configured.
options:
  run_dir:
    description: The run directory, as M(rackbench.lab.plan) returned it.
    type: path
    required: true

  adapter:
    description: The adapter.
    type: str
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
- name: Publish the results
  rackbench.lab.publish:
    run_dir: "{{ rackbench_plan.run_dir }}"
    adapter: latency
"""

RETURN = r"""
state:
  description: The publish state.
  returned: success
  type: str
  sample: not_configured
rackbench:
  description: What the ledger takes from this task, such as its records and its failure.
  returned: always
  type: dict
"""
