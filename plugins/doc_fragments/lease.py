# SPDX-License-Identifier: GPL-3.0-or-later
"""How a run takes the lease of its host."""

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
