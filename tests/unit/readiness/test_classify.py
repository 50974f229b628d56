# SPDX-License-Identifier: Apache-2.0
"""The classifier: which status each piece of evidence gives, and what to do about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rackbench.adapters.catalog import Adapter, BundleRef, Requirement
from rackbench.bundles.resolve import Candidate, Decision
from rackbench.errors import FAILURES
from rackbench.readiness.classify import classify, commands_needed

LSTOPO = Requirement("lstopo", {"default": "hwloc", "apt": "hwloc-nox"}, required=True, bootstrap=False)
NUMACTL = Requirement("numactl", {"default": "numactl"}, required=False, bootstrap=False)
ADAPTER = Adapter(
    name="probe",
    summary="",
    description="",
    publish_target="probe",
    bundle=BundleRef("probe", None, "any"),
    requirements=(LSTOPO, NUMACTL),
    capabilities=frozenset(),
    families=(),
    default_families=(),
    headline=(),
    artifacts=(),
    directory=Path("roles/probe"),
)
FOUND = {"lstopo": "/usr/bin/lstopo", "numactl": "/usr/bin/numactl"}


def probe(**fields: Any) -> dict[str, Any]:
    return {
        "commands": FOUND,
        "package_manager": "apt",
        "user": "root",
        "python": "3.11.2",
        "free_bytes": 10**9,
    } | fields


def candidate(source: str, reason: str | None = None) -> Candidate:
    return Candidate(
        path=Path(f"{source}/probe.tar.gz"),
        source=source,
        accepted=reason is None,
        reason=reason,
        detail=f"because of the {reason}." if reason else None,
        version="1.0.0",
        entry_point="bin/run",
        sha256="0" * 64,
        size=1000,
        unpacked_size=2000,
        basis="prebuilt",
    )


def decision(*candidates: Candidate) -> Decision:
    chosen = next((each for each in candidates if each.accepted), None)
    return Decision("probe", chosen, candidates)


@pytest.mark.parametrize(
    ("made", "seen", "status", "basis"),
    [
        (decision(candidate("configured")), probe(), "ready", "bundle"),
        (decision(candidate("dist")), probe(), "ready_with_local_bundle", "bundle"),
        (
            decision(candidate("configured", "checksum"), candidate("dist")),
            probe(),
            "bundle_invalid_fallback_available",
            "bundle",
        ),
        (decision(candidate("configured", "checksum")), probe(), "packaging_blocked", "bundle"),
        (decision(), probe(), "packaging_blocked", "bundle"),
        (decision(candidate("dist")), probe(free_bytes=2999), "packaging_blocked", "disk"),
        (decision(candidate("dist")), probe(free_bytes=3000), "ready_with_local_bundle", "bundle"),
        (decision(candidate("dist")), probe(commands={}), "runtime_missing", "commands"),
        (
            decision(candidate("dist")),
            probe(commands=FOUND | {"numactl": None}),
            "ready_with_local_bundle",
            "bundle",
        ),
        (decision(candidate("dist")), None, "unreachable", "probe"),
    ],
)
def test_status_and_basis(made: Decision, seen: dict[str, Any] | None, status: str, basis: str) -> None:
    verdict = classify(ADAPTER, made, seen)
    assert (verdict.status, verdict.status_basis) == (status, basis)
    assert verdict.message


def test_a_missing_command_is_named_with_package_and_install_command() -> None:
    verdict = classify(ADAPTER, decision(candidate("dist")), probe(commands={"numactl": "/usr/bin/numactl"}))
    assert verdict.missing == ("lstopo (hwloc-nox)",)
    assert "lstopo (hwloc-nox)" in verdict.message
    assert verdict.install_command == "apt-get install --yes hwloc-nox"
    assert verdict.failure_code == "runtime_missing"


def test_a_user_who_is_not_root_is_told_to_use_sudo() -> None:
    verdict = classify(
        ADAPTER, decision(candidate("dist")), probe(commands={}, user="lab", package_manager="dnf")
    )
    assert verdict.install_command == "sudo dnf install --assumeyes hwloc numactl"


def test_an_unknown_package_manager_leaves_the_package_and_no_command() -> None:
    verdict = classify(ADAPTER, decision(candidate("dist")), probe(commands={}, package_manager=None))
    assert verdict.missing == ("lstopo (hwloc)",)
    assert verdict.install_command is None


def test_an_unreachable_host_keeps_what_would_have_been_looked_for() -> None:
    verdict = classify(ADAPTER, decision(candidate("dist")), None)
    assert [(each["command"], each["package"], each["found"]) for each in verdict.commands] == [
        ("lstopo", "hwloc", None),
        ("numactl", "numactl", None),
    ]
    assert verdict.failure_code == "host_unreachable"


def test_a_blocked_adapter_is_told_why_each_bundle_was_rejected() -> None:
    verdict = classify(
        ADAPTER, decision(candidate("configured", "checksum"), candidate("dist", "platform")), probe()
    )
    assert "configured/probe.tar.gz: because of the checksum." in verdict.message
    assert "dist/probe.tar.gz: because of the platform." in verdict.message


def test_a_probe_has_to_look_for_every_command_once() -> None:
    assert commands_needed([ADAPTER, ADAPTER]) == {"lstopo", "numactl"}


CANDIDATES = st.lists(
    st.tuples(
        st.sampled_from(["configured", "cache", "dist"]), st.sampled_from([None, "checksum", "platform"])
    ),
    max_size=4,
).map(lambda pairs: tuple(candidate(source, reason) for source, reason in pairs))


@settings(deadline=None, max_examples=100)
@given(
    CANDIDATES,
    st.none()
    | st.builds(
        probe,
        commands=st.dictionaries(st.sampled_from(["lstopo", "numactl"]), st.none() | st.just("/bin/x")),
        package_manager=st.sampled_from([None, "apt", "dnf", "zypper", "pacman", "apk", "brew"]),
        free_bytes=st.none() | st.integers(0, 10_000),
    ),
)
def test_an_adapter_may_run_exactly_when_nothing_speaks_against_it(
    candidates: tuple[Candidate, ...], seen: dict[str, Any] | None
) -> None:
    made = decision(*candidates)
    verdict = classify(ADAPTER, made, seen)
    assert verdict == classify(ADAPTER, made, seen)
    may_run = bool(
        seen
        and made.chosen
        and seen["commands"].get("lstopo")
        and (seen["free_bytes"] is None or seen["free_bytes"] >= 3000)
    )
    assert (verdict.failure_code is None) == may_run
    assert verdict.failure_code is None or verdict.failure_code in FAILURES
    assert verdict.as_dict()["status"] == verdict.status


def test_a_host_without_room_for_the_bundle_has_a_full_disk() -> None:
    verdict = classify(ADAPTER, decision(candidate("dist")), probe(free_bytes=0))
    assert verdict.failure_code == "target_disk_full"
    assert verdict.next_command is None
