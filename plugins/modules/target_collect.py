#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: target_collect
short_description: Pack the results of executions on a target
version_added: 0.1.0
description:
  - Packs what the named executions of a run left on the target into one archive, with the digest of each file.
  - Nothing on the target is removed but the archive itself, with O(state=absent).
  - M(rackbench.lab.collect) calls it, and fetches the archive.
extends_documentation_fragment:
  - rackbench.lab.attributes
  - rackbench.lab.attributes.linux
  - rackbench.lab.target
  - rackbench.lab.target.private
attributes:
  check_mode:
    details: Nothing is packed or removed.
  idempotent:
    support: full
    details: Results on the target stay, so collecting again gives the same files.
options:
  state:
    description:
      - V(packed) makes the archive.
      - V(absent) removes the archive O(archive).
    type: str
    choices: [packed, absent]
    default: packed
  run_id:
    description: The run that the executions belong to.
    type: str
    required: true
  executions:
    description: The names of the executions to pack. Required with O(state=packed).
    type: list
    elements: str
  max_bytes:
    description: More bytes than this, before compression, are not packed.
    type: int
    default: 2147483648
  archive:
    description: The archive to remove. Required with O(state=absent).
    type: str
author:
  - Rackbench contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Pack what an execution left
  rackbench.lab.target_collect:
    run_id: 20261121T080000Z-thor
    executions: [latency.smoke.1]
  register: packed

- name: Remove the archive
  rackbench.lab.target_collect:
    run_id: 20261121T080000Z-thor
    state: absent
    archive: "{{ packed.archive }}"
"""

RETURN = r"""
archive:
  description: The archive on the target.
  returned: when O(state=packed)
  type: str
  sample: /home/lab/.rackbench/jobs/20261121T080000Z-thor/.collect.5f0c6c5e0f3a9c4d.tar.gz
bytes:
  description: The archive's size in bytes.
  returned: when O(state=packed)
  type: int
  sample: 18342
sha256:
  description: The archive's SHA-256.
  returned: when O(state=packed)
  type: str
  sample: 5f0c6c5e29ee0d0b6a53f2d6d2f8f8d3d5a8f7c1e0b9a8f7c6d5e4f3a2b1c0d9
members:
  description: How many members the archive has, directories and links among them.
  returned: when O(state=packed)
  type: int
  sample: 12
files:
  description: The files in the archive.
  returned: when O(state=packed)
  type: list
  elements: dict
  sample: [{path: latency.smoke.1/out/result.json, size: 4213, sha256: 5f0c6c5e}]
left_out:
  description: What was left out, and why.
  returned: when O(state=packed)
  type: list
  elements: dict
  sample: [{path: latency.smoke.1/out/socket, reason: it is no regular file}]
missing:
  description: The executions that left no job directory.
  returned: when O(state=packed)
  type: list
  elements: str
  sample: []
rackbench_failure:
  description: The code of the failure, and what happened in plain words.
  returned: when the module fails for a reason that has a code
  type: dict
  sample: {code: target_disk_full, what: "No space left on device: /home/lab/.rackbench."}
"""

import os
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rackbench.lab.plugins.module_utils._archive import TooLargeError, pack
from ansible_collections.rackbench.lab.plugins.module_utils._target import (
    NAME,
    ROOT_OPTION,
    TargetError,
    answer,
    require,
    root_of,
)

COLLECTED = (
    "job.json",
    "out",
    "spec.json",
    "state.json",
    "conditions.json",
    "stop.json",
    "stderr",
    "stdout",
    "supervisor.log",
)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **ROOT_OPTION,
            "state": {"type": "str", "choices": ["packed", "absent"], "default": "packed"},
            "run_id": {"type": "str", "required": True},
            "executions": {"type": "list", "elements": "str"},
            "max_bytes": {"type": "int", "default": 2147483648},
            "archive": {"type": "str"},
        },
        required_if=[
            ("state", "packed", ["executions"]),
            ("state", "absent", ["archive"]),
        ],
        supports_check_mode=True,
    )
    answer(module, work)


def work(module: Any) -> dict[str, Any]:
    """Return the module's result."""
    jobs = root_of(module) / "jobs" / require(NAME, module.params["run_id"], "run id")
    if module.params["state"] == "absent":
        return remove(module, jobs)
    executions = [require(NAME, name, "execution id") for name in module.params["executions"]]
    there = [name for name in executions if (jobs / name).is_dir()]
    missing = [name for name in executions if name not in there]
    # Never the name of one that a killed call left: after a reboot numbers of processes come again.
    archive = jobs / f".collect.{os.urandom(8).hex()}.tar.gz"
    result: dict[str, Any] = {"changed": False, "archive": str(archive), "missing": missing}
    if module.check_mode or not there:
        return {**result, "bytes": 0, "sha256": "", "members": 0, "files": [], "left_out": []}
    names = [f"{name}/{part}" for name in there for part in COLLECTED if has_content(jobs / name / part)]
    try:
        packed = pack(jobs, names, archive, module.params["max_bytes"])
    except TooLargeError as error:
        raise TargetError("results_too_large", f"The results are too large: {error}.") from error
    return {
        **result,
        "bytes": packed.size,
        "sha256": packed.sha256,
        "members": packed.members,
        "files": packed.files,
        "left_out": packed.skipped,
    }


def has_content(path: Path) -> bool:
    """Say whether a part of a job directory is worth collecting: it is there, and no log without a word."""
    return os.path.lexists(path) and (path.name != "supervisor.log" or path.stat().st_size > 0)


def remove(module: Any, jobs: Path) -> dict[str, Any]:
    """Remove an archive that an earlier call made, and nothing else."""
    archive = Path(module.params["archive"])
    if archive.parent != jobs or not (
        archive.name.startswith(".collect.") and archive.name.endswith(".tar.gz")
    ):
        raise TargetError("internal_error", f"{archive} is no archive of this run.")
    there = archive.exists()
    if there and not module.check_mode:
        archive.unlink()
    return {"changed": there}


if __name__ == "__main__":
    main()
