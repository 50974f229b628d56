# SPDX-License-Identifier: Apache-2.0
"""``rackbench init``: begin a lab, and look whether this machine can be measured in it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from rackbench.cli.inputs import add_new_directory_argument
from rackbench.cli.output import add_json_option
from rackbench.errors import RackbenchError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from rackbench.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    add_new_directory_argument(parser)
    add_json_option(parser)


def run(args: argparse.Namespace, output: Output) -> int:
    """Write the directory, name its files, and return the exit status of its first `rackbench validate`."""
    from rackbench import validation
    from rackbench.lab.init import init

    directory: Path = args.directory
    files = init(directory)
    for path in files:
        output.line(f"{directory / path}")
    report: dict[str, Any] = {}
    failure = None
    try:
        report = _validated(directory.resolve(), output)
    except RackbenchError as error:
        failure = error
    if output.as_json:
        output.document(
            {
                "schema": "rackbench.lab-begun/1.0",
                "path": str(directory),
                "files": files,
                "validation": report or None,
                "failure": failure.as_dict() if failure else None,
            }
        )
    if failure:
        output.line(f"{directory}: a new lab, which could not be validated.", "yellow")
        if not output.as_json:
            output.error(failure)
        return failure.exit_status
    for line in validation.text(report):
        output.line(line)
    if report["ok"]:
        output.line(f"{directory}: a new lab. {directory / 'README.md'} says how to go on.", "green")
    else:
        output.line(f"{directory}: a new lab. What is in the way of a run in it stands above.", "yellow")
    return validation.exit_status(report)


def _validated(lab: Path, output: Output) -> dict[str, Any]:
    """Return what `rackbench validate --host local --scope all` reports in a lab. Raises `RackbenchError`."""
    from rackbench.cli import validating
    from rackbench.collection import find_collection
    from rackbench.lab.init import HOST

    find_collection(lab)
    output.note(shlex.join(["rackbench", "validate", "--host", HOST, "--scope", "all"]))
    return validating.by_playbook(lab, "all", validating.Hosts([HOST], [], []), None, output)
