#!/usr/bin/python
# Copyright (c) 2026 Rackbench contributors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle
short_description: Keep a benchmark's bundle on a target, by digest
version_added: 0.1.0
description:
  - Answers whether a bundle is on the target, whole and unchanged, and unpacks one that was uploaded.
  - A bundle lives in C(bundles/<sha256>) below O(root). It appears there in one step, after its digest was checked, and
    its C(.complete) marker holds the digest of each file.
  - The action plugin of the same name decides which bundle it is and moves the bytes. Use the action in playbooks; its
    options are O(run_dir) and O(adapter).
attributes:
  check_mode:
    support: full
    description: With O(state=present) nothing is ever changed. O(state=unpacked) answers what it would do.
  diff_mode:
    support: none
    description: There is nothing to show a difference of.
  idempotent:
    support: full
    description: A bundle that is on the target is not moved again.
options:
  run_dir:
    description: The run's directory on the controller. Read by the action plugin only.
    type: path
  adapter:
    description: The adapter whose bundle is staged. Read by the action plugin only.
    type: str
  root:
    description: The directory on the target that holds everything of Rackbench.
    type: str
    default: ~/.rackbench
  state:
    description:
      - V(present) only looks, and makes the directory for uploads.
      - V(unpacked) checks the digest of O(upload), unpacks it and removes it.
      - V(discarded) removes O(upload), which did not arrive whole.
    type: str
    choices: [present, unpacked, discarded]
    default: present
  sha256:
    description: The SHA-256 of the bundle's tarball, 64 hexadecimal digits. The action plugin gives it.
    type: str
  upload:
    description: The uploaded tarball on the target. Needed unless O(state=present).
    type: str
  sidecar:
    description: The bundle's sidecar document, which declares C(unpacked_size) and C(file_count).
    type: dict
author:
  - Rackbench contributors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Put the bundle that fits this host on it
  rackbench.lab.bundle:
    run_dir: "{{ rackbench_plan.run_dir }}"
    adapter: latency
"""

RETURN = r"""
present:
  description: Whether the bundle is on the target, whole.
  returned: success
  type: bool
  sample: true
path:
  description: The directory of the unpacked bundle.
  returned: success
  type: str
  sample: /home/lab/.rackbench/bundles/5f0c6c5e29ee0d0b6a53f2d6d2f8f8d3d5a8f7c1e0b9a8f7c6d5e4f3a2b1c0d9
upload:
  description: Where to put the tarball if the bundle is missing.
  returned: when O(state=present)
  type: str
  sample: /home/lab/.rackbench/uploads/5f0c6c5e.1234.part
files:
  description: How many files the bundle has.
  returned: when the bundle is on the target
  type: int
  sample: 7
"""

import contextlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rackbench.lab.plugins.module_utils._archive import (
    ArchiveRefusedError,
    sha256_file,
    unpack,
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

MARKER = ".complete"


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **ROOT_OPTION,
            "run_dir": {"type": "path"},
            "adapter": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "unpacked", "discarded"], "default": "present"},
            "sha256": {"type": "str"},
            "upload": {"type": "str"},
            "sidecar": {"type": "dict"},
        },
        required_if=[
            ("state", "present", ["sha256"]),
            ("state", "unpacked", ["sha256", "upload", "sidecar"]),
            ("state", "discarded", ["sha256", "upload"]),
        ],
        supports_check_mode=True,
    )
    answer(module, work)


def work(module: Any) -> dict[str, Any]:
    """Return the module's result."""
    root = root_of(module)
    digest = require(DIGEST, module.params["sha256"], "SHA-256")
    directory = root / "bundles" / digest
    if module.params["state"] == "present":
        return look(module, root, directory, digest)
    upload = Path(module.params["upload"])
    if upload.parent != root / "uploads":
        raise TargetError("internal_error", f"{upload} is no upload.")
    if module.params["state"] == "discarded":
        there = upload.exists()
        if there and not module.check_mode:
            upload.unlink()
        return {"changed": there, "present": False, "path": str(directory)}
    return place(module, root, directory, upload)


def look(module: Any, root: Path, directory: Path, digest: str) -> dict[str, Any]:
    """Say whether the bundle is there, and where to upload it otherwise."""
    uploads = root / "uploads"
    upload = uploads / f"{digest}.{os.getpid()}.part"
    result: dict[str, Any] = {"changed": False, "path": str(directory), "upload": str(upload)}
    files = verify(directory)
    if files is not None:
        return {**result, "present": True, "files": files}
    if not module.check_mode:
        uploads.mkdir(parents=True, exist_ok=True)
    return {**result, "present": False}


def place(module: Any, root: Path, directory: Path, upload: Path) -> dict[str, Any]:
    """Unpack the upload to the bundle's place, and remove the upload whatever happens."""
    digest = directory.name
    if module.check_mode:
        return {"changed": verify(directory) is None, "path": str(directory), "present": False}
    temporary = root / "bundles" / f".{digest}.{os.getpid()}.tmp"
    try:
        found = sha256_file(upload)
        if found != digest:
            raise TargetError(
                "bundle_digest_mismatch",
                f"The bundle changed on its way: {digest} was sent and {found} arrived.",
            )
        temporary.parent.mkdir(parents=True, exist_ok=True)
        sidecar = module.params["sidecar"]
        files = unpack(
            upload,
            temporary,
            max_bytes=int(sidecar["unpacked_size"]),
            max_files=int(sidecar["file_count"]),
        )
        write_document(temporary / MARKER, {**sidecar, "files": files}, sync=True)
        changed = settle(temporary, directory)
    except ArchiveRefusedError as error:
        raise TargetError("archive_unsafe", f"The bundle is refused: {error}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        with contextlib.suppress(OSError):
            upload.unlink()
    return {"changed": changed, "path": str(directory), "present": True, "files": len(files)}


def settle(temporary: Path, directory: Path) -> bool:
    """Give the unpacked bundle its name; return False if another process was first."""
    os.sync()
    try:
        temporary.rename(directory)
    except OSError:
        if verify(directory) is None:
            raise
        return False
    sync_directory(directory.parent)
    return True


def verify(directory: Path) -> int | None:
    """Return the number of files of a bundle whose bytes are all as they were unpacked; None if it is not there.

    Raises `TargetError` if a file was changed, removed or added since.
    """
    if not (directory / MARKER).is_file():
        return None
    try:
        files = json.loads((directory / MARKER).read_bytes())["files"]
        expected = {str(entry["path"]): (int(entry["size"]), str(entry["sha256"])) for entry in files}
    except (ValueError, KeyError, TypeError) as error:
        raise changed_on_disk(directory, MARKER) from error
    present = {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}
    for name in sorted(present - set(expected) - {MARKER}):
        if "__pycache__" not in Path(name).parts and not (directory / name).is_symlink():
            raise changed_on_disk(directory, name)
    for name, (size, sha256) in expected.items():
        path = directory / name
        if (
            path.is_symlink()
            or not path.is_file()
            or path.stat().st_size != size
            or sha256_file(path) != sha256
        ):
            raise changed_on_disk(directory, name)
    return len(expected)


def changed_on_disk(directory: Path, name: str) -> TargetError:
    """Return the failure for a bundle that is not what was unpacked."""
    return TargetError(
        "bundle_digest_mismatch",
        f"{name} of the unpacked bundle is not as it was unpacked. Nothing runs from {directory} until that directory "
        "is removed.",
    )


if __name__ == "__main__":
    main()
