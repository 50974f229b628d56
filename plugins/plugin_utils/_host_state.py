# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE. The state of the host as the module discover found it, kept in the run directory."""

from __future__ import annotations

import typing as t

from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING, LabAction

if MISSING is None:
    from rackbench.errors import RackbenchError
    from rackbench.ledger import documents, host_state, resume, rundir

if t.TYPE_CHECKING:
    from rackbench.ledger.resume import Difference


def keep(action: LabAction, found: t.Mapping[str, t.Any]) -> None:
    """Write and register `preflight/host_state.json`; what the run's earlier part had found stays in it."""
    run_id = rundir.run_id_of(action.run_dir)
    document = host_state.document(run_id, action.host, found, _before(action))
    documents.write_json(action.run_dir, host_state.PATH, document, sync=True)
    action.register(action.run_dir / host_state.PATH, kind="host_state", publishable=False)


def differences(action: LabAction, found: t.Mapping[str, t.Any]) -> list[Difference]:
    """Return what is not as the run's earlier part had found it. The run goes on, and its results tell of it."""
    before = _before(action)
    if before is None:
        return []
    facts = host_state.Facts.of
    return [
        resume.Difference(f"host state, {each.name}", each.before, each.after, resume.SAID)
        for each in host_state.differences(facts(before), facts(found))
    ]


def _before(action: LabAction) -> dict[str, t.Any] | None:
    try:
        return host_state.read(action.run_dir)
    except RackbenchError:
        return None
