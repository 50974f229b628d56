# SPDX-License-Identifier: Apache-2.0
"""``rackbench corpus rollback``: take one merge out of the corpus again, as a branch for a pull request."""

from __future__ import annotations

import shlex
import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rackbench.cli.output import add_json_option
from rackbench.errors import GOOD

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from rackbench.cli.output import Output
    from rackbench.corpus.rollback import Plan

_ENDINGS = (signal.SIGHUP, signal.SIGTERM)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    from rackbench.corpus.rollback import BRANCH, REASONS

    parser.add_argument("merge", metavar="MERGE", help="the merge commit to take back")
    parser.add_argument(
        "--branch",
        default=BRANCH,
        metavar="B",
        help=f"the branch that it was merged into (default: {BRANCH})",
    )
    parser.add_argument("--remote", default="origin", metavar="R", help="the remote (default: origin)")
    parser.add_argument(
        "--repo", type=Path, default=Path(), metavar="DIR", help="the clone of the corpus (default: here)"
    )
    parser.add_argument(
        "--because", choices=sorted(REASONS), help="what the results are; the comment says it"
    )
    parser.add_argument("--push", action="store_true", help="push the rollback's branch to the remote")
    add_json_option(parser)


def run(args: argparse.Namespace, output: Output) -> int:
    """Show what goes, make the branch, push it if asked to, and say what to do with it."""
    from rackbench.corpus import rollback

    with _signals_end_it():
        plan = rollback.look(args.repo, args.merge, remote=args.remote, branch=args.branch)
        _show(plan, output)
        # Seen before anything happens, also where the output is a pipe.
        sys.stdout.flush()
        done = rollback.make(plan, args.because)
        if args.push:
            rollback.push(plan, done.commit)
    command, page = rollback.landing(plan, args.because)
    said = rollback.comment(plan, args.because)
    target = plan.repository.target
    push_command = plan.repository.command("push", target.remote, plan.branch)
    if output.as_json:
        output.document(
            {
                "schema": "rackbench.corpus-rollback/1.0",
                "merge": plan.merge,
                "subject": plan.subject,
                "pull_request": plan.pull_request,
                "because": args.because,
                "target": {"remote": target.remote, "branch": target.base_branch, "commit": plan.base},
                **_files(plan),
                "inventories": done.inventories,
                "branch": plan.branch,
                "commit": done.commit,
                "reused": done.reused,
                "pushed": args.push,
                "push_command": push_command,
                "landing_command": {"argv": command, "text": shlex.join(command)},
                "compare_url": page,
                "comment": said,
            }
        )
    for path in done.inventories:
        output.line(f"brought up to date  {path}")
    output.line(f"{plan.branch}: {'is there already' if done.reused else 'made'}, {done.commit}", "green")
    output.line()
    output.line(f"It is pushed to {target.remote}." if args.push else f"To push it: {push_command}")
    output.line(f"To bring it into {target.base_branch}: {shlex.join(command)}")
    if page:
        output.line(f"Or open {page}")
    output.line()
    number = f" #{plan.pull_request}" if plan.pull_request else ""
    output.line(f"Comment for the pull request{number} that was merged:")
    output.line()
    for line in said.splitlines():
        output.line(line)
    return GOOD


def _files(plan: Plan) -> dict[str, Any]:
    return {"removes": plan.removes, "changes": plan.changes, "restores": plan.restores}


def _show(plan: Plan, output: Output) -> None:
    target = plan.repository.target
    output.line(f"{plan.merge} {plan.subject}")
    output.line(f"Taking it back from {target.remote}/{target.base_branch}:")
    for how, paths in _files(plan).items():
        for path in paths:
            output.line(f"{how:<8}  {path}")


@contextmanager
def _signals_end_it() -> Iterator[None]:
    """Make the signals that would kill this program end it in order, so that the worktree is removed."""
    before = {number: signal.getsignal(number) for number in _ENDINGS}
    for number in _ENDINGS:
        signal.signal(number, lambda number, _frame: sys.exit(128 + number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
