# SPDX-License-Identifier: Apache-2.0
"""New labs: the directory that `rackbench init` makes."""
