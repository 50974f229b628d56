#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Choose the bundles of a run, and see what its host lacks
version_added: 0.1.0
description:
  - Chooses a bundle for each benchmark of the run, looks on the host for what the benchmarks need, says for each
    whether it is ready, and records all of this in the run's ledger.
  - Fails if no benchmark of the run is ready.
extends_documentation_fragment:
  - rackbench.lab.attributes
  - rackbench.lab.attributes.linux
  - rackbench.lab.run
attributes:
  check_mode:
    details: It changes nothing on the host in any mode.
  idempotent:
    support: full
seealso:
  - module: rackbench.lab.validate
  - module: rackbench.lab.target_preflight
author:
  - Rackbench contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Choose bundles and probe the host
  rackbench.lab.preflight:
    run_dir: "{{ rackbench_plan.run_dir }}"
"""

RETURN = r"""
readiness:
  description: The readiness of each adapter of the run.
  returned: success
  type: dict
  sample: {latency: ready}
rackbench:
  description: What the ledger takes from this task, such as its records and its failure.
  returned: always
  type: dict
"""
