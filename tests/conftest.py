# SPDX-License-Identifier: Apache-2.0
"""What all tests share: property tests that do not depend on the machine's speed or on chance."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# The same examples in every run, so that a red build is about the change that it builds; no limits on time.
settings.register_profile(
    "rackbench", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("rackbench")
