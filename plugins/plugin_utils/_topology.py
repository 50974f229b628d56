# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE. The topology of a host: kept in `preflight/topology.json` of its run."""

from __future__ import annotations

import typing as t

from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING

if t.TYPE_CHECKING:
    from ansible_collections.rackbench.lab.plugins.plugin_utils._action import LabAction
    from rackbench.topology.model import Topology

if MISSING is None:
    from rackbench.errors import RackbenchError
    from rackbench.ledger import documents, rundir
    from rackbench.topology.read import from_answer


def told(answer: t.Mapping[str, t.Any]) -> Topology | None:
    """Return the topology that the module discover told of, or None for a host that does not tell of its CPUs."""
    try:
        return from_answer(answer)
    except RackbenchError:
        return None


def keep(action: LabAction, topology: Topology | None) -> None:
    """Write the topology of the run's host down, if it is known."""
    if topology is None:
        return
    documents.write_json(action.run_dir, rundir.TOPOLOGY, topology.as_dict(), sync=True)
    action.register(action.run_dir / rundir.TOPOLOGY, kind="topology", publishable=True)
