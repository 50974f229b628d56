# SPDX-License-Identifier: Apache-2.0
"""The run report: one self-contained HTML page, computed from a run directory alone."""
