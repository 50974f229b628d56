# SPDX-License-Identifier: Apache-2.0
"""``rackbench sign``: sign a run's files and its journal, so that `rackbench verify` finds every later change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rackbench.cli.output import add_json_option
from rackbench.cli.status import run_dir_of
from rackbench.errors import GOOD

if TYPE_CHECKING:
    import argparse

    from rackbench.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--run-dir", required=True, metavar="DIR", help="the run's directory")
    parser.add_argument(
        "--key", required=True, type=Path, help="an ssh private key; taken from ssh-agent if there"
    )
    add_json_option(parser)


def run(args: argparse.Namespace, output: Output) -> int:
    """Sign the run and name what was signed; 0."""
    from rackbench.evidence.signing import sign
    from rackbench.ledger import rundir

    run_dir = run_dir_of(args.run_dir)
    signed = sign(run_dir, args.key)
    statement, signature = run_dir / rundir.STATEMENT, run_dir / rundir.STATEMENT_SIGNATURE
    if output.as_json:
        output.document(
            {
                "schema": "rackbench.run-signed/1.0",
                "run_dir": str(run_dir),
                "run_id": signed.run_id,
                "statement": str(statement),
                "signature": str(signature),
                "key": signed.key,
                "artifacts": signed.artifacts,
                "lines": signed.lines,
                "head": signed.head,
            }
        )
    output.line(
        f"signed {signed.run_id}: {signed.artifacts} artifacts and {signed.lines} lines of the journal"
    )
    output.line(f"key: {signed.key}")
    output.line(f"statement: {statement}")
    return GOOD
