# SPDX-License-Identifier: GPL-3.0-or-later
"""The attributes that every module of the collection names."""

from __future__ import annotations


class ModuleDocFragment:
    """Modules add the details, and what they do otherwise."""

    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Can run in check mode, and tell what would be done without changing anything.
    support: full
  diff_mode:
    description: Can tell in diff mode what it changed, as before and after.
    support: none
  idempotent:
    description: When it is run again with the same arguments, it changes nothing more and reports no change.
"""

    # For what runs on a target.
    LINUX = r"""
attributes:
  platform:
    description: The systems that it runs on.
    support: full
    platforms: linux
"""
