# SPDX-License-Identifier: Apache-2.0
"""What plugins need on the controller."""

from __future__ import annotations


class ModuleDocFragment:
    """Plugins that use the Python package."""

    DOCUMENTATION = r"""
options: {}
requirements:
  - the Python package C(rackbench) beside ansible-core on the controller
"""
