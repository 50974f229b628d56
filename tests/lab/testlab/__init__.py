# SPDX-License-Identifier: Apache-2.0
"""A lab of real SSH hosts on one Debian machine, for Rackbench's tests. Standard library only."""
