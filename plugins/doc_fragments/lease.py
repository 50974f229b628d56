# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease of a host: how a run takes it, and where it is."""

from __future__ import annotations


class ModuleDocFragment:
    """Modules that a run begins or goes on with."""

    DOCUMENTATION = r"""
options:
  wait:
    description: Wait until the lease of the host is free, instead of failing when another run holds it.
    type: bool
    default: false
  steal:
    description: Take the lease of the host from the run that holds it.
    type: bool
    default: false
  steal_reason:
    description: Why the lease is taken from its holder. Required with O(steal=true).
    type: str
"""

    # Modules that go to the lease itself.
    DIRECTORY = r"""
options:
  dir:
    description: The directory on the target that holds the lease; an absolute path, the same for all users.
    type: str
    default: /var/tmp/rackbench
"""
