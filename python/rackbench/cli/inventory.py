# SPDX-License-Identifier: Apache-2.0
"""`rackbench inventory import`: turn an older TOML inventory into a lab file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rackbench.cli.inputs import there
from rackbench.cli.output import Output, add_json_option
from rackbench.errors import GOOD, RackbenchError

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions of the verb."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    summary = "turn an older TOML inventory into a lab file"
    importing = actions.add_parser("import", help=summary, description=summary[0].upper() + summary[1:] + ".")
    importing.add_argument("file", type=Path, metavar="FILE.toml", help="the file to read")
    importing.add_argument(
        "--output", type=Path, metavar="FILE", help="the lab file to make; by default FILE.lab.yml here"
    )
    importing.add_argument("--force", action="store_true", help="replace the lab file if there is one")
    add_json_option(importing)


def run(args: argparse.Namespace, output: Output) -> int:
    """Write the lab file and list what could not be taken over."""
    from rackbench.files import write_atomic
    from rackbench.transport import labfile, routes, toml_import

    source: Path = there(args.file)
    target: Path = args.output or Path(f"{source.stem}.lab.yml")
    if target.exists() and not args.force:
        raise RackbenchError(
            "unknown_option",
            f"{target} is there already.",
            next_step="Name another file, or replace it with --force.",
        )
    imported = toml_import.import_toml(source)
    write_atomic(target, toml_import.render(imported, source))
    routes.resolve(labfile.load(target))
    if args.json:
        output.document(
            {
                "schema": "rackbench.inventory-imported/1.0",
                "path": str(target),
                "unmapped": imported.unmapped,
            }
        )
    output.line(f"{target}: {len(imported.content['hosts'])} hosts")
    for line in imported.unmapped:
        output.line(f"  not taken over: {line}")
    return GOOD
