# SPDX-License-Identifier: Apache-2.0
"""Results of several runs: side by side (`compare`), and as the table of an article (`article`).

Numbers are put together only if host, label, state of the host and program are the same, and what differs is named.
"""

from rackbench.compare.comparison import Comparison, compare
from rackbench.compare.runs import Run, read_run

__all__ = ["Comparison", "Run", "compare", "read_run"]
