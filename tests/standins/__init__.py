# SPDX-License-Identifier: Apache-2.0
"""Programs that take the place of others in tests. Each says what it is, and its results are marked as simulated."""
