# SPDX-License-Identifier: GPL-3.0-or-later
"""Quiet the host as the run asks for it, see that it stayed quiet, and put it back."""

from __future__ import annotations

import typing as t

from ansible_collections.rackbench.lab.plugins.module_utils import _noise
from ansible_collections.rackbench.lab.plugins.plugin_utils import _lease, _running
from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING, RUN_DIR, LabAction

if MISSING is None:
    from rackbench.errors import RackbenchError
    from rackbench.ledger import rundir

# With these the module never began, or refused to.
NOTHING_DONE = frozenset({"become_failed", "lease_lost", "target_python_missing", "unknown_option"})


class ActionModule(LabAction):
    """`rackbench.lab.noise`. The settings are those of the run; the module itself takes any."""

    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {
        **RUN_DIR,
        "state": {"type": "str", "required": True, "choices": ["applied", "verified", "restored"]},
        "sysfs": {"type": "path"},
        "procfs": {"type": "path"},
        "tools": {"type": "path"},
    }

    def work(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        self._places = {
            name: args[name] for name in ("sysfs", "procfs", "tools") if args.get(name) is not None
        }
        return {"applied": self._apply, "verified": self._verify, "restored": self._restore}[args["state"]]()

    def _apply(self) -> dict[str, t.Any]:
        wanted = self.state().options["noise"]
        try:
            answer = self._ask("applied", settings=wanted, **_lease.arguments(self))
        except RackbenchError as error:
            if not self.check_mode and error.code not in NOTHING_DONE:
                self._note("applied", wanted, [f"this failed: {error.message}"])
            raise
        if self.check_mode:
            names = ", ".join(answer["changes"]) or "nothing"
            return {"changed": answer["changed"], "msg": f"would set {names}"}
        leftovers = [
            f"run {run} was killed before it had put back what it had set; that was put back first"
            for run in answer["leftovers"]
        ]
        self._note("applied", answer["settings"], [*leftovers, *answer["meanwhile"]])
        return {"changed": answer["changed"], "settings": answer["settings"]}

    def _verify(self) -> dict[str, t.Any]:
        if self.check_mode:
            return {"msg": "would see whether the host stayed as it was set"}
        applied = (self.state().noise or {}).get("settings", {})
        # What the host did not have when the settings were applied cannot be disturbed.
        settings = {
            name: value
            for name, value in self.state().options["noise"].items()
            if applied.get(name) != _noise.ABSENT
        }
        answer = self._ask("verified", settings=settings)
        found = answer["settings"]
        gone = [f"{name} is absent now" for name, value in found.items() if value == _noise.ABSENT]
        other = [
            f"{name} is {_noise.said(each['found'])} and was set to {_noise.said(each['wanted'])}"
            for name, each in answer["disturbed"].items()
        ]
        if gone or other:
            self._note("disturbed", found, [*gone, *other])
            raise RackbenchError(
                "noise_disturbed",
                f"Noise settings of {self.host} changed while the benchmark ran: {'; '.join([*gone, *other])}.",
                where=self.host,
            )
        self._note("verified", {**applied, **found}, [])
        return {"settings": found}

    def _restore(self) -> dict[str, t.Any]:
        # Only the host knows: a controller that was killed has recorded nothing of what it had set.
        if not self.state().platform:
            return {"msg": "The host was never reached, so nothing was set."}
        if not self.check_mode and (running := _running.still_running(self)):
            # Its numbers would change in the middle. The step fails for it when the host cannot be given back.
            return {"msg": f"{', '.join(running)} still runs on {self.host}, so its settings stay."}
        try:
            answer = self._ask("restored")
        except RackbenchError as error:
            raise RackbenchError(
                error.code,
                error.message,
                where=error.where,
                next_command=self.command("recover"),
                detail=error.detail,
            ) from error
        if self.check_mode:
            names = ", ".join(answer["changes"]) or "nothing"
            return {"changed": answer["changed"], "msg": f"would put back {names}"}
        self._note("restored", answer["settings"], answer["meanwhile"])
        return {"changed": answer["changed"], "outcome": answer["outcome"], "settings": answer["settings"]}

    def _ask(self, state: str, **arguments: t.Any) -> dict[str, t.Any]:
        run_id = rundir.run_id_of(self.run_dir)
        return self.remote("target_noise", state=state, run_id=run_id, **arguments, **self._places)

    def _note(self, state: str, settings: dict[str, t.Any], reasons: list[str]) -> None:
        self.record("noise", state=state, settings=settings, reason="; ".join(reasons) or None)
