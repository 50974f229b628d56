#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: publish
short_description: Publish an adapter's results
version_added: "0.1.0"
description:
  - One part of publishing an adapter's results to the target that is configured for its publish key. Each part begins
    where the journal says that the one before ended, and may be done again.
  - Nothing is pushed, and no pull request is made, unless the target or O(push) and O(create_pr) ask for it.
options:
  run_dir:
    description: The run directory, as M(rackbench.lab.plan) returned it.
    type: path
    required: true
  adapter:
    description: The adapter.
    type: str
    required: true
  part:
    description:
      - V(payload) stages what may leave the house. Without a target the state is C(not_configured), under an embargo
        C(embargoed), and what is no measurement is C(withheld).
      - V(commit) puts it on a branch of its own in the target's repository.
      - V(push) looks how the remote stands, and pushes if that is asked for.
      - V(pull_request) makes the pull request with C(gh), or finds the one that the branch has.
    type: str
    choices: [payload, commit, push, pull_request]
    required: true
  targets:
    description: A dictionary of publish targets by their keys, as in the variable C(lab_publish_targets).
    type: raw
    default: {}
  embargoes:
    description: A list of what may not leave the house, and until when, as in the variable C(lab_embargoes).
    type: raw
    default: []
  push:
    description: Push, whatever the target says.
    type: bool
    default: false
  create_pr:
    description: Push and make the pull request, whatever the target says.
    type: bool
    default: false
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
- name: Stage what may leave the house
  rackbench.lab.publish:
    run_dir: "{{ rackbench_plan.run_dir }}"
    adapter: latency
    part: payload
    targets: "{{ lab_publish_targets }}"
"""

RETURN = r"""
state:
  description: How far publishing came.
  returned: success
  type: str
  sample: push_ready
goes_on:
  description: Whether the next part has something to do.
  returned: success
  type: bool
rackbench:
  description: What the ledger takes from this task, such as its records and its failure.
  returned: always
  type: dict
"""
