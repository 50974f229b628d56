# SPDX-License-Identifier: Apache-2.0
"""``rackbench templates``: the named presets that ``rackbench run --template`` takes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from rackbench.cli.output import add_json_option
from rackbench.errors import FAILURES, GOOD, RackbenchError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping
    from pathlib import Path

    from rackbench.cli.output import Output

COLUMNS = ("template", "benchmarks", "families", "repeats", "tags", "summary")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    add_json_option(parser)


def run(args: argparse.Namespace, output: Output) -> int:  # noqa: ARG001 - every verb has them
    """List the templates; the exit status of `template_invalid` if the file of one cannot be used."""
    from rackbench import templates
    from rackbench.collection import find_collection
    from rackbench.project import find_project

    project = find_project()
    known = templates.available(templates.folders(project, find_collection(project)))
    rows = [_row(project, name, path) for name, path in known.items()]
    if output.as_json:
        output.document({"schema": "rackbench.templates/1.0", "templates": rows})
    good = [row for row in rows if row["problem"] is None]
    output.table(COLUMNS, [_cells(row) for row in good])
    for row in rows:
        if row["problem"] is not None:
            output.warning(f"{row['problem']} [template_invalid]")
    return GOOD if len(good) == len(rows) else FAILURES["template_invalid"].exit_status


def _row(project: Path, name: str, path: Path) -> dict[str, Any]:
    from rackbench import templates

    found: dict[str, Any] = {"name": name, "path": os.path.relpath(path, project)}
    try:
        template = templates.read(path)
    except RackbenchError as error:
        return {**found, "summary": None, "options": None, "problem": error.message}
    return {**found, "summary": template.summary, "options": dict(template.options), "problem": None}


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    options = row["options"]
    return (
        row["name"],
        ", ".join(options.get("benchmarks") or ("all",)),
        ", ".join(options.get("families") or ("default",)),
        _repeats(options),
        ", ".join(options.get("tags") or ("-",)),
        row["summary"],
    )


def _repeats(options: Mapping[str, Any]) -> str:
    if "repeats_until" in options:
        most = options.get("repeats_max")
        return f"until {options['repeats_until']:g} %" + (f", at most {most}" if most else "")
    return str(options.get("repeats", 1))
