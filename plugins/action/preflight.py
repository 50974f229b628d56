# SPDX-License-Identifier: GPL-3.0-or-later
"""Choose each adapter's bundle, probe the host for what it needs, and say which adapters are ready."""

from __future__ import annotations

import typing as t

from ansible_collections.rackbench.lab.plugins.module_utils import _noise
from ansible_collections.rackbench.lab.plugins.module_utils._target import TargetError
from ansible_collections.rackbench.lab.plugins.plugin_utils import _readiness
from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING, RUN_DIR, LabAction

if MISSING is None:
    from rackbench.errors import RackbenchError
    from rackbench.ledger import rundir


class ActionModule(LabAction):
    """`rackbench.lab.preflight`."""

    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {**RUN_DIR}

    def work(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        self._check_noise()
        verdicts = _readiness.ask(self, task_vars)
        blocked = [verdict for verdict in verdicts if verdict.failure_code]
        if blocked and len(blocked) == len(verdicts):
            raise RackbenchError(
                blocked[0].failure_code,
                " ".join(f"{verdict.adapter}: {verdict.message}" for verdict in blocked),
                where=self.host,
                next_command=blocked[0].next_command,
                next_path=f"{self.state().run_dir}/{rundir.PREFLIGHT_SUMMARY}",
            )
        return {"readiness": {verdict.adapter: verdict.status for verdict in verdicts}}

    def _check_noise(self) -> None:
        """Refuse noise settings that there are not before anything is staged."""
        try:
            _noise.known(self.state().options.get("noise") or {})
        except TargetError as error:
            raise RackbenchError(
                error.code, f"lab_noise: {error.what}", next_path="docs/reference/noise.md"
            ) from error
