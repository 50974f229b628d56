#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: recover
short_description: Put right what a run left on its host
version_added: 0.1.0
description:
  - Ends the jobs of a run that still run, puts back the noise settings that it changed, or gives back its lease.
  - What cannot be done is told in RV(found), and the task does not fail.
  - The command C(rackbench recover) calls it, and writes into the run's journal what came of it.
extends_documentation_fragment:
  - rackbench.lab.attributes
  - rackbench.lab.attributes.linux
  - rackbench.lab.package
attributes:
  diff_mode:
    details: RV(found) names everything.
  idempotent:
    support: full
    details: What is in order is left as it is.
options:
  run_dir:
    description:
      - The run directory on the controller.
      - A relative path starts from the project, which is where C(ansible.cfg) is.
    type: path
    required: true
  part:
    description: What to put right. V(noise) needs root.
    type: str
    required: true
    choices: [jobs, noise, lease]
  found:
    description:
      - The RV(found) of the part before.
      - A host that was not reached is not tried again, and while a job could not be ended noise settings and lease
        stay as they are.
    type: dict
    default: {}
seealso:
  - module: rackbench.lab.resume
  - module: rackbench.lab.lease
author:
  - Rackbench contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: End what still runs
  rackbench.lab.recover:
    run_dir: "{{ lab_run_dir }}"
    part: jobs
  register: rackbench_jobs

- name: Put the noise settings back
  rackbench.lab.recover:
    run_dir: "{{ lab_run_dir }}"
    part: noise
    found: "{{ rackbench_jobs.found }}"
  become: true
  register: rackbench_noise

- name: Give the host back
  rackbench.lab.recover:
    run_dir: "{{ lab_run_dir }}"
    part: lease
    found: "{{ rackbench_noise.found }}"
"""

RETURN = r"""
found:
  description: What was found and done so far.
  returned: success
  type: dict
  contains:
    reached:
      description: Whether the host answered.
      type: bool
    jobs_ended:
      description: Whether no job of the run is at work any more.
      type: bool
    jobs:
      description:
        - How each execution ended that was still running by the journal or by the host.
        - V(unreachable) for one that could not be ended.
      type: dict
    noise:
      description:
        - V(restored), V(absent), or V(unreachable) if they were not touched.
        - Null when the run had no noise settings.
      type: str
    lease:
      description: V(released), V(absent), V(another_holder), or V(unreachable) if it was not touched.
      type: str
    failures:
      description: What could not be done, each with its code and message.
      type: list
      elements: dict
  sample:
    reached: true
    jobs_ended: true
    jobs: {latency.smoke.1: cancelled}
    noise: restored
    lease: released
    failures: []
rackbench:
  description: What the ledger takes from this task, such as its records and its failure.
  returned: always
  type: dict
"""
