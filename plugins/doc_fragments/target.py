# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules have in common that work on a target."""

from __future__ import annotations


class ModuleDocFragment:
    """Modules that keep things on a target."""

    DOCUMENTATION = r"""
options:
  root:
    description: The directory on the target that holds everything of Rackbench.
    type: str
    default: ~/.rackbench
"""

    # Modules that only other modules of the collection call.
    PRIVATE = r"""
options: {}
notes:
  - It is private to the collection. Its options and what it returns may change with each release.
"""
