# SPDX-License-Identifier: Apache-2.0
"""PRIVATE. The topology of a host: kept in `preflight/topology.json` of its run."""

from __future__ import annotations

import typing as t

from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING

if t.TYPE_CHECKING:
    from ansible_collections.rackbench.lab.plugins.plugin_utils._action import LabAction
    from rackbench.topology.model import Topology

if MISSING is None:
    from rackbench.errors import RackbenchError
    from rackbench.files import json_text, write_atomic
    from rackbench.ledger import rundir
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
    path = action.run_dir / rundir.TOPOLOGY
    try:
        write_atomic(path, json_text(topology.as_dict()))
    except OSError as error:
        raise RackbenchError(
            "ledger_write_failed", f"{path} cannot be written: {error}.", where=str(path)
        ) from error
    action.register(path, kind="topology", publishable=True)
