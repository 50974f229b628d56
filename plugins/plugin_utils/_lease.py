# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE. The lease of a run's host, as actions take it, keep it and give it back."""

from __future__ import annotations

import contextlib
import copy
import time
import typing as t
from datetime import timedelta

from ansible.errors import AnsibleError
from ansible.utils.display import Display
from ansible_collections.rackbench.lab.plugins.module_utils import _lease
from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING

if MISSING is None:
    from rackbench import clock
    from rackbench.errors import RackbenchError
    from rackbench.ledger import control, gate

if t.TYPE_CHECKING:
    from ansible_collections.rackbench.lab.plugins.plugin_utils._action import LabAction

# How often a run that waits asks again, and how often it looks whether it is to stop.
ASK_S = 15.0
LOOK_S = 0.5
# How often the lease is renewed from here while no supervisor on the host does it.
RENEW_S = 600.0
# States of the journal's `lease` in which this run may have it.
HELD = frozenset({"taken", "stolen"})


def require_reason(steal: bool, reason: str | None) -> None:  # noqa: FBT001 - the two options as they are
    """Raise `RackbenchError("unknown_option")` for a theft without a reason."""
    if steal and not (reason or "").strip():
        raise RackbenchError(
            "unknown_option",
            "The lease of a host is only stolen for a reason, and lab_steal_reason does not say one.",
            next_command="rackbench run --host HOST --steal --reason TEXT",
        )


def take(
    action: LabAction,
    *,
    steal: bool = False,
    reason: str | None = None,
    wait: bool = False,
    answered: t.Collection[str] | None = None,
) -> None:
    """Take the lease of the run's host, or renew it, and record that.

    With `wait` it asks until the host is free, unless somebody asks the run to stop. Requests that were `answered`, by
    their ids, do not count: by default those that the journal has, but for one that the run is ending for.

    Raises `RackbenchError("lease_held")` that says who has the host, for what and until when.
    """
    require_reason(steal, reason)
    if not lease_of(action):
        return
    state = action.state()
    if answered is None:
        answered = state.controls - {(state.stop or {}).get("id")}
    began = time.monotonic()
    waited = False
    while not (found := _ask_for(action, steal=steal, reason=reason))["held"]:
        if not wait:
            action.record("lease", state="refused", **_another(found))
            raise _held(action, found)
        if not waited:
            waited = True
            action.record("lease", state="waiting", **_another(found))
            Display().display(f"{action.host}: waiting. {_in_words(action.host, found)}")
        _pause(action, found, began, answered)
    if (robbed := found["stolen_from"]) is not None:
        action.record("lease", state="stolen", holder=_named(robbed), expires_in_s=None, reason=reason)
    elif found["changed"] or (state.lease or {}).get("state") not in HELD:
        kept = found["kept_aside"]
        why = f"what stood there was no lease, and is kept as {kept}" if kept else None
        action.record("lease", state="taken", holder=None, expires_in_s=found["expires_in_s"], reason=why)


def give_back(action: LabAction) -> str:
    """Give the host back if this run has it, and record that; return released, absent or another_holder."""
    ours = lease_of(action)
    if not ours:
        return "absent"
    found = action.remote("lease", dir=ours["dir"], state="released", lease_id=ours["lease_id"])
    if found["changed"]:
        action.record("lease", state="released", holder=None, expires_in_s=None, reason=None)
        return "released"
    if found["holder"] is None:
        action.record(
            "lease", state="lost", holder=None, expires_in_s=None, reason="it was not there any more"
        )
        return "absent"
    action.record("lease", state="lost", **_another(found), reason="another run has the host now")
    return "another_holder"


def arguments(action: LabAction) -> dict[str, t.Any]:
    """Return the argument `lease` for jobs on the host, which renew it; none for a run that has no lease."""
    ours = lease_of(action)
    if not ours:
        return {}
    return {
        "lease": {
            "path": str(_lease.lease_path(ours["dir"])),
            **{name: ours[name] for name in ("lease_id", "owner", "purpose")},
        }
    }


def lease_of(action: LabAction) -> dict[str, str]:
    """Return the lease that this run takes, with the directory `dir`; nothing for a run of before there were leases."""
    state = action.state()
    lease_id = state.opened.get("lease_id")
    if not lease_id:
        return {}
    return {
        "dir": str(state.options.get("lease_dir") or _lease.DIRECTORY),
        "lease_id": str(lease_id),
        "run_id": str(state.run_id),
        "owner": control.who(),
        "purpose": ", ".join(state.benchmarks) or "host steps only",
    }


class Keeper:
    """Keeps the lease of the host while no job there does: while a benchmark or a build runs on the controller.

    It goes by the action's connection to the host, so it is made before the action turns to the controller.
    """

    def __init__(self, action: LabAction) -> None:
        self._action = action
        self._on_host = copy.copy(action)
        # Whoever logs in may renew it: the sudo of a task is for what the task does.
        self._on_host._connection = copy.copy(action._connection)  # noqa: SLF001
        self._on_host._connection.set_become_plugin(None)  # noqa: SLF001
        # Nobody knows how old the lease is: many short tasks may have come before this one.
        self._renewed = float("-inf")
        # Why the host is not this run's any more.
        self.lost: str | None = None

    def begin(self) -> None:
        """Hold the lease before something starts. Raises `RackbenchError("lease_lost")` if that may not begin."""
        if lease_of(self._action):
            self._hold()

    def keep(self) -> None:
        """Renew the lease when it is time. One that fails is tried again at the next: what goes on here goes on.

        That holds for a lease that is lost, too, which is recorded once: to abandon a benchmark that runs would leave
        it running and its results uncollected. What begins on the host later asks for the lease again, and fails.
        """
        if self.lost or time.monotonic() - self._renewed < RENEW_S or not lease_of(self._action):
            return
        try:
            self._hold()
        except RackbenchError as error:
            if error.code == "lease_lost":
                self.lost = error.message
                self._action.record(
                    "lease", state="lost", holder=None, expires_in_s=None, reason=error.message
                )
        except AnsibleError as error:
            Display().vv(f"{self._action.host}: its lease was not renewed: {error}")

    def _hold(self) -> None:
        self._renewed = time.monotonic()
        before = self._on_host._remote_calls  # noqa: SLF001 - a copy of our own
        made_before = self._on_host._connection._shell.tmpdir  # noqa: SLF001 - Ansible's own way
        try:
            self._on_host.remote("lease", state="held", **lease_of(self._action))
        except RackbenchError as error:
            if error.code == "lease_lost":
                error.next_command = self._action.command("resume")
            raise
        finally:
            self._action._remote_calls += self._on_host._remote_calls - before  # noqa: SLF001
            if not made_before:
                # Without pipelining the call made a directory on the host that the action's own end does not remove.
                with contextlib.suppress(AnsibleError):
                    self._on_host.cleanup()


def _ask_for(action: LabAction, *, steal: bool = False, reason: str | None = None) -> dict[str, t.Any]:
    return action.remote("lease", state="taken", steal=steal, reason=reason, **lease_of(action))


def _pause(action: LabAction, found: dict[str, t.Any], began: float, answered: t.Collection[str]) -> None:
    """Let some time pass. Raises `RackbenchError("run_cancelled")` when the run is asked to stop meanwhile."""
    step = action.state().active_step
    until = time.monotonic() + ASK_S
    while True:
        for stop in control.open_requests(action.run_dir, set(answered)):
            raise RackbenchError("run_cancelled", f"{gate.stop_reason(stop)}.", where=action.host)
        if step is not None:
            owner = (_named(found["holder"]) or {}).get("owner")
            beat = {"step": step.step.step_id, "label": f"waiting for the lease of {owner}"}
            elapsed_s = round(time.monotonic() - began, 3)
            action.write_live(step.step.step_id, {**beat, "elapsed_s": elapsed_s, "interval_s": 1.0})
        if (left := until - time.monotonic()) <= 0:
            return
        time.sleep(min(LOOK_S, left))


def _held(action: LabAction, found: dict[str, t.Any]) -> RackbenchError:
    return RackbenchError(
        "lease_held",
        _in_words(action.host, found),
        where=action.host,
        next_command=action.command("resume", "--wait"),
    )


def _in_words(host: str, found: dict[str, t.Any]) -> str:
    """Return who has the host, for what, since when and until when, by our own clock."""
    holder = _named(found["holder"]) or {}
    until = clock.utc_text(clock.utc_now() + timedelta(seconds=found["expires_in_s"]))
    return (
        f"{host} is held by {holder.get('owner')} with the run {holder.get('run_id')} for {holder.get('purpose')}, "
        f"since {holder.get('taken_at')} by the host's clock, and until {until} if it is not renewed before."
    )


def _another(found: dict[str, t.Any]) -> dict[str, t.Any]:
    return {"holder": _named(found["holder"]), "expires_in_s": found["expires_in_s"]}


def _named(holder: dict[str, t.Any] | None) -> dict[str, t.Any] | None:
    """Return who holds a lease, as the journal keeps it. What comes from a host is made plain here once more."""
    plain = _lease.holder_of(holder)
    return (
        None if plain is None else {name: plain[name] for name in ("run_id", "owner", "purpose", "taken_at")}
    )
