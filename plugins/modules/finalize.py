#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: finalize
short_description: Give back the host of a run, export its results and write its report
version_added: 0.1.0
description:
  - Gives back the lease of the host, if the run has it and nothing of it still runs there.
  - Writes the run's results with versions, host and bundle in the formats that the run asked for, and RV(report), one
    page for people, into the run directory on the controller.
  - A fault of the page is a warning and does not fail the run. Exports and page are not publishable if a benchmark was
    asked to redact something.
extends_documentation_fragment:
  - rackbench.lab.attributes
  - rackbench.lab.run
attributes:
  check_mode:
    details: A dry run has a directory of its own, and its exports, which are empty, are written there.
  idempotent:
    support: full
    details: Exports and report are written again from the same records.
seealso:
  - module: rackbench.lab.publish
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
  sample: [/home/lab/rackbench/automation-runs/2026-11-21/turind8/20261121T080000Z/exports/results.json]
report:
  description: The page of the run. Null if it could not be written, which a warning tells.
  returned: success
  type: str
  sample: /home/lab/rackbench/automation-runs/2026-11-21/turind8/20261121T080000Z/report.html
rackbench:
  description: What the ledger takes from this task, such as its records and its failure.
  returned: always
  type: dict
"""
