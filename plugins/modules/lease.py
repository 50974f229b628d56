#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lease
short_description: Take and give back the lease of a target
version_added: 0.1.0
description:
  - The lease says which run has a target, so that no two of them measure at once. It is one file in a directory that
    all users of the target share.
  - A lease that its holder does not renew within O(ttl_s) seconds, by the clock of the target, may be taken by
    anybody.
  - Runs take and give back the lease by themselves. In playbooks this is for giving back what somebody left.
extends_documentation_fragment:
  - rackbench.lab.attributes
  - rackbench.lab.package
  - rackbench.lab.attributes.linux
  - rackbench.lab.lease.directory
attributes:
  check_mode:
    details: Nothing is changed, and RV(ignore:changed) says whether something would be.
  diff_mode:
    details: RV(holder) and RV(stolen_from) tell what was there.
  idempotent:
    support: full
    details: A lease that is held already is renewed, and one that is gone is not removed again.
options:
  state:
    description:
      - V(taken) takes the target, or renews the lease with this O(lease_id). It stays with another holder.
      - V(held) renews the lease with this O(lease_id), or takes the target again if the lease that is there has
        expired. It fails if another run holds the target, or if the lease was given back.
      - V(released) removes the lease with this O(lease_id). Without one it removes what nobody holds, an expired lease
        or a file that is no lease.
    type: str
    required: true
    choices: [taken, held, released]
  lease_id:
    description: The name of one taking of the target; it begins with the run's id. Required with O(state=taken) and
      O(state=held).
    type: str
  run_id:
    description: The run that takes the target. Required with O(state=taken).
    type: str
  owner:
    description: Who takes the target, as others read it. Required with O(state=taken) and O(state=held).
    type: str
  purpose:
    description: What the target is taken for, as others read it.
    type: str
    default: ''
  ttl_s:
    description: After how many seconds without a renewal others may take the target; at most a day.
    type: float
    default: 1800
  steal:
    description: Take the target from its holder, or remove the holder's lease.
    type: bool
    default: false
  reason:
    description: Why the lease is stolen. Required with O(steal).
    type: str
seealso:
  - module: rackbench.lab.lease_info
author:
  - Rackbench contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Remove the lease of a machine that will not come back
  rackbench.lab.lease:
    state: released
    steal: true
    reason: its controller was scrapped
"""

RETURN = r"""
held:
  description: Whether the lease with the given O(lease_id) is held now.
  returned: success
  type: bool
  sample: true
holder:
  description: Whose lease is there now; nothing if there is none.
  returned: success
  type: dict
  sample:
    run_id: 20261121T080000Z-thor
    owner: ann@jump
    purpose: latency
    taken_at: "2026-11-21T08:00:02.125Z"
    lease_id: 20261121T080000Z-thor-0b6a53f2
expires_in_s:
  description: In how many seconds that lease expires if it is not renewed; 0 for one that has expired.
  returned: success
  type: float
  sample: 1799.8
stolen_from:
  description: Who held the target until this call stole the lease.
  returned: success
  type: dict
  sample: {run_id: 20261121T070000Z-thor, owner: bob@desk, purpose: latency}
reason:
  description: Why the lease was stolen.
  returned: when it was stolen
  type: str
  sample: its controller was scrapped
broken:
  description: Whether the file is no lease.
  returned: success
  type: bool
  sample: false
kept_aside:
  description: Where a file is now that was no lease and had to make room.
  returned: success
  type: str
  sample: /var/tmp/rackbench/lease.broken-20261121T080000Z-5f0c6c5e.json
rackbench:
  description: What the ledger takes from this task, such as its failure.
  returned: always
  type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rackbench.lab.plugins.module_utils import _lease
from ansible_collections.rackbench.lab.plugins.module_utils._target import TargetError, answer


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **_lease.DIRECTORY_OPTION,
            "state": {"type": "str", "required": True, "choices": ["taken", "held", "released"]},
            "lease_id": {"type": "str"},
            "run_id": {"type": "str"},
            "owner": {"type": "str"},
            "purpose": {"type": "str", "default": ""},
            "ttl_s": {"type": "float", "default": _lease.TTL_S},
            "steal": {"type": "bool", "default": False},
            "reason": {"type": "str"},
        },
        required_if=[
            ("state", "taken", ["lease_id", "run_id", "owner"]),
            ("state", "held", ["lease_id", "owner"]),
        ],
        supports_check_mode=True,
    )
    answer(module, work)


def work(module: Any) -> dict[str, Any]:
    """Return the module's result."""
    path = _lease.lease_path(module.params["dir"])
    if module.params["steal"] and not (module.params["reason"] or "").strip():
        raise TargetError("unknown_option", "A lease is stolen for a reason, and none was given.")
    with _lease.usable(path):
        return {"taken": take, "held": hold, "released": release}[module.params["state"]](module, path)


def take(module: Any, path: Any) -> dict[str, Any]:
    """Take the target or renew the lease, and return whose it is now."""
    given = module.params
    lease = _lease.new_lease(
        given["lease_id"], given["run_id"], given["owner"], given["purpose"], given["ttl_s"]
    )
    taken = _lease.take(path, lease, steal=given["steal"], may_write=not module.check_mode)
    mine = is_ours(taken.before, lease["lease_id"])
    robbed = taken.done and taken.before.held_by_another(lease["lease_id"])
    now = taken.before
    if taken.done and not module.check_mode:
        now = _lease.Found(taken.before.lease if mine else lease)
    return result(
        now,
        changed=taken.done and not mine,
        held=is_ours(now, lease["lease_id"]),
        stolen_from=taken.before.lease if robbed else None,
        reason=given["reason"],
        kept_aside=taken.kept_aside,
    )


def hold(module: Any, path: Any) -> dict[str, Any]:
    """Keep the target for the run that has it, and return whose it is now."""
    given = module.params
    ours = {"path": str(path), **{name: given[name] for name in ("lease_id", "owner", "purpose")}}
    kept = _lease.hold(ours, may_write=not module.check_mode)
    again = not is_ours(kept.before, given["lease_id"])
    now = kept.before if module.check_mode or not again else _lease.look(path)
    return result(now, changed=again, held=is_ours(now, given["lease_id"]))


def release(module: Any, path: Any) -> dict[str, Any]:
    """Give the target back, and return whose lease is there then."""
    given = module.params
    done = _lease.release(path, given["lease_id"], steal=given["steal"], may_write=not module.check_mode)
    robbed = done.done and done.before.held_by_another(given["lease_id"])
    now = _lease.Found() if done.done and not module.check_mode else done.before
    return result(
        now,
        changed=done.done,
        held=is_ours(now, given["lease_id"]),
        stolen_from=done.before.lease if robbed else None,
        reason=given["reason"],
        kept_aside=done.kept_aside,
    )


def is_ours(found: _lease.Found, lease_id: str | None) -> bool:
    """Say whether the lease that stands there is the one with this id."""
    return found.lease is not None and found.lease["lease_id"] == lease_id


def result(
    now: _lease.Found,
    *,
    changed: bool,
    held: bool,
    stolen_from: dict[str, Any] | None = None,
    reason: str | None = None,
    kept_aside: str | None = None,
) -> dict[str, Any]:
    """Return the module's result from what stands there now."""
    return {
        "changed": changed,
        "held": held,
        **now.as_dict(),
        "stolen_from": _lease.holder_of(stolen_from),
        **({"reason": reason} if stolen_from is not None else {}),
        "kept_aside": kept_aside,
    }


if __name__ == "__main__":
    main()
