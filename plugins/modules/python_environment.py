#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: python_environment
short_description: Install the pinned Python packages of a benchmark on the host of a run
version_added: 0.1.0
description:
  - Makes a virtual environment below C(~/.rackbench/environments) on the host with exactly the packages that
    C(requirements.txt) of the benchmark's bundle pins, each with its SHA-256. Needs no root.
  - M(rackbench.lab.bundle) has to have put the bundle on the host.
  - The packages come from the wheelhouse that the adapter's setting C(wheelhouse) names, which is uploaded if it is on
    the controller, or from the package index that its setting C(index_url) names. The user name and the password of
    that index are the variables C(lab_ADAPTER_index_user) and C(lab_ADAPTER_index_password).
extends_documentation_fragment:
  - rackbench.lab.attributes
  - rackbench.lab.attributes.linux
  - rackbench.lab.run
  - rackbench.lab.run.adapter
attributes:
  idempotent:
    support: full
    details: With the same requirements again, the environment's Python is started once and nothing is installed.
options:
  pythons:
    description: The versions of Python that the packages are for, such as V(3.11), the preferred one first.
    type: list
    elements: str
    required: true
seealso:
  - module: rackbench.lab.target_python_environment
author:
  - Rackbench contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Make the Python environment that BenchBox runs in
  rackbench.lab.python_environment:
    run_dir: "{{ rackbench_plan.run_dir }}"
    adapter: benchbox
    pythons: ["3.11", "3.12", "3.13", "3.14"]
"""

RETURN = r"""
path:
  description: The directory of the environment on the host.
  returned: when the environment is there
  type: str
  sample: /home/lab/.rackbench/environments/5f0c6c5e29ee0d0b-x86_64
python:
  description: The version of its Python.
  returned: when the environment is there
  type: str
  sample: 3.11.7
rackbench:
  description: What the ledger takes from this task, such as its records and its failure.
  returned: always
  type: dict
"""
