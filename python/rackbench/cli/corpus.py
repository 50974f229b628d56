# SPDX-License-Identifier: Apache-2.0
"""``rackbench corpus``: check the public corpus of results and what is submitted to it. Each action is a module."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from rackbench.cli.output import Output

# action -> (one line of help, the module that implements it, with add_arguments and run as a verb has them)
ACTIONS: dict[str, tuple[str, str]] = {
    "init": ("begin a corpus: its layout, workflows and rules", "rackbench.cli.corpus_init"),
    "validate": ("check bundles, their manifests and their inventory", "rackbench.cli.corpus_validate"),
    "inventory": ("write the inventory of a corpus, or compare it", "rackbench.cli.corpus_inventory"),
    "rollback": ("take one merge out of a corpus again", "rackbench.cli.corpus_rollback"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, (summary, module) in ACTIONS.items():
        action = actions.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        importlib.import_module(module).add_arguments(action)


def run(args: argparse.Namespace, output: Output) -> int:
    """Do the action and return its exit status."""
    status: int = importlib.import_module(ACTIONS[args.action][1]).run(args, output)
    return status
