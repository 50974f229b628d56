# SPDX-License-Identifier: Apache-2.0
"""``python -m rackbench`` is the ``rackbench`` command."""

from __future__ import annotations

import sys

from rackbench.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
