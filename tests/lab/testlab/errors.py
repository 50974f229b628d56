# SPDX-License-Identifier: Apache-2.0
"""The lab's only error."""

from __future__ import annotations

NOT_RUNNING = "the lab is not running: make lab-up"


class LabError(Exception):
    """What went wrong, said to the user as it stands."""
