#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: target_noise
short_description: Set what makes measurements on a target noisy, and put it back
version_added: 0.1.0
description:
  - Looks at the settings of a host that make measurements noisy, applies them for a run, and puts back what was there.
  - The originals are kept in C(noise/) below O(root), durable before the first of them is changed. A call that fails
    puts them back, and after one that was killed O(state=restored) does.
  - Only who holds the host's lease should apply settings, and with O(lease) that is looked at. Originals of other runs
    that O(state=applied) finds were left by runs that were killed, and are put back first.
  - M(rackbench.lab.noise) calls it with the settings of a run, and records what was done.
extends_documentation_fragment:
  - rackbench.lab.attributes
  - rackbench.lab.attributes.linux
  - rackbench.lab.target
  - rackbench.lab.target.private
attributes:
  check_mode:
    details: Nothing is written, and RV(changes) says what would be.
  diff_mode:
    details: RV(changes) names everything.
  idempotent:
    support: full
    details: What is as wanted is not written again.
options:
  state:
    description:
      - V(observed) only looks; at all settings but C(irqbalance) if O(settings) names none.
      - V(applied) sets what is not as wanted and looks whether it is then. A setting that the host does not have is
        reported as V(absent).
      - V(verified) says which settings are not as wanted any more.
      - V(restored) puts back what the run had set.
    type: str
    choices: [observed, applied, verified, restored]
    default: observed
  run_id:
    description:
      - The run for which settings are applied or put back. Required with O(state=applied) and O(state=restored).
    type: str
  settings:
    description:
      - The settings by name. C(governor) is a name of one, C(thp) is V(never), V(madvise) or V(always), C(swap) is
        V(false), and C(boost), C(numa_balancing), C(aslr), C(ksm), C(irqbalance) and C(smt) are V(true) or V(false).
    type: dict
    default: {}
  lease:
    description:
      - The lease of the run that O(state=applied) is for. It is renewed before anything is looked at, and if the run
        has lost it, nothing is done.
      - When left out, nobody's lease is looked at.
    type: dict
    suboptions:
      path:
        description: The lease file on the target.
        type: str
        required: true
      lease_id:
        description: The name of the lease.
        type: str
        required: true
      owner:
        description: Who takes the target, as others read it, if the lease has to be taken again.
        type: str
      purpose:
        description: What the target is taken for, as others read it.
        type: str
  sysfs:
    description: Where C(/sys) is. Tests name a tree of their own.
    type: path
    default: /sys
  procfs:
    description: Where C(/proc) is. Tests name a tree of their own.
    type: path
    default: /proc
  tools:
    description:
      - The directory of C(swapon), C(swapoff) and C(systemctl), if it is not one of the usual ones. For tests.
    type: path
author:
  - Rackbench contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: See how the host is set
  rackbench.lab.target_noise:

- name: See whether it is as wanted
  rackbench.lab.target_noise:
    state: verified
    settings: {governor: performance, boost: false}
"""

RETURN = r"""
settings:
  description: The settings as they are now.
  returned: success
  type: dict
  sample: {governor: performance, boost: absent}
changes:
  description: The settings that were written, or in check mode would be.
  returned: success
  type: list
  elements: str
  sample: [governor]
disturbed:
  description: The settings that are not as wanted.
  returned: when O(state=verified)
  type: dict
  sample: {boost: {wanted: false, found: true}}
leftovers:
  description: The runs whose originals were found and put back before, or in check mode would be.
  returned: when O(state=applied)
  type: list
  elements: str
  sample: [20261120T080000Z-thor]
meanwhile:
  description: What somebody else had set since, and was put back as well.
  returned: when O(state=applied) or O(state=restored)
  type: list
  elements: str
  sample: []
outcome:
  description: Whether there was something to put back.
  returned: when O(state=restored)
  type: str
  sample: restored
rackbench_failure:
  description: The code of the failure, and what happened in plain words.
  returned: when the module fails for a reason that has a code
  type: dict
  sample: {code: target_disk_full, what: "No space left on device: /home/lab/.rackbench."}
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rackbench.lab.plugins.module_utils import _lease, _noise
from ansible_collections.rackbench.lab.plugins.module_utils._target import (
    NAME,
    ROOT_OPTION,
    answer,
    require,
    root_of,
)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **ROOT_OPTION,
            "state": {
                "type": "str",
                "choices": ["observed", "applied", "verified", "restored"],
                "default": "observed",
            },
            "run_id": {"type": "str"},
            "settings": {"type": "dict", "default": {}},
            "lease": {
                "type": "dict",
                "options": {
                    "path": {"type": "str", "required": True},
                    "lease_id": {"type": "str", "required": True},
                    "owner": {"type": "str"},
                    "purpose": {"type": "str"},
                },
            },
            "sysfs": {"type": "path", "default": "/sys"},
            "procfs": {"type": "path", "default": "/proc"},
            "tools": {"type": "path"},
        },
        required_if=[("state", "applied", ["run_id"]), ("state", "restored", ["run_id"])],
        supports_check_mode=True,
    )
    answer(module, work)


def work(module: Any) -> dict[str, Any]:
    """Return the module's result."""
    params = module.params
    settings = _noise.known(params["settings"])
    places = _noise.Places(
        Path(params["sysfs"]), Path(params["procfs"]), Path(params["tools"]) if params["tools"] else None
    )
    if params["state"] == "observed":
        return {"changed": False, "settings": _noise.observe(settings, places), "changes": []}
    if params["state"] == "verified":
        return {
            "changed": False,
            "settings": _noise.observe(settings, places) if settings else {},
            "changes": [],
            "disturbed": _noise.disturbed(settings, places),
        }
    run_id = require(NAME, params["run_id"], "run id")
    guard = _noise.Guard(root_of(module), places, may_write=not module.check_mode)
    if params["state"] == "applied" and params["lease"] and not module.check_mode:
        # Who has the lease may take other runs' originals for leftovers, and nobody else.
        _lease.hold(params["lease"])
    return apply(guard, run_id, settings) if params["state"] == "applied" else restore(guard, run_id)


def apply(guard: _noise.Guard, run_id: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Quiet the host."""
    applied = guard.apply(run_id, settings)
    return {
        "changed": bool(applied.settings or applied.leftovers),
        "settings": _noise.observe(settings, guard.places) if settings else {},
        "changes": applied.settings,
        "leftovers": [left.run_id for left in applied.leftovers],
        "meanwhile": [text for left in applied.leftovers for text in left.meanwhile],
    }


def restore(guard: _noise.Guard, run_id: str) -> dict[str, Any]:
    """Put the host back."""
    done = guard.restore(run_id)
    changes = done.settings if done else []
    return {
        "changed": bool(changes),
        "settings": _noise.observe(changes, done.places) if done and changes else {},
        "changes": changes,
        "meanwhile": done.meanwhile if done else [],
        "outcome": "restored" if done else "absent",
    }


if __name__ == "__main__":
    main()
