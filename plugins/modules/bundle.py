#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle
short_description: Put the bundle of a benchmark on the host of a run
version_added: 0.1.0
description:
  - Takes the bundle that M(rackbench.lab.preflight) chose. One that the benchmark's own repository has to make is made
    on the controller first. Bytes move only when the host lacks them.
  - A bundle is known by the SHA-256 of its tarball. It appears on the host in one step, after its digest was checked.
  - If the bundle has to be built on the host, this task only says so with RV(build_on_target), and
    M(rackbench.lab.source_build) does it. The role P(rackbench.lab.bundle#role) does both.
extends_documentation_fragment:
  - rackbench.lab.attributes
  - rackbench.lab.attributes.linux
  - rackbench.lab.run
  - rackbench.lab.run.adapter
attributes:
  idempotent:
    support: full
    details: A bundle that is on the host is not moved again.
seealso:
  - module: rackbench.lab.source_build
  - module: rackbench.lab.store
  - module: rackbench.lab.target_bundle
author:
  - Rackbench contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Put the bundle that fits this host on it
  rackbench.lab.bundle:
    run_dir: "{{ rackbench_plan.run_dir }}"
    adapter: latency
"""

RETURN = r"""
path:
  description: The directory of the unpacked bundle.
  returned: when the bundle need not be built on the host
  type: str
  sample: /home/lab/.rackbench/bundles/5f0c6c5e29ee0d0b6a53f2d6d2f8f8d3d5a8f7c1e0b9a8f7c6d5e4f3a2b1c0d9
evicted:
  description: The bundles that were removed to make room, or in check mode would be.
  returned: when the bundle need not be built on the host
  type: list
  elements: dict
  sample: [{sha256: 0b6a53f2, name: latency, version: 1.0.0, bytes: 73421, last_use: "2026-11-20T09:00:00Z", jobs: []}]
sha256:
  description: The SHA-256 of the bundle's tarball.
  returned: when the bundle is on the host
  type: str
  sample: 5f0c6c5e29ee0d0b6a53f2d6d2f8f8d3d5a8f7c1e0b9a8f7c6d5e4f3a2b1c0d9
entry_point:
  description: The bundle's program, relative to RV(path).
  returned: when the bundle is on the host
  type: str
  sample: bin/run
build_on_target:
  description: Whether the bundle has to be built on the host.
  returned: when the bundle has to be made, and was not
  type: bool
  sample: true
bootstrap:
  description: The roles that install what such a build needs and the host lacks.
  returned: when the bundle has to be made, and was not
  type: list
  elements: str
  sample: [rustup]
rackbench:
  description: What the ledger takes from this task, such as its records and its failure.
  returned: always
  type: dict
"""
