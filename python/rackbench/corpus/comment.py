# SPDX-License-Identifier: Apache-2.0
"""The comment on a pull request: what `rackbench corpus validate` found, as Markdown."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from rackbench.adapters.export import markdown_table, markdown_text
from rackbench.corpus.checks import CHECKS, ERROR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rackbench.corpus.checks import Finding
    from rackbench.corpus.validate import Report

# GitHub takes comments of 65,536 characters.
_ROWS, _FINDINGS = 60, 100


def comment(report: Report) -> str:
    """Return the comment. What stands in bundles makes no links, mentions, HTML or cells in it."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield f"## Validation of the submission: {'passed' if report.ok else 'failed'}"
    yield ""
    yield report.summary()
    bundles = report.bundles
    if bundles:
        yield ""
        yield from markdown_table(
            ("Bundle", "Verdict", "Benchmark", "Platform", "Scale", "Trust"),
            [
                (
                    posixpath.basename(one.path),
                    "good" if one.ok else "refused",
                    one.seen.facts.get("benchmark") or "-",
                    one.seen.facts.get("platform") or "-",
                    one.seen.facts.get("scale") or "-",
                    one.label or "-",
                )
                for one in sorted(bundles, key=lambda bundle: bundle.ok)[:_ROWS]
            ],
        )
        if len(bundles) > _ROWS:
            yield ""
            yield f"And {len(bundles) - _ROWS} more."
    findings = sorted(report.findings(), key=lambda pair: pair[1].level != ERROR)
    if findings:
        yield ""
        yield "### Findings"
        yield ""
        yield from (_finding(path, finding) for path, finding in findings[:_FINDINGS])
        if len(findings) > _FINDINGS:
            yield f"- And {len(findings) - _FINDINGS} more; `rackbench corpus validate` prints them all."
        yield ""
        yield "### What to do"
        yield ""
        for code in dict.fromkeys(finding.code for _path, finding in findings):
            yield f"- `{code}`: {CHECKS[code].reply}"


def _finding(path: str | None, finding: Finding) -> str:
    where = f"{markdown_text(posixpath.basename(path))}: " if path else ""
    return f"- {finding.level.upper()} `{finding.code}` {where}{markdown_text(finding.message)[:500]}"
