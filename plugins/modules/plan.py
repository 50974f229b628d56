#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: plan
short_description: Plan a run on one host
version_added: 0.1.0
description:
  - Checks what was asked for, decides the steps and executions of the run, makes its directory and begins its journal.
  - Runs on the controller and opens no connection.
  - The play then goes through RV(steps) with the role P(rackbench.lab.lifecycle#role), and ends with
    M(rackbench.lab.close). The playbook C(rackbench.lab.run) does this, and gives each option C(NAME) from the
    variable C(lab_NAME).
extends_documentation_fragment:
  - rackbench.lab.attributes
  - rackbench.lab.lease
  - rackbench.lab.package
attributes:
  check_mode:
    details:
      - The run is a dry run then. Its directory is made below C(dry-runs/) of O(runs_dir), and its steps change
        nothing.
  idempotent:
    support: none
    details: Each call begins a run of its own, unless O(begin=false).
options:
  template:
    description:
      - The template that the run is made with, by its name. Of the other options, those whose variable C(lab_NAME) was
        given with C(--extra-vars) come before what it says, and all others after it.
      - O(tags) of both are taken, and O(settings) one by one.
    type: str
  benchmarks:
    description: The benchmarks to run, by the names of their adapters. All that are known when left out.
    type: list
    elements: str
  families:
    description:
      - The families to run, each as V(FAMILY) or V(ADAPTER:FAMILY). The adapters' default families when empty.
    type: list
    elements: str
    default: []
  phases:
    description: The phases to go through. All of them when left out.
    type: list
    elements: str
  repeats:
    description: How many times each family is executed; once when left out. Mutually exclusive with O(repeats_until).
    type: int
  repeats_until:
    description:
      - Repeat each family until the half-width of the 95 % confidence interval of its first headline number is at most
        this many percent of its mean. Without it O(repeats) holds.
    type: float
  repeats_max:
    description: The most executions of a family with O(repeats_until).
    type: int
    default: 20
  warmups:
    description: How many executions of each family go before the others and do not count.
    type: int
    default: 0
  lease_dir:
    description: The directory on the target that holds its lease, the same for all users of the target.
    type: str
    default: /var/tmp/rackbench
  noise:
    description:
      - The noise settings to apply to the host while benchmarks run, as M(rackbench.lab.target_noise) takes
        them. Without any, the settings of the host are only looked at.
    type: dict
    default: {}
  tags:
    description: Names that the run carries. Results of runs with V(smoke), V(dry) or V(simulated) are not published.
    type: list
    elements: str
    default: []
  limit:
    description:
      - The limit that the play was called with, so that nothing runs everywhere by accident. Without one the plan is
        refused.
    type: str
  bundles:
    description: A bundle file for an adapter, by the adapter's name, that is preferred to all others.
    type: dict
    default: {}
  bundle_cache:
    description: The shared bundle cache, as a directory, an address of C(http) or C(https), or one that fsspec knows.
    type: str
  cache_dir:
    description: The controller's own directory of captured and fetched bundles.
    type: path
    default: .rackbench
  dist_dir:
    description: The directory of built bundles.
    type: path
    default: dist
  benchmark_repos:
    description:
      - A benchmark's own repository or program, by the adapter's name, instead of the one that its C(adapter.yml)
        names.
    type: dict
    default: {}
  settings:
    description: Settings of benchmarks, by the adapter's name and then the setting's.
    type: dict
    default: {}
  set:
    description: Changes of O(settings) for this run, each as V(ADAPTER.NAME=VALUE).
    type: list
    elements: str
    default: []
  require_signature:
    description: Whether bundles without a good signature are refused.
    type: bool
    default: false
  allowed_signers:
    description: The file of keys that may sign bundles, as ssh-keygen(1) describes it under ALLOWED SIGNERS.
    type: path
  store_quota_bytes:
    description: The most bytes that bundles may take on a target. Without it there is no such limit.
    type: int
  runs_dir:
    description: The directory of the run directories.
    type: path
    default: automation-runs
  export_formats:
    description: The formats that the results are exported in, of V(json), V(csv) and V(markdown).
    type: list
    elements: str
    default: [json, csv, markdown]
  publish_targets:
    description: The publish targets, by the key that the adapters name.
    type: dict
    default: {}
  label:
    description:
      - A name that keeps the results of this run apart from those of other runs.
      - Up to 64 letters, digits and C(._+-), beginning with a letter or digit.
    type: str
  parent:
    description: The campaign that this run belongs to. Runs of one call on several hosts get one by themselves.
    type: str
  rerun_of:
    description: The id of the run whose families this one repeats.
    type: str
  worker_group_id:
    description: Which worker of the group this controller is, from 0.
    type: int
    default: 0
  worker_group_count:
    description: How many controllers share the hosts.
    type: int
    default: 1
  begin:
    description:
      - Whether to make the run's directory and to begin its journal.
      - Without, the plan is checked and returned, and nothing is written.
    type: bool
    default: true
requirements:
  - the callback plugin P(rackbench.lab.run_ledger#callback) enabled in C(ansible.cfg)
notes:
  - Relative paths start from the project, which is where C(ansible.cfg) is.
seealso:
  - module: rackbench.lab.resume
  - module: rackbench.lab.close
author:
  - Rackbench contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Plan the run
  rackbench.lab.plan:
    benchmarks: [latency]
    families: [smoke]
    limit: "{{ ansible_limit }}"
  register: rackbench_plan
"""

RETURN = r"""
mine:
  description: Whether this host belongs to this worker of the group.
  returned: success
  type: bool
  sample: true
begun:
  description: Whether a run began.
  returned: success
  type: bool
  sample: true
benchmarks:
  description: The adapters that are planned.
  returned: success
  type: list
  elements: str
  sample: [latency]
options:
  description:
    - The settings of the run, with their defaults. Of publish targets only the keys, as addresses may hold tokens.
  returned: success
  type: dict
  sample: {benchmarks: [latency], families: [smoke], repeats: null, export_formats: [json, csv, markdown]}
runs_dir:
  description: The directory of the run directories, absolute.
  returned: success
  type: str
  sample: /home/lab/rackbench/automation-runs
run_dir:
  description: The run directory, absolute.
  returned: when RV(begun) is true
  type: str
  sample: /home/lab/rackbench/automation-runs/2026-11-21/turind8/20261121T080000Z
run_id:
  description: The name of the run.
  returned: when RV(begun) is true
  type: str
  sample: 20261121T080000Z-turind8
steps:
  description:
    - The steps of the run in their order, as the role P(rackbench.lab.lifecycle#role) takes them. Empty if no run
      began.
  returned: success
  type: list
  elements: dict
  sample:
    - {step_id: host.discover, phase: discover, adapter: null, role: rackbench.lab.discover, tasks: main}
rackbench:
  description: What the ledger takes from this task, such as its records and its failure.
  returned: always
  type: dict
"""
