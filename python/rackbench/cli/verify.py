# SPDX-License-Identifier: Apache-2.0
"""``rackbench verify``: whether a signed run is what was signed, and if not, which file and which line differ."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rackbench.cli.inputs import there
from rackbench.cli.output import add_json_option
from rackbench.cli.status import run_dir_of
from rackbench.errors import FAILURES, GOOD

if TYPE_CHECKING:
    import argparse

    from rackbench.cli.output import Output
    from rackbench.evidence.verifying import Verified


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("run_dir", metavar="DIR", help="the directory of a run, or a copy of it")
    parser.add_argument("--allowed-signers", type=Path, metavar="FILE", help="the keys that may sign runs")
    add_json_option(parser)


def run(args: argparse.Namespace, output: Output) -> int:
    """Check the run; 0 when all is as it was signed, else 1."""
    from rackbench.evidence.verifying import verify

    signers = there(args.allowed_signers) if args.allowed_signers else None
    run_dir = there(run_dir_of(args.run_dir))
    found = verify(run_dir, signers)
    if output.as_json:
        output.document(_answer(run_dir, found))
    _show(run_dir, found, output)
    return max((FAILURES[problem.code].exit_status for problem in found.problems), default=GOOD)


def _answer(run_dir: Path, found: Verified) -> dict[str, object]:
    statement = found.statement
    predicate = statement.predicate if statement else None
    return {
        "schema": "rackbench.run-verified/1.0",
        "ok": not found.problems,
        "run_dir": str(run_dir),
        "run_id": predicate.run_id if predicate else None,
        "signed_at": predicate.signed_at if predicate else None,
        "key": found.signature.key,
        "signer": found.signature.signer,
        "artifacts": len(statement.digests) - 1 if statement else None,
        "lines": predicate.journal.lines if predicate else None,
        "problems": [
            {"code": each.code, "path": each.path, "line": each.line, "message": each.message}
            for each in found.problems
        ],
    }


def _show(run_dir: Path, found: Verified, output: Output) -> None:
    output.line(
        f"{run_dir}: {'NOT as it was signed' if found.problems else 'as it was signed'}",
        "bold red" if found.problems else "green",
    )
    for each in found.problems:
        output.line(f"  {each.path}: {each.message} [{each.code}]")
    if found.statement:
        predicate, count = found.statement.predicate, len(found.statement.digests) - 1
        output.line(
            f"  signed at {predicate.signed_at}: {predicate.run_id}, {count} artifacts, "
            f"{predicate.journal.lines} lines of the journal"
        )
    if found.signature.signer:
        output.line(f"  signed by {found.signature.signer}, key {found.signature.key}")
    codes = dict.fromkeys(each.code for each in found.problems)
    if "evidence_mismatch" in codes:
        # Signed again, what was tampered with would be good.
        codes.pop("evidence_outgrown", None)
    for code in codes:
        output.line(f"next: {FAILURES[code].next_step}")
    if found.signature.key and not (found.signature.signer or found.signature.problem):
        output.warning(
            f"Nobody vouches for the key {found.signature.key}: whoever changed the run could have signed it anew. "
            "Name the keys that you trust with --allowed-signers."
        )
