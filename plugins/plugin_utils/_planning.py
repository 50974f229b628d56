# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE. What planning a run and resuming it have in common."""

from __future__ import annotations

import os
import platform
import typing as t
from pathlib import Path

from ansible import constants
from ansible.release import __version__ as ansible_version
from ansible_collections.rackbench.lab.plugins.plugin_utils import _adapters

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rackbench.adapters.catalog import Adapter
    from rackbench.adapters.plan import Plan
    from rackbench.ledger.steps import Step
    from rackbench.topology.model import Topology

REPEATING = ("warmups", "repeats_until", "repeats_max")


def planned(
    catalog: Mapping[str, Adapter],
    options: Mapping[str, t.Any],
    phases: Sequence[str] | None,
    topology: Topology | None = None,
) -> Plan:
    """Return the plan that a run's options lead to, up to the last of `phases`, on a host of this topology."""
    from rackbench.adapters.plan import plan
    from rackbench.adapters.settings import configured_catalog

    return plan(
        configured_catalog(catalog, options.get("settings") or {}),
        benchmarks=options["benchmarks"],
        families=options["families"],
        phases=phases,
        repeats=options["repeats"],
        # Runs of earlier versions know nothing of these.
        **{name: options[name] for name in REPEATING if options.get(name) is not None},
        role_of=_adapters.role_of,
        topology=topology,
    )


def opening(
    project: Path, adapters: Iterable[Adapter], task_vars: Mapping[str, t.Any]
) -> dict[str, dict[str, t.Any]]:
    """Return who and what opens or resumes a run: `controller`, `versions`, `project`, `inventory`, `identity`."""
    import rackbench
    from rackbench.ledger import identity

    sources = [str(source) for source in task_vars.get("ansible_inventory_sources") or []]
    return {
        "controller": identity.controller(pid=os.getppid()),
        "versions": {
            "rackbench": rackbench.__version__,
            "ansible_core": ansible_version,
            "python": platform.python_version(),
        },
        "project": identity.project(project),
        "inventory": {"sources": sources, "named": _named(project, sources)},
        "identity": {
            "adapters": {adapter.name: identity.tree_digest(adapter.directory) for adapter in adapters},
            "inventory": identity.inventory_digest(sources),
        },
    }


def _named(project: Path, sources: list[str]) -> list[str]:
    """Return the sources that somebody named with `-i`, as a command in the project names them; not its own."""
    if sources == [str(source) for source in constants.DEFAULT_HOST_LIST]:
        return []
    return [os.path.relpath(source, project) if Path(source).exists() else source for source in sources]


def for_play(steps: Iterable[Step]) -> list[dict[str, t.Any]]:
    """Return steps as the lifecycle role takes them."""
    return [
        {
            **step.as_dict(),
            # The host steps' roles and publishing do one thing; an adapter's role has a task file for each phase.
            "tasks": step.phase if step.phase in {"stage", "execute", "collect"} else "main",
        }
        for step in steps
    ]
