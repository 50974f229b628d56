# SPDX-License-Identifier: Apache-2.0
"""Records what a machine is: raw captures, a summary, a profile and the topology."""

from __future__ import annotations

NAME = "system-info"
VERSION = "1.1.0"
