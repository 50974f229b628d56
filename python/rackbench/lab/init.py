# SPDX-License-Identifier: Apache-2.0
"""Begin a lab: a directory with the inventory, the settings of Ansible and the playbook that runs start from."""

from __future__ import annotations

from pathlib import Path

from rackbench.scaffold import scaffold

TEMPLATE = Path(__file__).with_name("template")
# The host of the new inventory: this machine.
HOST = "local"


def init(directory: Path) -> list[str]:
    """Write a new lab, whole or not at all, and return the paths of its files below `directory`, sorted.

    Raises `RackbenchError`: `lab_exists` where there is anything already, `lab_unwritable`.
    """
    return scaffold("lab", TEMPLATE, directory)
