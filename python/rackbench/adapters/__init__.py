# SPDX-License-Identifier: Apache-2.0
"""Adapters: what `adapter.yml` says about a benchmark, the plan of a run, and the reading of its results."""
