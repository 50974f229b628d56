# SPDX-License-Identifier: Apache-2.0
"""``rackbench corpus init``: begin a corpus, with everything that its repository needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rackbench.cli.inputs import add_new_directory_argument
from rackbench.cli.output import add_json_option
from rackbench.errors import GOOD

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from rackbench.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    add_new_directory_argument(parser)
    add_json_option(parser)


def run(args: argparse.Namespace, output: Output) -> int:
    """Write the directory, and name its files."""
    from rackbench.corpus.init import init

    directory: Path = args.directory
    files = init(directory)
    if output.as_json:
        output.document({"schema": "rackbench.corpus-begun/1.0", "path": str(directory), "files": files})
    for path in files:
        output.line(f"{directory / path}")
    output.line(f"{directory}: a new corpus. {directory / 'README.md'} says how to set it up.", "green")
    return GOOD
