# SPDX-License-Identifier: Apache-2.0
"""The entry point of the ``rackbench`` command.

Start-up time matters here: only the module of the verb that was asked for is imported, and nothing slow above it.
A verb module has two functions::

    add_arguments(parser: argparse.ArgumentParser) -> None
    run(args: argparse.Namespace, output: rackbench.cli.output.Output) -> int     # the exit status

Anything a user should see as a failure is raised as a ``RackbenchError`` and printed in one place, below.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from typing import TYPE_CHECKING, NoReturn

from rackbench.cli.output import Output
from rackbench.errors import INTERRUPTED, RackbenchError
from rackbench.files import let_only_us_write

if TYPE_CHECKING:
    from collections.abc import Sequence

# verb -> (one line of help, the module that implements it)
VERBS: dict[str, tuple[str, str]] = {
    "init": ("begin a lab: its inventory, its settings, a first look", "rackbench.cli.init"),
    "run": ("run benchmarks on hosts", "rackbench.cli.run"),
    "templates": ("list the presets that a run can be started with", "rackbench.cli.templates"),
    "watch": ("follow a run as it goes on, until it ends", "rackbench.cli.watch"),
    "resume": ("go on with a run that did not come to its end", "rackbench.cli.resume"),
    "recover": ("give up a run in order, and rebuild a damaged directory", "rackbench.cli.recover"),
    "stop": ("stop a run that goes on, in order", "rackbench.cli.stop"),
    "status": ("show where a run stands and what to do next", "rackbench.cli.status"),
    "runs": ("list the runs: who, when, what came of them", "rackbench.cli.runs"),
    "rerun": ("run families of an earlier run again", "rackbench.cli.rerun"),
    "publish": ("commit, push and propose the results of a run", "rackbench.cli.publish"),
    "compare": ("show the numbers of two runs side by side", "rackbench.cli.compare"),
    "report": ("write a page of a run for people, also beside other runs", "rackbench.cli.report"),
    "sign": ("sign the files and the journal of a run with an ssh key", "rackbench.cli.sign"),
    "verify": ("check a signed run, and name what was changed since", "rackbench.cli.verify"),
    "baseline": ("keep reviewed numbers, and hold later results against them", "rackbench.cli.baseline"),
    "export": ("print the results of runs as a table, for an article", "rackbench.cli.export"),
    "adapters": ("list the benchmarks that a run can take, or explain one", "rackbench.cli.adapters"),
    "bundle": ("build, list, select, show, verify, sign and prune benchmark bundles", "rackbench.cli.bundle"),
    "corpus": ("check a corpus of results, and keep its inventory", "rackbench.cli.corpus"),
    "submit": ("package results for a corpus", "rackbench.cli.submit"),
    "campaign": ("roll up the runs that belong together", "rackbench.cli.campaign"),
    "validate": ("probe the way to hosts and say what is in it", "rackbench.cli.validate"),
    "hosts": ("record the host keys of machines, and clean hosts of what we left", "rackbench.cli.hosts"),
    "lease": ("show who holds hosts, and remove leases that are not given back", "rackbench.cli.lease"),
    "inventory": ("import older inventories", "rackbench.cli.inventory"),
    "completion": ("print a shell completion script", "rackbench.cli.completion"),
}

# As a shell tells of a program that SIGPIPE ended.
READER_GONE = 141


class Parser(argparse.ArgumentParser):
    """An argument parser that reports wrong usage the way every other failure is reported."""

    def error(self, message: str) -> NoReturn:
        """Raise RackbenchError("wrong_usage") instead of printing argparse's own two lines."""
        raise RackbenchError("wrong_usage", f"{self.prog}: {message}", next_command=f"{self.prog} --help")


def build_parser(verbs: Sequence[str]) -> Parser:
    """Return the top parser: every verb with its help line, but arguments only for the verbs given."""
    parser = Parser(
        prog="rackbench",
        description="Run benchmarks on lab machines, and always know where a run stands.",
        epilog="`rackbench VERB --help` explains one verb.  Exit status: 0 good, 1 the answer is no, "
        "2 wrong usage or unreadable input, 3 blocked from outside, 4 our own fault, 130 interrupted.",
    )
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    subparsers = parser.add_subparsers(dest="verb", metavar="VERB", parser_class=Parser)
    for name, (summary, module) in VERBS.items():
        subparser = subparsers.add_parser(
            name, help=summary, description=summary[0].upper() + summary[1:] + "."
        )
        if name in verbs:
            importlib.import_module(module).add_arguments(subparser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit status (``FAILURES`` names the one of each failure)."""
    let_only_us_write()
    arguments = list(sys.argv[1:] if argv is None else argv)
    output = Output(as_json="--json" in arguments)
    try:
        return _dispatch(arguments, output)
    except RackbenchError as error:
        output.error(error)
        return error.exit_status
    except KeyboardInterrupt:
        output.note("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has gone, and nobody knows what the answer would have been.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE
    except Exception as error:  # noqa: BLE001 - the last resort: whatever it is, it gets a code and an exit status
        import traceback

        # It may quote what a host has said.
        output.note(traceback.format_exc().rstrip())
        failure = RackbenchError("internal_error", f"{type(error).__name__}: {error}")
        output.error(failure)
        return failure.exit_status


def _dispatch(arguments: list[str], output: Output) -> int:
    verb = next((argument for argument in arguments if not argument.startswith("-")), None)
    if verb is not None and verb not in VERBS:
        raise _unknown_verb(verb)
    parser = build_parser([verb] if verb else [])
    args = parser.parse_args(arguments)
    if args.version:
        output.line(f"rackbench {_version()}")
        return 0
    if args.verb is None:
        parser.print_help()
        return 0
    status: int = importlib.import_module(VERBS[args.verb][1]).run(args, output)
    sys.stdout.flush()
    return status


def _unknown_verb(verb: str) -> RackbenchError:
    import difflib

    nearest = difflib.get_close_matches(verb, VERBS, n=1, cutoff=0.5)
    hint = f"; did you mean `{nearest[0]}`" if nearest else ""
    return RackbenchError(
        "wrong_usage",
        f"There is no verb `{verb}`{hint}. The verbs are {', '.join(VERBS)}.",
        next_command=f"rackbench {nearest[0]} --help" if nearest else "rackbench --help",
    )


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("rackbench")
    except PackageNotFoundError:
        return "(not installed)"


if __name__ == "__main__":
    sys.exit(main())
