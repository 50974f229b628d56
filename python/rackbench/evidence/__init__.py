# SPDX-License-Identifier: Apache-2.0
"""Evidence that a finished run is what it was: its files and its journal are signed, and checked anywhere, offline."""
