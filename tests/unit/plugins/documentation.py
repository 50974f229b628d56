# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation of our plugins as their files have it."""

from __future__ import annotations

import ast
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
PLUGINS = REPOSITORY / "plugins"
NAMES = frozenset({"DOCUMENTATION", "EXAMPLES", "RETURN"})


def modules() -> list[str]:
    """Return the names of all modules."""
    return sorted(path.stem for path in (PLUGINS / "modules").glob("*.py"))


def strings(kind: str, name: str) -> dict[str, str]:
    """Return DOCUMENTATION, EXAMPLES and RETURN of a plugin, those of them that it has."""
    tree = ast.parse((PLUGINS / kind / f"{name}.py").read_text())
    assigned = [node for node in tree.body if isinstance(node, ast.Assign)]
    named = {node.targets[0].id: node.value for node in assigned if isinstance(node.targets[0], ast.Name)}
    return {name: str(ast.literal_eval(named[name])) for name in NAMES & named.keys()}
