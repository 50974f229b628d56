# SPDX-License-Identifier: Apache-2.0
"""Runs the operator's own Geekbench, and keeps what it says without what must stay private."""

from __future__ import annotations

NAME = "geekbench"
VERSION = "1.0.0"
