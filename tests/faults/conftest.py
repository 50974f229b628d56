# SPDX-License-Identifier: Apache-2.0
"""The lab, for faults of real hosts."""

from tests.lab.conftest import broken_lab, lab

__all__ = ["broken_lab", "lab"]
