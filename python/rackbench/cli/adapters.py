# SPDX-License-Identifier: Apache-2.0
"""``rackbench adapters``: what the benchmarks of this project are, need and measure, read from ``adapter.yml``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rackbench.cli.output import add_json_option

if TYPE_CHECKING:
    import argparse

    from rackbench.adapters.catalog import Adapter, Setting
    from rackbench.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="list the adapters")
    show = actions.add_parser("show", help="explain one adapter")
    show.add_argument("name", metavar="NAME")
    for action in (listing, show):
        add_json_option(action)


def run(args: argparse.Namespace, output: Output) -> int:
    """Answer from the catalogue; 0."""
    from rackbench.adapters.catalog import catalog_of, require
    from rackbench.adapters.settings import configured_catalog
    from rackbench.collection import find_collection
    from rackbench.project import find_project

    project = find_project()
    catalog = configured_catalog(catalog_of(project, find_collection(project)), {})
    if args.action == "show":
        _show(require(catalog, [args.name])[0], output)
        return 0
    if output.as_json:
        output.document(
            {
                "schema": "rackbench.adapters/1.0",
                "adapters": [_document(adapter) for adapter in catalog.values()],
            }
        )
    rows = [
        (adapter.name, ", ".join(family.name for family in adapter.families), adapter.summary)
        for adapter in catalog.values()
    ]
    output.table(("adapter", "families", "summary"), rows)
    return 0


def _document(adapter: Adapter) -> dict[str, Any]:
    from rackbench.adapters.settings import all_settings

    return {
        "name": adapter.name,
        "summary": adapter.summary,
        "description": adapter.description,
        "publish_target": adapter.publish_target,
        "bundle": adapter.bundle.name if adapter.bundle else None,
        "capabilities": sorted(adapter.capabilities),
        "requirements": [
            {"command": need.command, "required": need.required, "packages": dict(need.packages)}
            for need in adapter.requirements
        ],
        "in_default_runs": adapter.in_default_runs,
        "settings": [
            {
                "name": setting.name,
                "summary": setting.summary,
                "default": setting.default,
                "choices": list(setting.choices) if setting.choices else None,
            }
            for setting in all_settings(adapter)
        ],
        "families": [
            {
                "name": family.name,
                "summary": family.summary,
                "default": family.name in adapter.default_families,
                "time_limit_s": family.time_limit_s,
                "parameters": dict(family.parameters),
            }
            for family in adapter.families
        ],
        "results": [{"label": line.label, "unit": line.unit} for line in adapter.headline],
    }


def _meaning(setting: Setting) -> str:
    if setting.choices is None:
        return setting.summary
    return f"{setting.summary} ({', '.join(str(choice) for choice in setting.choices if choice is not None)})"


def _show(adapter: Adapter, output: Output) -> None:
    from rackbench.adapters.settings import all_settings

    if output.as_json:
        output.document({"schema": "rackbench.adapter-help/1.0", **_document(adapter)})
        return
    output.line(f"{adapter.name}: {adapter.summary}", "bold")
    output.line()
    output.line(adapter.description.strip())
    output.line()
    output.line(f"publish target  {adapter.publish_target}")
    output.line(f"bundle          {adapter.bundle.name if adapter.bundle else 'none'}")
    output.line()
    families = [
        (
            family.name + (" (default)" if family.name in adapter.default_families else ""),
            f"{family.time_limit_s:g}",
            family.summary,
        )
        for family in adapter.families
    ]
    output.table(("family", "time limit s", "summary"), families, right=(1,))
    settings = all_settings(adapter)
    if settings:
        output.line()
        output.table(
            ("setting", "default", "summary"),
            [(setting.name, json.dumps(setting.default), _meaning(setting)) for setting in settings],
        )
    if adapter.requirements:
        output.line()
        needs = [
            (
                need.command,
                "required" if need.required else "optional",
                ", ".join(f"{manager}: {package}" for manager, package in need.packages.items()),
            )
            for need in adapter.requirements
        ]
        output.table(("command", "need", "packages"), needs)
    if adapter.headline:
        output.line()
        output.table(("result", "unit"), [(line.label, line.unit) for line in adapter.headline])
    output.line()
    output.line(f"rackbench run --host HOST --benchmarks {adapter.name}")
