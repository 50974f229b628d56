#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: target_bundle
short_description: Keep bundles on a target, by digest
version_added: 0.1.0
description:
  - Answers whether a bundle is on the target, whole and unchanged, and unpacks one that was uploaded.
  - A bundle lives in C(bundles/<sha256>) below O(root). It appears there in one step, after its digest was checked,
    and its C(.complete) marker holds the digest of each file.
  - M(rackbench.lab.bundle) calls it, and moves the bytes.
extends_documentation_fragment:
  - rackbench.lab.attributes
  - rackbench.lab.attributes.linux
  - rackbench.lab.target
  - rackbench.lab.target.private
attributes:
  check_mode:
    details: Nothing is changed; the answers are those of a real run.
  idempotent:
    support: full
    details: A bundle that is on the target is not moved again.
options:
  state:
    description:
      - V(present) looks, and removes uploads that were given up. If the bundle is missing, it makes room and the
        directory for uploads.
      - V(unpacked) checks the digest of O(upload), unpacks it and removes it. If O(upload) is gone and the bundle is
        not there, it says so with RV(present=false), and the upload is to be made again.
      - V(discarded) removes O(upload), which did not arrive whole.
    type: str
    choices: [present, unpacked, discarded]
    default: present
  sha256:
    description: The SHA-256 of the bundle's tarball, 64 hexadecimal digits.
    type: str
    required: true
  upload:
    description: The uploaded tarball on the target. Required unless O(state=present).
    type: str
  sidecar:
    description:
      - The bundle's sidecar document, which declares C(unpacked_size) and C(file_count).
      - Required with O(state=unpacked) and O(quota_bytes).
    type: dict
  quota_bytes:
    description:
      - The most bytes that all unpacked bundles may take. With O(state=present) a bundle that is missing gets room by
        removing those that were not used for longest, but none that a running job uses or that was asked for in the
        last ten minutes.
      - Without it there is no such limit.
    type: int
author:
  - Rackbench contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: See whether a bundle is on the host
  rackbench.lab.target_bundle:
    sha256: 5f0c6c5e29ee0d0b6a53f2d6d2f8f8d3d5a8f7c1e0b9a8f7c6d5e4f3a2b1c0d9
"""

RETURN = r"""
present:
  description: Whether the bundle is on the target, whole.
  returned: success
  type: bool
  sample: true
path:
  description: The directory of the unpacked bundle, whether it is there or not.
  returned: success
  type: str
  sample: /home/lab/.rackbench/bundles/5f0c6c5e29ee0d0b6a53f2d6d2f8f8d3d5a8f7c1e0b9a8f7c6d5e4f3a2b1c0d9
upload:
  description: Where to put the tarball if the bundle is missing.
  returned: when O(state=present)
  type: str
  sample: /home/lab/.rackbench/uploads/5f0c6c5e.0f3a9c4d5b6e7f80.part
evicted:
  description: The bundles that were removed to make room, or in check mode would be.
  returned: when O(state=present)
  type: list
  elements: dict
  sample: [{sha256: 0b6a53f2, name: latency, version: 1.0.0, bytes: 73421, last_use: "2026-11-20T09:00:00Z", jobs: []}]
files:
  description: How many files the bundle has.
  returned: when the bundle is on the target
  type: int
  sample: 7
rackbench_failure:
  description: The code of the failure, and what happened in plain words.
  returned: when the module fails for a reason that has a code
  type: dict
  sample: {code: target_disk_full, what: "No space left on device: /home/lab/.rackbench."}
"""

import contextlib
import os
import secrets
import shutil
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rackbench.lab.plugins.module_utils import _store
from ansible_collections.rackbench.lab.plugins.module_utils._archive import (
    ArchiveRefusedError,
    OtherBytesError,
    unpack_bundle,
)
from ansible_collections.rackbench.lab.plugins.module_utils._supervisor import sync_directory, write_document
from ansible_collections.rackbench.lab.plugins.module_utils._target import (
    DIGEST,
    ROOT_OPTION,
    TargetError,
    answer,
    require,
    root_of,
)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **ROOT_OPTION,
            "state": {"type": "str", "choices": ["present", "unpacked", "discarded"], "default": "present"},
            "sha256": {"type": "str", "required": True},
            "upload": {"type": "str"},
            "sidecar": {"type": "dict"},
            "quota_bytes": {"type": "int"},
        },
        required_if=[
            ("state", "unpacked", ["upload", "sidecar"]),
            ("state", "discarded", ["upload"]),
        ],
        required_by={"quota_bytes": ["sidecar"]},
        supports_check_mode=True,
    )
    answer(module, work)


def work(module: Any) -> dict[str, Any]:
    """Return the module's result."""
    root = root_of(module)
    digest = require(DIGEST, module.params["sha256"], "SHA-256")
    directory = root / "bundles" / digest
    if module.params["state"] == "present":
        return look(module, root, directory)
    upload = Path(module.params["upload"])
    if upload.parent != root / "uploads":
        raise TargetError("internal_error", f"{upload} is no upload.")
    if module.params["state"] == "discarded":
        there = upload.exists()
        if there and not module.check_mode:
            upload.unlink()
        return {"changed": there, "present": _store.verify(directory) is not None, "path": str(directory)}
    if module.check_mode:
        files = _store.verify(directory)
        return {"changed": files is None, "path": str(directory), "present": files is not None}
    return place(module, root, directory, upload)


def look(module: Any, root: Path, directory: Path) -> dict[str, Any]:
    """Say whether the bundle is there; otherwise make room for it, and say where to upload it."""
    result: dict[str, Any] = {
        "changed": False,
        "path": str(directory),
        "upload": str(_store.new_part(root, directory.name)),
        "evicted": [],
    }
    with _store.locked(root, exclusive=False):
        files = _store.verify(directory)
        if files is not None and not module.check_mode:
            _store.touch(directory)
    if not module.check_mode:
        _store.remove_given_up(root)
    if files is not None:
        return {**result, "present": True, "files": files}
    needed = int((module.params["sidecar"] or {}).get("unpacked_size", 0))
    evicted = _store.make_room(root, needed, module.params["quota_bytes"], may_write=not module.check_mode)
    if not module.check_mode:
        (root / "uploads").mkdir(parents=True, exist_ok=True)
    return {
        **result,
        "changed": bool(evicted),
        "present": False,
        "evicted": [bundle.as_dict() for bundle in evicted],
    }


def place(module: Any, root: Path, directory: Path, upload: Path) -> dict[str, Any]:
    """Unpack the upload to the bundle's place, and remove the upload whatever happens."""
    digest = directory.name
    directory.parent.mkdir(parents=True, exist_ok=True)
    temporary = directory.with_name(f".{digest}.{secrets.token_hex(8)}.tmp")
    with _store.locked(root, exclusive=False):
        try:
            if not upload.exists():
                # Another run has put the bundle here meanwhile, or somebody has removed all uploads.
                files = _store.verify(directory)
                return {
                    "changed": False,
                    "path": str(directory),
                    "present": files is not None,
                    "files": files,
                }
            sidecar = module.params["sidecar"]
            unpacked = unpack_bundle(upload, temporary, sidecar, digest)
            write_document(temporary / _store.MARKER, {**sidecar, "files": unpacked}, sync=True)
            changed = settle(temporary, directory)
        except OtherBytesError as error:
            raise TargetError(
                "bundle_digest_mismatch",
                f"The bundle changed on its way: {digest} was sent and {error.found} arrived.",
            ) from error
        except ArchiveRefusedError as error:
            raise TargetError("archive_unsafe", f"The bundle is refused: {error}.") from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            with contextlib.suppress(OSError):
                upload.unlink()
    # Parts of this bundle that others left, or are still writing, are of no more use.
    _store.remove_given_up(root)
    return {"changed": changed, "path": str(directory), "present": True, "files": len(unpacked)}


def settle(temporary: Path, directory: Path) -> bool:
    """Give the unpacked bundle its name; return False if another process was first."""
    os.sync()
    try:
        temporary.rename(directory)
    except OSError:
        if _store.verify(directory) is None:
            raise
        return False
    sync_directory(directory.parent)
    return True


if __name__ == "__main__":
    main()
