#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: resume
short_description: Take a run up again
version_added: "0.1.0"
description:
  - Look at what the host knows of a run whose controller ended, compare bundles, adapters, inventory and machine with
    what they were, take the host's lease, and plan what is left.
  - Completed steps are not run again. An execution that still runs on the host, or that ended while nobody looked, is
    found again under its name. One that failed is begun anew under another name.
  - An adapter whose bundle or role is another one by now, or whose host shows another ssh key, starts what is left of
    it again from its first step.
options:
  run_dir:
    description: The run directory. A relative path starts from the project.
    type: path
    required: true
  phases:
    description: End after the last of these phases. By default the run goes on to its end.
    type: list
    elements: str
  wait:
    description: Wait until the host's lease is free, instead of failing.
    type: bool
    default: false
  steal:
    description: Take the host's lease from a run that holds it.
    type: bool
    default: false
  steal_reason:
    description: Why the lease is taken from its holder. Needed with O(steal=true).
    type: str
  begin:
    description: Without it only tell what would be done; the lease is not taken and nothing is recorded.
    type: bool
    default: true
attributes:
  check_mode:
    description: It only tells what would be done.
    support: full
  diff_mode:
    description: Whether the module shows differences.
    support: none
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
  description: Whether the run goes on. Not when nothing is left to do, nor without O(begin).
  returned: success
  type: bool
steps:
  description: The steps that are left, as the lifecycle role takes them.
  returned: success
  type: list
  elements: dict
options:
  description: The settings that the run was opened with.
  returned: success
  type: dict
run_dir:
  description: The run directory.
  returned: when the run goes on
  type: str
run_id:
  description: The run's id.
  returned: when the run goes on
  type: str
reused:
  description: Steps that are completed and stay so.
  returned: success
  type: list
  elements: str
to_run:
  description: Steps that are left.
  returned: success
  type: list
  elements: str
reattached:
  description: Executions that the host still has, and that are waited for.
  returned: success
  type: list
  elements: str
superseded:
  description: Executions that do not count any more.
  returned: success
  type: list
  elements: str
differences:
  description: What is not as it was, and what that means.
  returned: success
  type: list
  elements: dict
rackbench:
  description: What the ledger takes from this task, such as its records and its failure.
  returned: always
  type: dict
"""
