# SPDX-License-Identifier: Apache-2.0
"""The table of readiness states: what each rests on, whether it blocks, and when it holds. The first that holds counts.

`docs/reference/readiness.md` has the same table for people; a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rackbench.bundles.attachments import NOT_SET
from rackbench.bundles.decision import (
    BUILDER,
    CACHE,
    CAPTURED,
    CONFIGURED,
    DIST,
    REPO,
    RUNNER,
    SOURCE,
)
from rackbench.bundles.platforms import PLATFORM_UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rackbench.adapters.catalog import Adapter, Requirement
    from rackbench.bundles.attachments import Attachment
    from rackbench.bundles.decision import Decision

UNREACHABLE = "unreachable"
PACKAGING_BLOCKED = "packaging_blocked"
RUNTIME_MISSING = "runtime_missing"
BOOTSTRAP_REQUIRED = "bootstrap_required"
BUNDLE_INVALID_FALLBACK_AVAILABLE = "bundle_invalid_fallback_available"
READY = "ready"
READY_WITH_LOCAL_BUNDLE = "ready_with_local_bundle"
READY_WITH_CAPTURED_CACHE = "ready_with_captured_cache"
READY_WITH_FALLBACK = "ready_with_fallback"

# What a verdict rests on; the states of a usable bundle rest on its source instead.
CONNECTIVITY, PLATFORM, BUNDLE, DISK = "connectivity", "platform", "bundle", "disk"
SETTINGS, ATTACHMENT = "settings", "attachment"
COMMANDS, MEMORY, ROOT = "commands", "memory", "root"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known about one adapter on one host.

    `probe` is what the machine that runs the benchmark answered, as the module preflight returns it, and None when
    nobody asked it. Whatever it leaves out or has as None is not known, and not held against the host.
    `package_manager` is the one that an earlier probe found, for when this one has none. `quota_bytes` is the most that
    bundles may take on the machine, None without such a limit.
    """

    decision: Decision
    probe: Mapping[str, Any] | None = None
    reached: bool = True
    package_manager: str | None = None
    quota_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """Evidence, weighed: what the adapter needs against what is there. Sizes in bytes, None where nobody knows."""

    adapter: Adapter
    evidence: Evidence
    blocking: tuple[Requirement, ...]
    bootstrappable: tuple[Requirement, ...]

    @property
    def decision(self) -> Decision:
        """The decision about the bundle."""
        return self.evidence.decision

    def probed(self, name: str) -> Any:
        """Return what the probe found, or None."""
        return (self.evidence.probe or {}).get(name)

    @property
    def stored(self) -> bool:
        """Whether the chosen bundle is on the machine already."""
        chosen = self.decision.chosen
        return chosen is not None and chosen.sha256 in (self.probed("stored") or ())

    @property
    def refused(self) -> Attachment | None:
        """The first of the operator's own files that cannot be taken."""
        return next((each for each in self.decision.attachments if not each.accepted), None)

    @property
    def over_quota(self) -> bool:
        """Whether the chosen bundle alone is larger than all bundles may be."""
        chosen, quota = self.decision.chosen, self.evidence.quota_bytes
        return (
            not self.stored
            and chosen is not None
            and quota is not None
            and (chosen.unpacked_size or 0) > quota
        )

    @property
    def disk_needed(self) -> int:
        """The bytes that must be free: a bundle that is not there, unpacked beside its tarball, and the benchmark's."""
        chosen = None if self.stored else self.decision.chosen
        bundle = (chosen.size or 0) + (chosen.unpacked_size or 0) if chosen else 0
        stored = self.probed("stored") or ()
        attached = sum(
            (each.size or 0) + (each.unpacked_size or 0)
            for each in self.decision.attachments
            if each.sha256 not in stored
        )
        return bundle + attached + self.adapter.needs.disk_bytes

    def too_small(self, name: str, needed: int) -> bool:
        """Return whether the probe found less than is needed."""
        found = self.probed(name)
        return found is not None and found < needed


@dataclass(frozen=True, slots=True)
class State:
    """A row of the table. With several bases, the one that is the chosen bundle's source counts."""

    name: str
    bases: tuple[str, ...]
    failure_code: str | None
    when: str
    holds: Callable[[Case], bool]


def _source_is(*sources: str) -> Callable[[Case], bool]:
    return lambda case: case.decision.chosen is not None and case.decision.chosen.source in sources


def _attachment_is(*, set_at_all: bool) -> Callable[[Case], bool]:
    return lambda case: case.refused is not None and (case.refused.reason != NOT_SET) is set_at_all


def _platform_is_missing(case: Case) -> bool:
    reasons = {candidate.reason for candidate in case.decision.candidates}
    return case.decision.chosen is None and PLATFORM_UNKNOWN in reasons


def _replaces_the_configured_one(case: Case) -> bool:
    chosen = case.decision.chosen
    return (
        chosen is not None and chosen.source != CONFIGURED and case.decision.rejected_configured is not None
    )


STATES: tuple[State, ...] = (
    State(
        UNREACHABLE,
        (CONNECTIVITY,),
        "host_unreachable",
        "the host was not reached",
        lambda case: not case.evidence.reached,
    ),
    State(
        PACKAGING_BLOCKED,
        (PLATFORM,),
        "platform_unknown",
        "no bundle is accepted, and one was rejected only because the host's platform is not known",
        _platform_is_missing,
    ),
    State(
        PACKAGING_BLOCKED,
        (BUNDLE,),
        "packaging_blocked",
        "no bundle is accepted",
        lambda case: case.decision.chosen is None,
    ),
    State(
        PACKAGING_BLOCKED,
        (SETTINGS,),
        "setting_missing",
        "the benchmark needs a file of the operator, and no setting names it",
        _attachment_is(set_at_all=False),
    ),
    State(
        PACKAGING_BLOCKED,
        (ATTACHMENT,),
        "attachment_unfit",
        "the operator's archive is missing, of another program, or for another machine",
        _attachment_is(set_at_all=True),
    ),
    State(
        PACKAGING_BLOCKED,
        (DISK,),
        "target_disk_full",
        "too little disk is free for the bundle and the benchmark",
        lambda case: case.over_quota or case.too_small("free_bytes", case.disk_needed),
    ),
    State(
        RUNTIME_MISSING,
        (COMMANDS,),
        "runtime_missing",
        "a required command is missing that no role of a run installs",
        lambda case: bool(case.blocking),
    ),
    State(
        RUNTIME_MISSING,
        (MEMORY,),
        "host_too_small",
        "the machine has too little memory",
        lambda case: case.too_small("memory_bytes", case.adapter.needs.memory_bytes),
    ),
    State(
        RUNTIME_MISSING,
        (ROOT,),
        "root_required",
        "root is needed, and cannot be had",
        lambda case: case.adapter.needs.root and case.probed("root") is False,
    ),
    State(
        BOOTSTRAP_REQUIRED,
        (COMMANDS,),
        None,
        "required commands are missing, and roles of the run install all of them",
        lambda case: bool(case.bootstrappable),
    ),
    State(
        BUNDLE_INVALID_FALLBACK_AVAILABLE,
        (CACHE, CAPTURED, DIST, BUILDER, REPO, RUNNER, SOURCE),
        None,
        "the configured bundle is rejected, and another one is accepted",
        _replaces_the_configured_one,
    ),
    State(
        READY,
        (CONFIGURED, CACHE),
        None,
        "the configured bundle or one of the shared cache is used",
        _source_is(CONFIGURED, CACHE),
    ),
    State(
        READY_WITH_LOCAL_BUNDLE,
        (DIST,),
        None,
        "a bundle that was built on this controller is used",
        _source_is(DIST),
    ),
    State(
        READY_WITH_CAPTURED_CACHE,
        (CAPTURED,),
        None,
        "a bundle that an earlier run built from source is used",
        _source_is(CAPTURED),
    ),
    State(
        READY_WITH_FALLBACK,
        (BUILDER, REPO, RUNNER, SOURCE),
        None,
        "the benchmark's own repository is used; the stage step makes a bundle of it",
        _source_is(BUILDER, REPO, RUNNER, SOURCE),
    ),
)


def state_of(case: Case) -> tuple[State, str]:
    """Return the state of a case and its basis."""
    state = next(state for state in STATES if state.holds(case))
    chosen = case.decision.chosen
    return state, state.bases[0] if len(state.bases) == 1 or chosen is None else chosen.source
