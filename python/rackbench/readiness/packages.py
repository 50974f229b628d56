# SPDX-License-Identifier: Apache-2.0
"""Which packages a machine lacks, and the command that installs them there."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from rackbench.package_managers import install_command, package_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rackbench.adapters.catalog import Requirement


def described(requirement: Requirement, manager: str | None) -> str:
    """Return a command with its package, as people read it: `lstopo (hwloc)`."""
    return f"{' or '.join(requirement.commands)} ({package_name(requirement.packages, manager)})"


def install_text(requirements: Iterable[Requirement], manager: str | None, *, root: bool) -> str | None:
    """Return the command line that installs what the requirements need, or None for an unknown package manager."""
    command = install_command(
        manager, (package_name(each.packages, manager) for each in requirements), root=root
    )
    return shlex.join(command) if command else None
