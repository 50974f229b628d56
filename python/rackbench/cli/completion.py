# SPDX-License-Identifier: Apache-2.0
"""``rackbench completion``: a completion script for the shell, made by shtab from the real command line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from rackbench.cli.output import Output

SHELLS = ("bash", "zsh")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("shell", choices=SHELLS)


def run(args: argparse.Namespace, _output: Output) -> int:
    """Print the script; 0."""
    import shtab

    from rackbench.cli.main import VERBS, build_parser

    sys.stdout.write(shtab.complete(build_parser(list(VERBS)), shell=args.shell) + "\n")
    return 0
