#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: store
short_description: Remove what Rackbench keeps on a target
version_added: 0.1.0
description:
  - Removes the bundles, jobs, uploads and the toolchain that are on a target.
  - What a running job uses is never removed. It is named in RV(kept) instead.
  - A bundle that was asked for in the last ten minutes is not pruned either, since a run may be about to execute it.
  - It works in any playbook, outside of runs.
extends_documentation_fragment:
  - rackbench.lab.attributes
  - rackbench.lab.package
  - rackbench.lab.attributes.linux
  - rackbench.lab.target
attributes:
  check_mode:
    details: Nothing is removed, and RV(removed) says what would be.
  diff_mode:
    details: RV(removed) names everything.
  idempotent:
    support: full
    details: What is gone is not removed again.
options:
  state:
    description:
      - V(pruned) removes bundles that no running job uses and that were not asked for in the last ten minutes, and
        uploads that were given up. A bundle whose files are not as they were unpacked goes whatever O(keep_days) says,
        unless a running job uses it.
      - V(cleaned) removes everything, with the results that were not collected, and the directory itself. The original
        settings of a run that had quieted the target stay until they are put back.
    type: str
    required: true
    choices: [pruned, cleaned]
  keep_days:
    description: With O(state=pruned), bundles stay that were asked for within so many days.
    type: float
seealso:
  - module: rackbench.lab.store_info
author:
  - Rackbench contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Remove bundles that were not used for two weeks
  rackbench.lab.store:
    state: pruned
    keep_days: 14
"""

RETURN = r"""
root:
  description: The directory on the target that holds everything of Rackbench.
  returned: success
  type: str
  sample: /home/lab/.rackbench
removed:
  description: What was removed, or in check mode would be.
  returned: success
  type: list
  elements: dict
  sample: [{kind: bundle, name: latency 1.0.0, path: /home/lab/.rackbench/bundles/0b6a, bytes: 73421, reason: not used}]
kept:
  description: What stays, and why.
  returned: success
  type: list
  elements: dict
  sample: []
freed_bytes:
  description: How many bytes RV(removed) takes.
  returned: success
  type: int
  sample: 73421
rackbench:
  description: What the ledger takes from this task, such as its failure.
  returned: always
  type: dict
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rackbench.lab.plugins.module_utils import _noise, _store
from ansible_collections.rackbench.lab.plugins.module_utils._target import (
    ROOT_OPTION,
    TargetError,
    answer,
    expanded,
    root_of,
)

PARTS = ("bundles", "jobs", "uploads")


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **ROOT_OPTION,
            "state": {"type": "str", "required": True, "choices": ["pruned", "cleaned"]},
            "keep_days": {"type": "float"},
        },
        supports_check_mode=True,
    )
    answer(module, work)


def work(module: Any) -> dict[str, Any]:
    """Return the module's result."""
    root = root_of(module)
    if module.params["state"] == "cleaned" and Path(module.params["root"]).name != ".rackbench":
        raise TargetError("internal_error", f"{module.params['root']} may hold what is not ours to remove.")
    keep_days = module.params["keep_days"]
    if keep_days is not None and not keep_days >= 0:
        raise TargetError("unknown_option", f"keep_days is {keep_days}, and must be 0 or more.")
    removal = Removal(root, may_write=not module.check_mode)
    with _store.locked(root, exclusive=True):
        if module.params["state"] == "pruned":
            removal.prune(keep_days)
        else:
            removal.clean(keep_root=expanded(module.params["root"]).is_symlink())
    return {
        "changed": bool(removal.removed),
        "root": str(root),
        "removed": removal.removed,
        "kept": removal.kept,
        "freed_bytes": sum(int(item["bytes"]) for item in removal.removed),
    }


class Removal:
    """What is removed and what is kept, each with the reason. Its methods want the store's lock held alone."""

    def __init__(self, root: Path, *, may_write: bool) -> None:
        self.root = root
        self.may_write = may_write
        self.jobs = _store.jobs(root)
        self.removed: list[dict[str, Any]] = []
        self.kept: list[dict[str, Any]] = []

    def prune(self, keep_days: float | None) -> None:
        """Remove bundles that nothing uses, and uploads that were given up."""
        for bundle in _store.bundles(self.root, self.jobs):
            recent = (
                keep_days is not None and _store.age(bundle.path / _store.MARKER) < keep_days * _store.DAY_S
            )
            if bundle.jobs:
                self._keep("bundle", bundle.path, used_by(bundle.jobs), title(bundle))
            elif not recent and not bundle.recent:
                self._remove_bundle(bundle, "not used")
            elif is_damaged(bundle.path):
                self._remove_bundle(bundle, "damaged")
            elif recent:
                self._keep("bundle", bundle.path, f"used within {keep_days:g} days", title(bundle))
            else:
                reason = f"asked for less than {_store.IN_USE_S:g} s ago, so a run may be about to use it"
                self._keep("bundle", bundle.path, reason, title(bundle))
        self._remove_uploads(only_given_up=True)

    def clean(self, *, keep_root: bool) -> None:
        """Remove everything but what a running job uses; while one runs, the tools that it may need stay too."""
        running = [job for job in self.jobs if job.running]
        quieted = _noise.runs_with_originals(self.root)
        for run in _children(self.root / "jobs"):
            names = [job.name for job in running if job.path.parent == run]
            if names:
                self._keep("job", run, used_by(names))
            else:
                self._remove("job", run, "not running")
        for bundle in _store.bundles(self.root, self.jobs):
            if bundle.jobs:
                self._keep("bundle", bundle.path, used_by(bundle.jobs), title(bundle))
            else:
                self._remove_bundle(bundle, "not used")
        self._remove_uploads(only_given_up=False)
        self._clean_others([job.name for job in running], quieted)
        if not running:
            # Empty by now, but for what is half removed or half made.
            for path in _children(self.root):
                if path.name in PARTS:
                    self._remove("directory", path, "empty")
            if self.root.is_dir() and not keep_root and not quieted:
                self._remove("directory", self.root, "empty")

    def _clean_others(self, running: list[str], quieted: list[str]) -> None:
        for path in _children(self.root):
            if path.name in PARTS:
                continue
            kind = "toolchain" if path.name == _store.TOOLCHAIN else "other"
            if path.name == _noise.FOLDER and quieted:
                self._keep(kind, path, unrestored(quieted))
            elif running:
                self._keep(kind, path, used_by(running))
            else:
                self._remove(kind, path, "not used")

    def _remove_uploads(self, *, only_given_up: bool) -> None:
        for part in _store.parts(self.root):
            if not only_given_up or _store.is_given_up(self.root, part):
                self._remove("upload", part, "given up" if only_given_up else "not used")
            else:
                self._keep("upload", part, "it may still be on its way")

    def _remove_bundle(self, bundle: _store.Bundle, reason: str) -> None:
        self._note(self.removed, "bundle", bundle.path, reason, title(bundle))
        if self.may_write:
            _store.discard(bundle.path)

    def _remove(self, kind: str, path: Path, reason: str) -> None:
        self._note(self.removed, kind, path, reason)
        if self.may_write:
            _store.remove(path)

    def _keep(self, kind: str, path: Path, reason: str, name: str | None = None) -> None:
        self._note(self.kept, kind, path, reason, name)

    @staticmethod
    def _note(
        where: list[dict[str, Any]], kind: str, path: Path, reason: str, name: str | None = None
    ) -> None:
        where.append(
            {
                "kind": kind,
                "name": name or path.name,
                "path": str(path),
                # What was in a directory is listed by itself.
                "bytes": 0 if kind == "directory" else _store.size_of(path),
                "reason": reason,
            }
        )


def _children(directory: Path) -> list[Path]:
    return sorted(directory.iterdir()) if directory.is_dir() else []


def title(bundle: _store.Bundle) -> str:
    """Return name and version of a bundle; its digest if it does not say."""
    name, version = bundle.marker.get("name"), bundle.marker.get("version")
    return f"{name} {version}" if name and version else bundle.path.name


def used_by(jobs: list[str]) -> str:
    """Return in words that running jobs need something."""
    return f"in use by the running {'job' if len(jobs) == 1 else 'jobs'} {', '.join(jobs)}"


def unrestored(runs: list[str]) -> str:
    """Return in words that runs have not put back what they had set on the target."""
    whose = f"the {'run' if len(runs) == 1 else 'runs'} {', '.join(runs)}"
    return f"it holds the original settings of this machine, and {whose} did not put them back"


def is_damaged(directory: Path) -> bool:
    """Say whether a bundle is not what was unpacked."""
    try:
        return _store.verify(directory) is None
    except TargetError:
        return True


if __name__ == "__main__":
    main()
