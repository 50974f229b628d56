# SPDX-License-Identifier: Apache-2.0
"""Run benchmarks on lab machines behind jump boxes, and never lose, mislabel or needlessly repeat one."""

__version__ = "0.1.0"
