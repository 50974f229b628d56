#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: resume
short_description: Take a run up again
version_added: 0.1.0
description:
  - Looks at what the host knows of a run whose controller ended, compares bundles, adapters, inventory and machine
    with what they were, takes the host's lease, and plans what is left.
  - Completed steps are not run again. An execution that still runs on the host, or that ended while nobody looked, is
    found again under its name. One that failed is begun anew under another name.
  - An adapter whose bundle or role is another one by now, or whose host shows another ssh key, starts what is left of
    it again from its first step.
extends_documentation_fragment:
  - rackbench.lab.attributes
  - rackbench.lab.attributes.linux
  - rackbench.lab.run
  - rackbench.lab.lease
attributes:
  check_mode:
    details: As with O(begin=false), it tells what would be done.
  diff_mode:
    details: RV(differences) names what is not as it was.
  idempotent:
    support: full
    details: A run that has nothing left to do is left as it is.
options:
  phases:
    description: End after the last of these phases. By default the run goes on to its end.
    type: list
    elements: str
  begin:
    description: Whether the run goes on. Without, the lease is not taken and nothing is recorded.
    type: bool
    default: true
seealso:
  - module: rackbench.lab.plan
  - module: rackbench.lab.recover
author:
  - Rackbench contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Take the run up again
  rackbench.lab.resume:
    run_dir: "{{ lab_run_dir }}"
  register: rackbench_plan
"""

RETURN = r"""
begun:
  description: Whether the run goes on. Not when nothing is left to do, in check mode, or with O(begin=false).
  returned: success
  type: bool
  sample: true
steps:
  description:
    - The steps that are left, as the role P(rackbench.lab.lifecycle#role) takes them. Empty if the run does not go on.
  returned: success
  type: list
  elements: dict
  sample:
    - {step_id: latency.collect, phase: collect, adapter: latency, role: rackbench.lab.latency, tasks: collect}
options:
  description: The settings that the run was opened with.
  returned: success
  type: dict
  sample: {benchmarks: [latency], families: [smoke], repeats: null, export_formats: [json, csv, markdown]}
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
reused:
  description: Steps that are completed and stay so.
  returned: success
  type: list
  elements: str
  sample: [host.discover, host.preflight, latency.stage]
to_run:
  description: Steps that are left.
  returned: success
  type: list
  elements: str
  sample: [latency.execute, latency.collect, host.finalize]
reattached:
  description: Executions that the host still has, and that are waited for.
  returned: success
  type: list
  elements: str
  sample: [latency.smoke.1]
superseded:
  description: Executions that do not count any more.
  returned: success
  type: list
  elements: str
  sample: []
differences:
  description: What is not as it was, and what that means.
  returned: success
  type: list
  elements: dict
  sample: []
rackbench:
  description: What the ledger takes from this task, such as its records and its failure.
  returned: always
  type: dict
"""
