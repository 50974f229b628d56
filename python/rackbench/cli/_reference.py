# SPDX-License-Identifier: Apache-2.0
"""Prints ``docs/reference/errors.md``: ``python -m rackbench.cli._reference > docs/reference/errors.md``."""

from __future__ import annotations

import sys

from rackbench.errors import FAILURES

HEAD = """\
# Errors

Every failure has a code. The same code stands in the terminal's output, in the journal, in `status.json` and in its
alerts. The exit status is that of the `rackbench` command; [exit codes](exit-codes.md) lists both commands' codes.

This page is made from `FAILURES` in `python/rackbench/errors.py`:
`python -m rackbench.cli._reference > docs/reference/errors.md`.

| Code | Exit status | What it means | What to do next |
|---|---|---|---|
"""


def errors_page() -> str:
    """Return the page, codes in alphabetical order."""
    rows = (
        f"| `{code}` | {failure.exit_status} | {failure.meaning} | {failure.next_step} |\n"
        for code, failure in sorted(FAILURES.items())
    )
    return HEAD + "".join(rows)


if __name__ == "__main__":
    sys.stdout.write(errors_page())
