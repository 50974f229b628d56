# SPDX-License-Identifier: Apache-2.0
"""The one classifier: whether a host can run a benchmark, and if not, why and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rackbench.bundles.resolve import DIST, Candidate, Decision
from rackbench.ledger.gate import BLOCKING
from rackbench.package_managers import package_name
from rackbench.readiness.packages import described, install_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rackbench.adapters.catalog import Adapter, Requirement

READY = "ready"
READY_WITH_LOCAL_BUNDLE = "ready_with_local_bundle"
BUNDLE_INVALID_FALLBACK_AVAILABLE = "bundle_invalid_fallback_available"
RUNTIME_MISSING = "runtime_missing"
PACKAGING_BLOCKED = "packaging_blocked"
UNREACHABLE = "unreachable"
# What a verdict rests on when the host has no room for the bundle.
DISK = "disk"


@dataclass(frozen=True, slots=True)
class Readiness:
    """What the classifier says of one adapter on one host.

    `status_basis` names the evidence that decided: `probe`, `bundle`, `commands` or `disk`. `missing` holds the
    required commands that are not there, with their packages. `commands` has every command that the adapter names:
    `{command, package, required, found}`; `found` is its path, or None when it is not there or nobody could look.
    """

    adapter: str
    status: str
    status_basis: str
    message: str
    missing: tuple[str, ...]
    install_command: str | None
    commands: tuple[Mapping[str, Any], ...]

    @property
    def failure_code(self) -> str | None:
        """Return the failure code when the adapter cannot run, else None."""
        return "target_disk_full" if self.status_basis == DISK else BLOCKING.get(self.status)

    @property
    def next_command(self) -> str | None:
        """Return the command that puts right what stops the adapter, if there is one."""
        if self.status == RUNTIME_MISSING:
            return self.install_command
        return "rackbench bundle build" if self.status_basis == "bundle" and self.failure_code else None

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
        }


def commands_needed(adapters: Iterable[Adapter]) -> set[str]:
    """Return the commands that a probe has to look for."""
    return {requirement.command for adapter in adapters for requirement in adapter.requirements}


def classify(adapter: Adapter, decision: Decision, probe: Mapping[str, Any] | None) -> Readiness:
    """Return the one verdict about an adapter on a host.

    `decision` is the resolver's, and `probe` what the preflight module found: `{"commands": {name: path or None},
    "package_manager": name or None, "user": name, "free_bytes": bytes or None}`, or None when the host was not reached.
    """
    manager = probe.get("package_manager") if probe else None
    found: Mapping[str, str | None] = probe.get("commands") or {} if probe else {}
    lacking = [each for each in adapter.requirements if probe and not found.get(each.command)]
    required = [each for each in lacking if each.required]
    status, basis, message = _verdict(decision, probe, required, manager)
    return Readiness(
        adapter=adapter.name,
        status=status,
        status_basis=basis,
        message=message,
        missing=tuple(described(each, manager) for each in required),
        # Optional commands too: one command puts everything right.
        install_command=install_text(lacking, manager, root=_is_root(probe)),
        commands=tuple(
            {
                "command": each.command,
                "package": package_name(each.packages, manager),
                "required": each.required,
                "found": found.get(each.command),
            }
            for each in adapter.requirements
        ),
    )


def _verdict(
    decision: Decision, probe: Mapping[str, Any] | None, missing: list[Requirement], manager: str | None
) -> tuple[str, str, str]:
    """Return status, basis and message."""
    if probe is None:
        return UNREACHABLE, "probe", "The host was not reached, so nothing is known about it."
    chosen = decision.chosen
    if chosen is None:
        return PACKAGING_BLOCKED, "bundle", _why_no_bundle(decision)
    if missing:
        names = ", ".join(described(each, manager) for each in missing)
        return RUNTIME_MISSING, "commands", f"The host lacks {names}."
    needed, free = (chosen.size or 0) + (chosen.unpacked_size or 0), probe.get("free_bytes")
    if free is not None and free < needed:
        return PACKAGING_BLOCKED, DISK, f"The bundle needs {needed} bytes on the host, and {free} are free."
    if rejected := decision.rejected_configured:
        return (
            BUNDLE_INVALID_FALLBACK_AVAILABLE,
            "bundle",
            f"The configured bundle is not used: {_words(rejected)} {chosen.path} is used instead.",
        )
    if chosen.source == DIST:
        return READY_WITH_LOCAL_BUNDLE, "bundle", f"{chosen.path} was built here and fits."
    return READY, "bundle", f"{chosen.path} fits."


def _why_no_bundle(decision: Decision) -> str:
    if not decision.candidates:
        return f"There is no bundle of {decision.adapter}."
    return "No bundle fits. " + " ".join(_words(candidate) for candidate in decision.candidates)


def _words(candidate: Candidate) -> str:
    detail = candidate.detail or ""
    return detail if detail.startswith(str(candidate.path)) else f"{candidate.path}: {detail}"


def _is_root(probe: Mapping[str, Any] | None) -> bool:
    return probe is not None and probe.get("user") == "root"
