# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules have in common that are for one run."""

from __future__ import annotations


class ModuleDocFragment:
    """Modules that belong to a run, and record in its ledger what they did."""

    DOCUMENTATION = r"""
options:
  run_dir:
    description:
      - The run directory on the controller, as M(rackbench.lab.plan) returned it.
      - A relative path starts from the project, which is where C(ansible.cfg) is.
    type: path
    required: true
requirements:
  - the Python package C(rackbench) beside ansible-core on the controller
  - the callback plugin P(rackbench.lab.run_ledger#callback) enabled in C(ansible.cfg)
"""

    # Modules that do the work of one benchmark.
    ADAPTER = r"""
options:
  adapter:
    description: The benchmark, by the name of its adapter.
    type: str
    required: true
"""
