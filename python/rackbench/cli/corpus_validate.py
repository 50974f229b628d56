# SPDX-License-Identifier: Apache-2.0
"""``rackbench corpus validate``: everything that is wrong with bundles, in one go."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rackbench.cli.output import add_json_option
from rackbench.cli.progress import progress_bar
from rackbench.errors import CHECK_SAYS_NO, GOOD, RackbenchError

if TYPE_CHECKING:
    import argparse

    from rackbench.cli.output import Output
    from rackbench.corpus.checks import Finding
    from rackbench.corpus.validate import Checked, Report

_STYLES = {"error": "red", "warning": "yellow"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="a bundle, or a directory of them"
    )
    parser.add_argument(
        "--pr-comment", type=Path, metavar="FILE", help="write a comment for the pull request too"
    )
    parser.add_argument(
        "--require-manifest", action="store_true", help="a bundle without a manifest is refused"
    )
    parser.add_argument(
        "--require-inventory", action="store_true", help="a directory without an inventory is refused"
    )
    parser.add_argument("--full", action="store_true", help="read every file again, whatever its times say")
    parser.add_argument(
        "--depth",
        type=int,
        metavar="N",
        help="how many platforms of a benchmark and scale a directory must have (default: 3; 0: any number)",
    )
    add_json_option(parser)


def run(args: argparse.Namespace, output: Output) -> int:
    """Print what was found; 0, or 1 when there is an error among it."""
    from rackbench.corpus.cohorts import DEPTH
    from rackbench.corpus.validate import validate
    from rackbench.files import write_atomic

    if args.depth is not None and args.depth < 0:
        raise RackbenchError("wrong_usage", f"--depth is {args.depth}, and must be 0 or more.")
    with progress_bar("checking") as progress:
        report = validate(
            args.paths,
            require_manifest=args.require_manifest,
            require_inventory=args.require_inventory,
            full=args.full,
            depth=DEPTH if args.depth is None else args.depth,
            progress=progress,
        )
    if args.pr_comment:
        from rackbench.corpus.comment import (
            comment,
        )  # here and not above: it takes longer than checking a bundle

        try:
            write_atomic(args.pr_comment, comment(report))
        except OSError as error:
            raise RackbenchError(
                "corpus_unwritable",
                f"{args.pr_comment} cannot be written: {error.strerror}.",
                where=str(args.pr_comment),
            ) from error
    if output.as_json:
        output.document(_document(report))
    tell_findings(report, output)
    output.line(report.summary(), "green" if report.ok else "bold red")
    return GOOD if report.ok else CHECK_SAYS_NO


def tell_findings(report: Report, output: Output) -> None:
    """Print every finding on a line."""
    from rackbench.corpus.checks import one_line

    for path, finding in report.findings():
        output.line(
            one_line(f"{finding.level:<7}  {path}: {finding.message} [{finding.code}]"),
            _STYLES[finding.level],
        )


def _document(report: Report) -> dict[str, Any]:
    return {
        "schema": "rackbench.corpus-validation/1.0",
        "ok": report.ok,
        "counts": {
            "files": len(report.files),
            "read": report.read,
            "bundles": len(report.bundles),
            "errors": report.count("error"),
            "warnings": report.count("warning"),
        },
        # Of the other files only those with findings: each bundle has its manifest.
        "files": [_file(one) for one in report.files if one.seen.role == "bundle" or one.findings],
        "corpus": [{"path": path, **finding_row(finding)} for path, finding in report.corpus],
    }


def _file(one: Checked) -> dict[str, Any]:
    from rackbench.corpus.trust import is_ranked

    facts = one.seen.facts
    names = ("kind", "id", "benchmark", "scale", "platform", "version", "measured_at")
    return {
        "path": one.path,
        "role": one.seen.role,
        "ok": one.ok,
        "sha256": one.seen.sha256,
        **{name: facts.get(name) for name in (names if one.seen.role == "bundle" else ())},
        "trust": one.label,
        "ranked": one.ok and one.label is not None and is_ranked(one.label),
        "findings": [finding_row(finding) for finding in one.findings],
    }


def finding_row(finding: Finding) -> dict[str, Any]:
    """Return a finding as documents have it."""
    from rackbench.corpus.checks import CHECKS

    return {
        "code": finding.code,
        "level": finding.level,
        "message": finding.message,
        "next_step": CHECKS[finding.code].reply,
    }
