# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE. A request to stop the run, as something that waits sees it."""

from __future__ import annotations

import typing as t

from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING

if MISSING is None:
    from rackbench.errors import RackbenchError
    from rackbench.ledger import gate, rundir

if t.TYPE_CHECKING:
    from ansible_collections.rackbench.lab.plugins.plugin_utils._action import LabAction

# Seconds between two looks of something that waits.
LOOK_S = 0.5


class StopLook:
    """Looks whether the run was asked to stop. A look lists control/; the journal is read only when that changed."""

    def __init__(self, action: LabAction) -> None:
        self._action = action
        self._seen: list[str] = []
        self.request: dict[str, t.Any] | None = None

    def asked(self) -> bool:
        """Return whether the run was asked to stop; `request` is then who asked."""
        if self.request is None and (names := self._names()) != self._seen:
            self._seen = names
            self.request = self._action.stop_request()
        return self.request is not None

    def cancelled(self) -> RackbenchError:
        """Return the failure of work that ends because of the request."""
        return RackbenchError(
            "run_cancelled",
            gate.stop_reason(self.request or {}),
            where=self._action.host,
            next_command=self._action.command("resume"),
        )

    def _names(self) -> list[str]:
        try:
            return sorted(path.name for path in (self._action.run_dir / rundir.CONTROL).iterdir())
        except OSError:
            return self._seen
