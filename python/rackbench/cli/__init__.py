# SPDX-License-Identifier: Apache-2.0
"""The ``rackbench`` command: one module per verb, no logic of its own."""
