# SPDX-License-Identifier: Apache-2.0
"""Baselines: numbers from the reference host that people reviewed, and what later results are held against."""
