#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: publish
short_description: Publish the results of one benchmark of a run
version_added: 0.1.0
description:
  - Does one part of publishing a benchmark's results to the target that is configured for its publish key. Each part
    begins where the journal says that the one before ended, and may be done again.
  - Nothing is pushed, and no pull request is made, unless the target or O(push) or O(create_pr) asks for it.
  - Runs on the controller and opens no connection to the host of the run.
extends_documentation_fragment:
  - rackbench.lab.attributes
  - rackbench.lab.run
  - rackbench.lab.run.adapter
attributes:
  check_mode:
    support: partial
    details:
      - Of a dry run, which M(rackbench.lab.plan) began in check mode, nothing is staged, and so nothing leaves the
        house.
      - In check mode with the directory of a real run the parts are done; call M(rackbench.lab.reopen) first, as the
        playbook C(rackbench.lab.publish) does, which ends there.
  idempotent:
    support: full
    details: What is staged, committed, pushed or proposed already is found again.
options:
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
seealso:
  - module: rackbench.lab.reopen
  - module: rackbench.lab.finalize
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
  register: publish_staged

- name: Commit it to a branch of its own
  rackbench.lab.publish:
    run_dir: "{{ rackbench_plan.run_dir }}"
    adapter: latency
    part: commit
    targets: "{{ lab_publish_targets }}"
  when: publish_staged.goes_on
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
  sample: true
target:
  description: The key of the publish target.
  returned: unless RV(state) is V(not_configured)
  type: str
  sample: results
reason:
  description: Why publishing does not go on.
  returned: when it does not, unless all is done
  type: str
  sample: lab_publish_targets has no results.
code:
  description: The code of the failure that keeps the branch from being pushed.
  returned: when O(part=push) found that it could not be, and nobody asked for it
  type: str
  sample: push_denied
embargo:
  description: The embargo that the run is under.
  returned: when RV(state) is V(embargoed)
  type: dict
  sample: {machine: turind8, until: "2026-12-01T00:00:00Z"}
files:
  description: How many files the payload has.
  returned: when O(part=payload) staged one
  type: int
  sample: 4
bytes:
  description: How many bytes they have.
  returned: when O(part=payload) staged one
  type: int
  sample: 18342
payload_sha256:
  description: The SHA-256 of the payload.
  returned: when O(part=payload) staged one
  type: str
  sample: 5f0c6c5e29ee0d0b6a53f2d6d2f8f8d3d5a8f7c1e0b9a8f7c6d5e4f3a2b1c0d9
branch:
  description: The branch that was made.
  returned: when O(part=commit)
  type: str
  sample: results/turind8/latency/20261121T080000Z
base:
  description: The commit that the branch begins from.
  returned: when O(part=commit), or when O(part=push) met no problem
  type: str
  sample: 3c1b0d9f2f8f8d3d5a8f7c1e0b9a8f7c6d5e4f3a
commit:
  description: The commit that has the results.
  returned: when O(part=commit) or O(part=push)
  type: str
  sample: 7c1e0b9a8f7c6d5e4f3a2b1c0d95f0c6c5e29ee0
remote:
  description: The remote of the target's repository, without what may be secret in it. Null if it has none.
  returned: when O(part=commit)
  type: str
  sample: https://github.com/example/results.git
forge:
  description: What the remote is, such as V(github). Null if that is not known.
  returned: when O(part=push) met no problem
  type: str
  sample: github
compare_url:
  description: The page on which a pull request can be made by hand. Null if the forge is not known.
  returned: when O(part=push) met no problem
  type: str
  sample: https://github.com/example/results/compare/main...results/turind8/latency/20261121T080000Z
pushed:
  description: True if the remote has the branch, else null.
  returned: when O(part=push) met no problem
  type: bool
  sample: true
pull_request:
  description: The address of the pull request.
  returned: when O(part=pull_request)
  type: str
  sample: https://github.com/example/results/pull/7
rackbench:
  description: What the ledger takes from this task, such as its records and its failure.
  returned: always
  type: dict
"""
