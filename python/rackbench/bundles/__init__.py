# SPDX-License-Identifier: Apache-2.0
"""Bundles: what a benchmark is packed into, and which one a host gets."""
