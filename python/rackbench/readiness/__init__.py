# SPDX-License-Identifier: Apache-2.0
"""Readiness: whether a host can run a benchmark, and what to install when it cannot."""
