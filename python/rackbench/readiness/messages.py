# SPDX-License-Identifier: Apache-2.0
"""What a verdict says to people: one or two sentences for each state and basis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rackbench.bundles.decision import BUILDER, CACHE, CAPTURED, CONFIGURED, DIST, REPO, RUNNER, SOURCE
from rackbench.readiness import states
from rackbench.readiness.packages import described

if TYPE_CHECKING:
    from rackbench.adapters.catalog import Requirement
    from rackbench.bundles.decision import Candidate, Decision
    from rackbench.readiness.states import Case, State

# How the bundle of each source is used.
_USES = {
    CONFIGURED: "{path} is configured and fits.",
    CACHE: "{path} is in the shared bundle cache and fits.",
    CAPTURED: "{path} was built from source by an earlier run and fits.",
    DIST: "{path} was built here and fits.",
    BUILDER: "The stage step builds a bundle on the controller by {path}.",
    REPO: "The stage step makes a bundle of {path} as it is.",
    RUNNER: "The stage step makes a bundle of the program {path}.",
    SOURCE: "The stage step builds a bundle on the host by {path}.",
}


def message_of(case: Case, state: State, basis: str) -> str:
    """Return the message of a verdict."""
    chosen = case.decision.chosen
    if state.name == states.UNREACHABLE:
        return "The host was not reached, so nobody looked at it."
    if chosen is None:
        return _why_no_bundle(case.decision)
    if basis in {states.SETTINGS, states.ATTACHMENT} and case.refused:
        return str(case.refused.detail)
    machine = "The controller" if case.adapter.on_controller else "The host"
    words = {
        # Without the bytes that are free: they change with every look, and what is said must not.
        states.DISK: f"{machine} has less disk free than the {case.disk_needed} bytes that are needed.",
        states.MEMORY: f"{machine} has {case.probed('memory_bytes')} bytes of memory, and "
        f"{case.adapter.needs.memory_bytes} are needed.",
        states.ROOT: f"The benchmark needs root, and {case.probed('user') or 'the user'} cannot become root there.",
    }
    if basis == states.DISK and case.over_quota:
        return (
            f"The bundle has {chosen.unpacked_size} bytes unpacked, and lab_store_quota_bytes allows all bundles only "
            f"{case.evidence.quota_bytes}: raise it."
        )
    if basis in words:
        return words[basis]
    if state.name == states.RUNTIME_MISSING:
        return f"{machine} lacks {_names(case.blocking, case.probed('package_manager'))}."
    use = _USES[chosen.source].format(path=chosen.path)
    if state.name == states.BOOTSTRAP_REQUIRED:
        roles = ", ".join(dict.fromkeys(str(each.bootstrap) for each in case.bootstrappable))
        lacking = _names(case.bootstrappable, case.probed("package_manager"))
        return f"{machine} lacks {lacking}, which the run installs first by the role {roles}. {use}"
    if rejected := case.decision.rejected_configured:
        return f"The configured bundle is not used: {_words(rejected)} {use}"
    return use


def _names(requirements: tuple[Requirement, ...], manager: str | None) -> str:
    return ", ".join(described(each, manager) for each in requirements)


def _why_no_bundle(decision: Decision) -> str:
    if not decision.candidates:
        return f"There is no bundle of {decision.adapter}."
    return "No bundle fits. " + " ".join(_words(candidate) for candidate in decision.candidates)


def _words(candidate: Candidate) -> str:
    detail = candidate.detail or ""
    return detail if detail.startswith(str(candidate.path)) else f"{candidate.path}: {detail}"
