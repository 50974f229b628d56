# SPDX-License-Identifier: Apache-2.0
"""What resuming a run means: what differs since it was opened, and which of its steps and executions run now. Pure.

A completed step is not run again, with two exceptions that measure nothing: `host.preflight`, when an adapter was not
ready or starts again, and `host.finalize`, which sums up what the others did.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from rackbench.ledger import steps
from rackbench.ledger.state import ENDED, PLANNED, attachments_of, used_bundle

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rackbench.ledger.state import ExecutionState, RunState

STARTS_AGAIN, LOST, SAID = "starts_again", "lost", "said"
PREFLIGHT, FINALIZE = "host.preflight", "host.finalize"


@dataclass(frozen=True)
class Difference:
    """Something that is not as it was; `adapter` is None for what concerns the whole host."""

    what: str
    before: str | None
    now: str | None
    effect: str
    adapter: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the difference as it stands in the journal."""
        return asdict(self)

    def __str__(self) -> str:
        """Return the difference in words."""
        of = f" of {self.adapter}" if self.adapter else ""
        means = {
            STARTS_AGAIN: "what is left starts again, and is not mixed with what was measured",
            LOST: "executions that were running are lost",
            SAID: "the run goes on",
        }[self.effect]
        return f"{self.what}{of}: {_short(self.before)} -> {_short(self.now)} ({means})"


@dataclass(frozen=True)
class Now:
    """What a run is compared with. Digests and versions by name; None where it is not known now."""

    adapters: Mapping[str, str]
    bundles: Mapping[str, str | None]
    platform: Mapping[str, Any]
    inventory: str | None
    versions: Mapping[str, str]
    project: Mapping[str, Any]


@dataclass(frozen=True)
class OnHost:
    """What the host knows of the run: `state.json` of each of its jobs by execution, and the bundles that are there."""

    jobs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    bundles: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Resumption:
    """What a resumed run does. `steps` is the whole plan; `to_run` are the steps of it that are not completed.

    `again` are the steps of the earlier part that go back to pending. `executions` are those that count, by adapter.
    """

    steps: list[steps.Step]
    to_run: list[str]
    again: list[str]
    reused: list[str]
    executions: dict[str, list[dict[str, Any]]]
    reattached: list[str]
    superseded: list[str]


def differences(state: RunState, now: Now) -> list[Difference]:
    """Return what is not as it was when the run was opened or last resumed; what was not known then or now is equal."""
    then = state.resumed[-1] if state.resumed else state.opened
    identity = dict(then.get("identity") or {})
    found = []
    for adapter in state.benchmarks:
        before = used_bundle(state.packaging.get(adapter, {}))
        pairs = (
            ("bundle", before and before.get("sha256"), now.bundles.get(adapter)),
            ("adapter", (identity.get("adapters") or {}).get(adapter), now.adapters.get(adapter)),
        )
        found += [
            Difference(what, str(old), str(new), STARTS_AGAIN, adapter)
            for what, old, new in pairs
            if old and new and old != new
        ]
    for what, name, effect in (("host key", "host_key", STARTS_AGAIN), ("boot", "boot_id", LOST)):
        old, new = state.platform.get(name), now.platform.get(name)
        if old and new and old != new:
            found.append(Difference(what, str(old), str(new), effect))
    earlier, project = dict(then.get("versions") or {}), dict(then.get("project") or {})
    for what, old, new in (
        ("inventory", identity.get("inventory"), now.inventory),
        ("ansible-core", earlier.get("ansible_core"), now.versions.get("ansible_core")),
        ("rackbench", earlier.get("rackbench"), now.versions.get("rackbench")),
        ("commit", project.get("commit"), now.project.get("commit")),
    ):
        if old and new and old != new:
            found.append(Difference(what, str(old), str(new), SAID))
    return found


def resumption(
    state: RunState,
    planned: Sequence[steps.Step],
    executions: Mapping[str, Sequence[Mapping[str, Any]]],
    found: Sequence[Difference],
    on_host: OnHost,
) -> Resumption:
    """Return what the resumed run does; `planned` and `executions` are the plan as it is made today."""
    work = _Work(state, planned, executions, found, on_host)
    for adapter in dict.fromkeys(step.adapter for step in planned if step.adapter):
        work.take(adapter)
    work.host_steps()
    return Resumption(
        steps=list(planned),
        to_run=[step.step_id for step in planned if step.step_id in work.to_run],
        again=[name for name in state.steps if name in work.to_run and _is_over(state, name)],
        reused=[step.step_id for step in planned if step.step_id not in work.to_run],
        executions=work.executions,
        reattached=work.reattached,
        superseded=work.superseded,
    )


class _Work:
    """Collects what is to be done, adapter by adapter."""

    def __init__(
        self,
        state: RunState,
        planned: Sequence[steps.Step],
        executions: Mapping[str, Sequence[Mapping[str, Any]]],
        found: Sequence[Difference],
        on_host: OnHost,
    ) -> None:
        self.state = state
        self.planned = planned
        self.new_plan = executions
        self.on_host = on_host
        # A difference of the host itself, such as its key, concerns every adapter.
        self.changed = {one.adapter for one in found if one.effect == STARTS_AGAIN}
        self.to_run: set[str] = set()
        self.executions: dict[str, list[dict[str, Any]]] = {}
        self.pending: set[str] = set()
        self.reattached: list[str] = []
        self.superseded: list[str] = []
        self.preflight_again = False

    def take(self, adapter: str) -> None:
        """Decide about one adapter's steps and executions."""
        own = [step for step in self.planned if step.adapter == adapter]
        open_steps = {step.step_id for step in own if not self._completed(step.step_id)}
        counted = [dict(entry) for entry in self.state.planned_executions.get(adapter) or ()]
        if not open_steps:
            self.executions[adapter] = counted
            return
        if None in self.changed or adapter in self.changed:
            open_steps = {step.step_id for step in own}
            self._supersede(counted)
            self.executions[adapter] = [self._fresh(dict(entry)) for entry in self.new_plan.get(adapter, ())]
            self.pending.update(entry["execution_id"] for entry in self.executions[adapter])
            self.preflight_again = True
        elif f"{adapter}.execute" in open_steps:
            if not counted:
                # The earlier part was limited to phases before this one.
                counted = [dict(entry) for entry in self.new_plan.get(adapter, ())]
            self.executions[adapter] = [self._continued(entry) for entry in counted]
            if self._bundle_is_needed(adapter):
                open_steps.add(f"{adapter}.stage")
        else:
            self.executions[adapter] = counted
        self.to_run |= self._with_dependents(own, open_steps)
        if (self.state.readiness.get(adapter) or {}).get("failure_code"):
            self.preflight_again = True

    def host_steps(self) -> None:
        """Decide about the host's own steps, when the adapters' are known."""
        host = [step.step_id for step in self.planned if step.adapter is None]
        self.to_run |= {name for name in host if not self._completed(name)}
        if self.preflight_again and PREFLIGHT in host:
            self.to_run.add(PREFLIGHT)
        # A controller that was killed after its last step has not closed the run.
        if (self.to_run or self.state.closed is None) and FINALIZE in host:
            self.to_run.add(FINALIZE)

    def _completed(self, step_id: str) -> bool:
        entry = self.state.steps.get(step_id)
        return entry is not None and entry.state == steps.COMPLETED

    def _with_dependents(self, own: Sequence[steps.Step], names: set[str]) -> set[str]:
        """Return these steps with all of the adapter's that rest on them; a plan lists what is rested on first."""
        found = set(names)
        for step in own:
            if found.intersection(step.depends):
                found.add(step.step_id)
        return found

    def _continued(self, entry: dict[str, Any]) -> dict[str, Any]:
        """Return the execution that goes on, or a fresh one in place of one that ended badly."""
        name = str(entry["execution_id"])
        known = self.state.executions.get(name)
        job = self.on_host.jobs.get(name)
        if known is not None and known.state == ENDED:
            if known.outcome == "passed":
                return entry
            return self._begun_anew(entry)
        if known is not None and known.superseded:
            return self._begun_anew(entry)
        if job is not None and (job.get("state") == "unknown" or job.get("outcome") in {"lost", "cancelled"}):
            # Its end was seen by nobody, and there is nothing to wait for.
            return self._begun_anew(entry)
        self.pending.add(name)
        if job is not None:
            self.reattached.append(name)
        elif _was_begun(known):
            # Its job directory is gone from the host.
            self.pending.discard(name)
            return self._begun_anew(entry)
        return entry

    def _begun_anew(self, entry: dict[str, Any]) -> dict[str, Any]:
        self._supersede([entry])
        fresh = self._fresh(entry)
        self.pending.add(str(fresh["execution_id"]))
        return fresh

    def _supersede(self, entries: Sequence[Mapping[str, Any]]) -> None:
        self.superseded += [str(entry["execution_id"]) for entry in entries]

    def _fresh(self, entry: dict[str, Any]) -> dict[str, Any]:
        """Return the execution under a name that is not used yet: `latency.smoke.1`, then `latency.smoke.1.a2`."""
        stem, mark, attempt = str(entry["execution_id"]).rpartition(".a")
        if not (mark and attempt.isdigit()):
            stem, attempt = str(entry["execution_id"]), "1"
        number, name = int(attempt), str(entry["execution_id"])
        while name in self.state.executions or name in self.on_host.jobs:
            number += 1
            name = f"{stem}.a{number}"
        return {**entry, "execution_id": name}

    def _bundle_is_needed(self, adapter: str) -> bool:
        """Return whether an execution has to be begun whose bundle or attachment is not on the host any more."""
        packaging = self.state.packaging.get(adapter, {})
        needed = {(used_bundle(packaging) or {}).get("sha256"), *attachments_of(packaging).values()}
        begins = [
            entry
            for entry in self.executions[adapter]
            if entry["execution_id"] in self.pending and entry["execution_id"] not in self.reattached
        ]
        return bool(begins) and not needed <= set(self.on_host.bundles)


def _was_begun(execution: ExecutionState | None) -> bool:
    return execution is not None and execution.state != PLANNED


def _is_over(state: RunState, step_id: str) -> bool:
    return state.steps[step_id].state != steps.PENDING


def _short(value: str | None) -> str:
    text = str(value)
    return text[:12] if len(text) >= 32 else text
