#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: source_build
short_description: Build the bundle of a benchmark on the host of a run
version_added: 0.1.0
description:
  - Sends a clean snapshot of the benchmark's repository to the host, runs the C([build] command) of its C(bundle.toml)
    there as a detached job with a time limit of two hours, fetches what it made, and keeps that as a bundle on the
    controller, where the next run finds it.
  - Says so and does nothing when another host of the run has built the bundle meanwhile.
  - It is for the step C(stage) of a run. The role P(rackbench.lab.bundle#role) calls it when no other bundle fits the
    host.
extends_documentation_fragment:
  - rackbench.lab.attributes
  - rackbench.lab.attributes.linux
  - rackbench.lab.run
  - rackbench.lab.run.adapter
attributes:
  idempotent:
    support: full
    details: A bundle that was built once for this kind of host is not built again.
seealso:
  - module: rackbench.lab.bundle
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
  returned: when not in check mode
  type: str
  sample: /home/lab/rackbench/.rackbench/captured/latency-1.0.0-linux-x86_64-gnu.tar.gz
rackbench:
  description: What the ledger takes from this task, such as its records and its failure.
  returned: always
  type: dict
"""
