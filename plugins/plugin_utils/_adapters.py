# SPDX-License-Identifier: Apache-2.0
"""PRIVATE. What the actions ask of the package about adapters and bundles, always with the options of the run."""

from __future__ import annotations

import typing as t
from pathlib import Path

if t.TYPE_CHECKING:
    from rackbench.adapters.catalog import Adapter
    from rackbench.bundles.resolve import Decision, Sources
    from rackbench.ledger.state import RunState

COLLECTION = Path(__file__).resolve().parents[2]


def catalog(project: Path) -> dict[str, Adapter]:
    """Return the adapters of the collection and of the project's own `roles/`, by name."""
    from rackbench.adapters.catalog import load_catalog

    folders = [COLLECTION / "roles"]
    if (own := (project / "roles").resolve()) not in folders and own.is_dir():
        folders.append(own)
    return load_catalog(folders)


def role_of(adapter: Adapter) -> str:
    """Return the name by which a play includes the adapter's role."""
    folder = adapter.directory
    return f"rackbench.lab.{folder.name}" if folder.parent == COLLECTION / "roles" else folder.name


def sources(state: RunState, project: Path, adapter: str) -> Sources:
    """Return where bundles of one adapter may come from, as the run's options say."""
    from rackbench.bundles.resolve import Sources

    configured = state.options["bundles"].get(adapter)
    return Sources(
        configured=project / configured if configured else None,
        dist=(project / state.options["dist_dir"],),
        cache=None,
    )


def decide(state: RunState, project: Path, adapter: Adapter) -> Decision:
    """Return the one decision about the adapter's bundle on this host."""
    from rackbench.bundles.platforms import platform_of
    from rackbench.bundles.resolve import resolve

    platform = platform_of(state.platform) if state.platform else None
    return resolve(platform, adapter, sources(state, project, adapter.name))
