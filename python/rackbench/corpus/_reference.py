# SPDX-License-Identifier: Apache-2.0
"""Write the table of checks into docs/reference/corpus.md: `python -m rackbench.corpus._reference`."""

from __future__ import annotations

from pathlib import Path

from rackbench.corpus.checks import CHECKS

PAGE = Path("docs/reference/corpus.md")
BEGIN, END = "<!-- checks: begin -->\n", "<!-- checks: end -->\n"


def table() -> str:
    """Return the checks as a table of Markdown."""
    lines = ["| Code | Level | What it says | What to ask for |", "|---|---|---|---|"]
    lines += [
        f"| `{code}` | {check.level} | {check.says.replace('|', '&#124;')} | {check.reply} |"
        for code, check in CHECKS.items()
    ]
    return "\n".join(lines) + "\n"


def filled(page: str) -> str:
    """Return the page with the table as it is now."""
    before, _begin, rest = page.partition(BEGIN)
    _old, _end, after = rest.partition(END)
    return before + BEGIN + table() + END + after


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text()))
