# SPDX-License-Identifier: Apache-2.0
"""A stand-in for Geekbench, and the archive that it comes in."""
