# SPDX-License-Identifier: GPL-3.0-or-later
"""What plugins need on the controller."""

from __future__ import annotations


class ModuleDocFragment:
    """Plugins that use the Python package."""

    DOCUMENTATION = r"""
options: {}
requirements:
  - the Python package C(rackbench) beside ansible-core on the controller
"""
