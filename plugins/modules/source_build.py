#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: source_build
short_description: Build an adapter's bundle on the host
version_added: "0.1.0"
description:
  - Sends a clean snapshot of the benchmark's repository to the host, runs the C([build] command) of its C(bundle.toml)
    there as a detached job with a time limit, fetches what it made, and keeps that as a bundle on the controller,
    where the next run finds it.
  - Does nothing but say so when another host of the run has built the bundle meanwhile.
  - It is for the step C(stage) of a run; the role C(rackbench.lab.bundle) calls it when no other bundle fits the host.
options:
  run_dir:
    description: The run directory, as M(rackbench.lab.plan) returned it.
    type: path
    required: true
  adapter:
    description: The adapter whose bundle is built.
    type: str
    required: true
attributes:
  check_mode:
    description: Nothing is built; the answer says what would be.
    support: full
  diff_mode:
    description: Whether the module shows differences.
    support: none
author:
  - Rackbench contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Build the bundle on the host
  rackbench.lab.source_build:
    run_dir: "{{ rackbench_plan.run_dir }}"
    adapter: latency
"""

RETURN = r"""
path:
  description: The bundle on the controller.
  returned: unless in check mode
  type: str
  sample: /home/lab/rackbench/.rackbench/captured/latency-1.0.0-linux-x86_64-gnu.tar.gz
rackbench:
  description: What the ledger takes from this task, such as its records and its failure.
  returned: always
  type: dict
"""
