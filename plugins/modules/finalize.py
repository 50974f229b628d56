#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: finalize
short_description: Export a run's results and write its report
version_added: "0.1.0"
description:
  - Enrich the run's results once with versions, host and bundle, and write them in the formats that the run asked for.
  - Write RV(report), one page for people, from the journal, the results and the topology of the host. A fault of the
    page is a warning and does not fail the run. It is not publishable if a benchmark was asked to redact something.
  - Before that it gives back the lease of the host, if the run has it. Exports and report are written on the
    controller.
options:
  run_dir:
    description: The run directory, as M(rackbench.lab.plan) returned it.
    type: path
    required: true
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
- name: Export the results
  rackbench.lab.finalize:
    run_dir: "{{ rackbench_plan.run_dir }}"
"""

RETURN = r"""
exports:
  description: The files that were written.
  returned: success
  type: list
  elements: str
report:
  description: The page of the run; none if it could not be written, which a warning tells.
  returned: success
  type: str
rackbench:
  description: What the ledger takes from this task, such as its records and its failure.
  returned: always
  type: dict
"""
