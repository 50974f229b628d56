# SPDX-License-Identifier: Apache-2.0
"""The public corpus of results: reading bundles that strangers send, checking them, and counting what is there."""
