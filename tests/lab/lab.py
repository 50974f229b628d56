#!/usr/bin/python3 -SE
# SPDX-License-Identifier: Apache-2.0
"""The test lab's one command: `tests/lab/lab.py VERB ...` (see README.md beside this file)."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    if sys.argv[1:2] == ["proxy"]:
        # Started once for each connection: it imports next to nothing.
        from testlab.proxy import main as run_proxy

        sys.exit(run_proxy(sys.argv[2:], __file__))
    from testlab.cli import main

    sys.exit(main(sys.argv[1:], __file__))
