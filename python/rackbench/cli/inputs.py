# SPDX-License-Identifier: Apache-2.0
"""What verbs share about their input: files that must be there, lab files, and the hosts that Ansible knows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rackbench.errors import RackbenchError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def there(path: Path) -> Path:
    """Return a path that the user named, after a look whether it exists. Raises `RackbenchError("input_missing")`."""
    if not path.exists():
        raise RackbenchError("input_missing", f"There is no file or directory {path}.")
    return path


def add_lab_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--inventory`` as the verbs have it that read lab files."""
    parser.add_argument(
        "-i",
        "--inventory",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="a lab file; by default those that Ansible's own inventory setting leads to",
    )


def names(given: Sequence[str] | None) -> list[str]:
    """Return the names of options such as ``--host a,b --host c``."""
    return [name for text in given or () for name in text.split(",") if name]


def inventory_hosts(directory: Path, inventories: Sequence[str]) -> list[str]:
    """Return the hosts that Ansible knows in `directory`, sorted; `inventories` are paths or host lists.

    Raises `RackbenchError("ansible_failed")` when the inventory cannot be read.
    """
    command = [str(Path(sys.executable).parent / "ansible-inventory"), "--list"]
    for inventory in inventories:
        command += ["-i", inventory]
    listed = subprocess.run(command, cwd=directory, capture_output=True, text=True)
    if listed.returncode != 0:
        raise RackbenchError(
            "ansible_failed",
            "The inventory cannot be read.",
            detail=listed.stderr.strip(),
            next_command="ansible-inventory --graph",
        )
    # Not from the host variables in `_meta`: a host without any is not there.
    groups = json.loads(listed.stdout).values()
    return sorted({host for group in groups for host in group.get("hosts", ())})
