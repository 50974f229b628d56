#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: noise
short_description: Quiet the host of a run for a benchmark, and put it back
version_added: 0.1.0
description:
  - Applies the noise settings that M(rackbench.lab.plan) was given to the host, sees that nothing changed them
    meanwhile, and puts back what was there, and records all of this in the run's ledger.
  - The originals are kept on the host, durable before the first of them is changed. A call that fails puts them back,
    and after one that was killed O(state=restored) does.
  - Only a run that holds the host's lease may apply settings. Originals of other runs that O(state=applied) finds were
    left by runs that were killed, and are put back first.
  - The role P(rackbench.lab.noise#role) calls it around the execute step of each benchmark.
extends_documentation_fragment:
  - rackbench.lab.attributes
  - rackbench.lab.attributes.linux
  - rackbench.lab.run
attributes:
  diff_mode:
    details: RV(settings) names everything.
  idempotent:
    support: full
    details: What is as wanted is not written again.
options:
  state:
    description:
      - V(applied) sets what is not as wanted and looks whether it is then. A setting that the host does not have is
        reported as V(absent). Needs root.
      - V(verified) fails if a setting is not as it was set any more.
      - V(restored) puts back what the run had set, unless a benchmark of it still runs on the host. Needs root.
    type: str
    required: true
    choices: [applied, verified, restored]
  sysfs:
    description: Where C(/sys) is on the host. For tests, which never write the machine's own.
    type: path
  procfs:
    description: Where C(/proc) is on the host. For tests.
    type: path
  tools:
    description: The directory of C(swapon), C(swapoff) and C(systemctl) on the host. For tests.
    type: path
seealso:
  - module: rackbench.lab.target_noise
author:
  - Rackbench contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Quiet the host
  rackbench.lab.noise:
    run_dir: "{{ rackbench_plan.run_dir }}"
    state: applied
  become: true

# Here the benchmark runs; see rackbench.lab.job.

- name: See that the host stayed quiet
  rackbench.lab.noise:
    run_dir: "{{ rackbench_plan.run_dir }}"
    state: verified

- name: Put back what the run had set
  rackbench.lab.noise:
    run_dir: "{{ rackbench_plan.run_dir }}"
    state: restored
  become: true
"""

RETURN = r"""
settings:
  description: The settings of the host as they are now.
  returned: when not in check mode, and the host was asked
  type: dict
  sample: {governor: performance, boost: absent}
outcome:
  description: V(restored), or V(absent) if there was nothing to put back.
  returned: when O(state=restored), not in check mode, and the host was asked
  type: str
  sample: restored
rackbench:
  description: What the ledger takes from this task, such as its records and its failure.
  returned: always
  type: dict
"""
