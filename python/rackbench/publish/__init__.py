# SPDX-License-Identifier: Apache-2.0
"""Getting results out of the house."""
