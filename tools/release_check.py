#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Check all that a release needs besides `make test-full`: `make release-check`.

Each part is a verb of the Makefile and prints a verdict of its own. What fails keeps no other part from its turn.
"""

from __future__ import annotations

import subprocess
import sys
from functools import partial

from verdict import ROOT, CheckError, report

# Last what needs an index that knows advisories, which not every machine reaches.
PARTS = (
    "lint", "test-fast", "docs", "check-supply", "check-collection", "check-environment", "test-matrix",
    "check-advisories",
)  # fmt: skip


def check(verb: str) -> None:
    """Run one verb, which prints what it does; raises `CheckError` when it fails."""
    done = subprocess.run(["make", "--no-print-directory", verb], cwd=ROOT)
    if done.returncode != 0:
        raise CheckError(f"`make {verb}` ended with {done.returncode}, and has said why.")


if __name__ == "__main__":
    sys.exit(report("release-check", {verb: partial(check, verb) for verb in PARTS}))
