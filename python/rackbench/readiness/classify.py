# SPDX-License-Identifier: Apache-2.0
"""The one classifier: whether a host can run a benchmark, and if not, why and what to do."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rackbench.package_managers import package_name
from rackbench.readiness import states
from rackbench.readiness.messages import message_of
from rackbench.readiness.packages import described, install_text
from rackbench.readiness.states import Case, state_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rackbench.adapters.catalog import Adapter, Requirement
    from rackbench.bundles.decision import Decision
    from rackbench.readiness.states import Evidence

# Which validation looks again at what a blocked verdict rests on. A scope of more than `staging` asks the host.
_SCOPES = {
    states.CONNECTIVITY: "connectivity",
    states.BUNDLE: "staging",
    states.SETTINGS: "staging",
    states.ATTACHMENT: "staging",
}
LIVE, CACHED, NOBODY = "live_probe", "cached_preflight", "none"


@dataclass(frozen=True, slots=True)
class Readiness:
    """What the classifier says of one adapter on one host.

    `missing` holds the required commands that are not there, with their packages; `install_command` installs those of
    them, and the optional ones, that the package manager has to install; `bootstrap` names the roles by which a run
    installs others. `commands` has every command that is needed:
    `{command, package, required, bootstrap, checked, found}`, where `found` is a path or None.

    `predicted_*`, `validated_readiness_status` and `readiness_basis` are those of `assess`.
    """

    adapter: str
    status: str
    status_basis: str
    message: str
    missing: tuple[str, ...]
    install_command: str | None
    failure_code: str | None
    next_command: str | None
    commands: tuple[Mapping[str, Any], ...]
    bootstrap: tuple[str, ...]
    capabilities: tuple[str, ...]
    requirements: Mapping[str, Any]
    predicted_status: str | None = None
    predicted_status_basis: str | None = None
    validated_readiness_status: str | None = None
    readiness_basis: str = NOBODY

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as it stands in the journal."""
        return {
            "adapter": self.adapter,
            "status": self.status,
            "status_basis": self.status_basis,
            "message": self.message,
            "missing": list(self.missing),
            "install_command": self.install_command,
            "failure_code": self.failure_code,
            "next_command": self.next_command,
            "commands": [dict(command) for command in self.commands],
            "bootstrap": list(self.bootstrap),
            "capabilities": list(self.capabilities),
            "requirements": dict(self.requirements),
            "predicted_status": self.predicted_status,
            "predicted_status_basis": self.predicted_status_basis,
            "validated_readiness_status": self.validated_readiness_status,
            "readiness_basis": self.readiness_basis,
        }


def commands_needed(adapters: Iterable[Adapter], decisions: Mapping[str, Decision]) -> set[str]:
    """Return the commands that a probe has to look for, those of builds on the target among them."""
    return {
        command
        for adapter in adapters
        for requirement in (
            *adapter.requirements,
            *(need for candidate in decisions[adapter.name].candidates for need in candidate.needs),
        )
        for command in requirement.commands
    }


def bootstrapped_commands(decisions: Iterable[Decision]) -> set[str]:
    """Return the commands that a role may have installed where only builds on the target find them."""
    return {
        need.command
        for decision in decisions
        for candidate in decision.candidates
        for need in candidate.needs
        if need.bootstrap
    }


def chosen_digests(decisions: Iterable[Decision]) -> list[str]:
    """Return the SHA-256 of each chosen bundle that is made already, and of each attachment."""
    found = [each for decision in decisions for each in (decision.chosen, *decision.attachments)]
    return sorted({each.sha256 for each in found if each is not None and each.sha256})


def classify(adapter: Adapter, host: str, evidence: Evidence) -> Readiness:
    """Return the one verdict about an adapter on a host: a pure function of its arguments."""
    probe = evidence.probe or {}
    manager = probe.get("package_manager") or evidence.package_manager
    found: Mapping[str, str | None] = probe.get("commands") or {}
    needed = _commands(adapter, evidence.decision)
    lacking = [
        each for each in needed if all(command in found and not found[command] for command in each.commands)
    ]
    required = [each for each in lacking if each.required]
    case = Case(
        adapter=adapter,
        evidence=evidence,
        blocking=tuple(each for each in required if each.bootstrap is None),
        bootstrappable=tuple(each for each in required if each.bootstrap is not None),
    )
    state, basis = state_of(case)
    install = install_text(
        # Optional commands too: one command puts everything right.
        (each for each in lacking if each.bootstrap is None),
        manager,
        root=probe.get("user") == "root",
    )
    return Readiness(
        adapter=adapter.name,
        status=state.name,
        status_basis=basis,
        message=message_of(case, state, basis),
        missing=tuple(described(each, manager) for each in required),
        install_command=install,
        failure_code=state.failure_code,
        next_command=_next_command(host, basis, install) if state.failure_code else None,
        commands=tuple(
            {
                "command": each.command,
                "package": package_name(each.packages, manager),
                "required": each.required,
                "bootstrap": each.bootstrap,
                "checked": each.command in found,
                "found": next(filter(None, (found.get(command) for command in each.commands)), None),
            }
            for each in needed
        ),
        bootstrap=tuple(dict.fromkeys(each.bootstrap for each in case.bootstrappable if each.bootstrap)),
        capabilities=tuple(sorted(adapter.capabilities)),
        requirements={
            "disk_bytes": case.disk_needed,
            "memory_bytes": adapter.needs.memory_bytes,
            "root": adapter.needs.root,
        },
    )


def _commands(adapter: Adapter, decision: Decision) -> list[Requirement]:
    """Return what the benchmark calls, and what a build of it on the target calls, each command once."""
    needed: dict[str, Requirement] = {}
    for each in (*adapter.requirements, *(decision.chosen.needs if decision.chosen else ())):
        known = needed.get(each.command, each)
        needed[each.command] = replace(
            known,
            required=known.required or each.required,
            bootstrap=known.bootstrap or each.bootstrap,
        )
    return list(needed.values())


def _next_command(host: str, basis: str, install: str | None) -> str:
    """Return the command that puts a blocked adapter right, else the one that looks at it again."""
    if basis == states.COMMANDS and install:
        return install
    if basis == states.PLATFORM:
        # Only a run keeps what it sees of a host.
        return shlex.join(["rackbench", "run", "--host", host, "--benchmarks", "preflight"])
    scope = _SCOPES.get(basis, "all")
    return shlex.join(["rackbench", "validate", "--host", host, "--scope", scope])
