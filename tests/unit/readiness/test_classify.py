# SPDX-License-Identifier: Apache-2.0
"""The classifier: which state each piece of evidence gives, and what to do about it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rackbench.adapters.catalog import Requirement
from rackbench.bundles.attachments import Attachment
from rackbench.errors import FAILURES
from rackbench.readiness.classify import chosen_digests, classify, commands_needed
from rackbench.readiness.states import STATES, Evidence

from tests.unit.readiness.samples import (
    ADAPTER,
    HOST,
    HUNGRY,
    MADE,
    PREBUILT,
    candidate,
    decision,
    evidence,
    probe,
)

if TYPE_CHECKING:
    from rackbench.adapters.catalog import Adapter

SOURCES = (*PREBUILT, *MADE)
GOOD = candidate("dist")
BAD = candidate("configured", "checksum")
READY_STATES = {
    "configured": "ready",
    "cache": "ready",
    "captured": "ready_with_captured_cache",
    "dist": "ready_with_local_bundle",
    **dict.fromkeys(MADE, "ready_with_fallback"),
}
NOT_THERE = Attachment("archive", reason="not_set", detail="Set the archive.")
UNFIT_ONE = Attachment("archive", "/a.tar.gz", "unfit", "/a.tar.gz is something else.")
FITTING = Attachment("archive", "/a.tar.gz", sha256="a" * 64, size=100, unpacked_size=200)


def attached(attachment: Attachment, **seen: Any) -> Evidence:
    """Return evidence of a good bundle with one of the operator's files beside it."""
    known = evidence(GOOD, seen=probe(**seen))
    return replace(known, decision=replace(known.decision, attachments=(attachment,)))


# Evidence, and the state and basis that follow. Each state and each basis is reached by one.
CASES: list[tuple[Adapter, Evidence, str, str]] = [
    (ADAPTER, evidence(GOOD, reached=False), "unreachable", "connectivity"),
    (ADAPTER, evidence(), "packaging_blocked", "bundle"),
    (ADAPTER, evidence(BAD), "packaging_blocked", "bundle"),
    (
        ADAPTER,
        evidence(BAD, candidate("dist", "platform_unknown"), candidate("repo", "no_entry_point")),
        "packaging_blocked",
        "platform",
    ),
    (
        ADAPTER,
        evidence(candidate("dist", "platform_unknown"), candidate("repo")),
        "ready_with_fallback",
        "repo",
    ),
    (ADAPTER, attached(NOT_THERE), "packaging_blocked", "settings"),
    (ADAPTER, attached(UNFIT_ONE), "packaging_blocked", "attachment"),
    (ADAPTER, attached(FITTING), "ready_with_local_bundle", "dist"),
    # The archive that the operator has counts beside the bundle, unless it is on the host already.
    (ADAPTER, attached(FITTING, free_bytes=3299), "packaging_blocked", "disk"),
    (ADAPTER, attached(FITTING, free_bytes=3300), "ready_with_local_bundle", "dist"),
    (ADAPTER, attached(FITTING, free_bytes=3000, stored=["a" * 64]), "ready_with_local_bundle", "dist"),
    (ADAPTER, evidence(GOOD, seen=probe(free_bytes=2999)), "packaging_blocked", "disk"),
    (HUNGRY, evidence(GOOD, seen=probe(free_bytes=3499)), "packaging_blocked", "disk"),
    (HUNGRY, evidence(candidate("repo"), seen=probe(free_bytes=499)), "packaging_blocked", "disk"),
    # A bundle that is there already needs no room, and no quota keeps it out; another one does.
    (
        HUNGRY,
        replace(evidence(GOOD, seen=probe(free_bytes=500, stored=["0" * 64])), quota_bytes=1),
        "ready_with_local_bundle",
        "dist",
    ),
    (HUNGRY, evidence(GOOD, seen=probe(free_bytes=499, stored=["0" * 64])), "packaging_blocked", "disk"),
    (ADAPTER, evidence(GOOD, seen=probe(free_bytes=2999, stored=["1" * 64])), "packaging_blocked", "disk"),
    (ADAPTER, replace(evidence(GOOD), quota_bytes=1999), "packaging_blocked", "disk"),
    (ADAPTER, Evidence(decision(GOOD), quota_bytes=1999), "packaging_blocked", "disk"),
    (ADAPTER, replace(evidence(GOOD), quota_bytes=2000), "ready_with_local_bundle", "dist"),
    (ADAPTER, replace(evidence(candidate("repo")), quota_bytes=1), "ready_with_fallback", "repo"),
    (ADAPTER, evidence(GOOD, seen=probe("lstopo")), "runtime_missing", "commands"),
    (ADAPTER, evidence(candidate("source"), seen=probe("cargo", "cc")), "runtime_missing", "commands"),
    (HUNGRY, evidence(GOOD, seen=probe(memory_bytes=3999)), "runtime_missing", "memory"),
    (HUNGRY, evidence(GOOD, seen=probe(user="lab", root=False)), "runtime_missing", "root"),
    (ADAPTER, evidence(candidate("source"), seen=probe("cargo")), "bootstrap_required", "commands"),
    (ADAPTER, evidence(BAD, candidate("source"), seen=probe("cargo")), "bootstrap_required", "commands"),
    *(
        (ADAPTER, evidence(BAD, candidate(source)), "bundle_invalid_fallback_available", source)
        for source in SOURCES[1:]
    ),
    *((ADAPTER, evidence(candidate(source)), state, source) for source, state in READY_STATES.items()),
    # What is just enough, and what nobody knows, is not held against a host.
    (
        HUNGRY,
        evidence(GOOD, seen=probe(free_bytes=3500, memory_bytes=4000)),
        "ready_with_local_bundle",
        "dist",
    ),
    (
        HUNGRY,
        evidence(GOOD, seen=probe(free_bytes=None, memory_bytes=None, root=None)),
        "ready_with_local_bundle",
        "dist",
    ),
    (HUNGRY, evidence(GOOD, seen={"commands": {}}), "ready_with_local_bundle", "dist"),
    (HUNGRY, Evidence(decision(GOOD)), "ready_with_local_bundle", "dist"),
    (ADAPTER, evidence(GOOD, seen=probe("numactl", "cargo", "cc")), "ready_with_local_bundle", "dist"),
]


@pytest.mark.parametrize(("adapter", "known", "status", "basis"), CASES)
def test_state_and_basis_follow_from_the_evidence(
    adapter: Adapter, known: Evidence, status: str, basis: str
) -> None:
    verdict = classify(adapter, HOST, known)
    assert (verdict.status, verdict.status_basis) == (status, basis)
    assert verdict.message.endswith(".")


def test_every_state_and_every_basis_of_the_table_can_be_reached() -> None:
    reached = {(status, basis) for _adapter, _known, status, basis in CASES}
    assert reached == {(state.name, basis) for state in STATES for basis in state.bases}
    assert len({state.name for state in STATES}) == 9


def test_the_first_state_that_holds_counts() -> None:
    known = evidence(GOOD, seen=probe("lstopo", free_bytes=0, memory_bytes=0, root=False))
    order: list[tuple[str, dict[str, Any]]] = [
        ("disk", {"free_bytes": 10**9}),
        ("commands", {"commands": {}}),
        ("memory", {"memory_bytes": 10**9}),
    ]
    for basis, better in order:
        assert classify(HUNGRY, HOST, known).status_basis == basis
        known = replace(known, probe={**(known.probe or {}), **better})
    assert classify(HUNGRY, HOST, known).status_basis == "root"


def test_a_missing_command_is_named_with_package_and_install_command() -> None:
    verdict = classify(ADAPTER, HOST, evidence(GOOD, seen=probe("lstopo")))
    assert verdict.missing == ("lstopo (hwloc-nox)",)
    assert "lstopo (hwloc-nox)" in verdict.message
    assert verdict.install_command == "apt-get install --yes hwloc-nox"
    assert verdict.next_command == verdict.install_command


@pytest.mark.parametrize(
    ("manager", "command"),
    [
        ("apt", "sudo apt-get install --yes hwloc-nox numactl"),
        ("dnf", "sudo dnf install --assumeyes hwloc numactl"),
        ("zypper", "sudo zypper --non-interactive install hwloc numactl"),
        ("pacman", "sudo pacman --sync --needed --noconfirm hwloc numactl"),
        ("apk", "sudo apk add hwloc numactl"),
        (None, None),
        ("brew", None),
    ],
)
def test_the_install_command_is_that_of_the_package_manager(manager: str | None, command: str | None) -> None:
    seen = probe("lstopo", "numactl", user="lab", package_manager=manager)
    verdict = classify(ADAPTER, HOST, evidence(GOOD, seen=seen))
    assert verdict.install_command == command
    assert verdict.next_command == (command or "rackbench validate --host thor --scope all")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("configured", "configured/probe.tar.gz is configured and fits."),
        ("cache", "cache/probe.tar.gz is in the shared bundle cache and fits."),
        ("captured", "captured/probe.tar.gz was built from source by an earlier run and fits."),
        ("dist", "dist/probe.tar.gz was built here and fits."),
        ("builder", "The stage step builds a bundle on the controller by builder/probe.tar.gz."),
        ("repo", "The stage step makes a bundle of repo/probe.tar.gz as it is."),
        ("runner", "The stage step makes a bundle of the program runner/probe.tar.gz."),
        ("source", "The stage step builds a bundle on the host by source/probe.tar.gz."),
    ],
)
def test_the_message_names_the_bundle_that_is_used(source: str, words: str) -> None:
    assert classify(ADAPTER, HOST, evidence(candidate(source))).message == words


def test_the_message_about_a_full_disk_is_the_same_however_full_it_is() -> None:
    told = {classify(ADAPTER, HOST, evidence(GOOD, seen=probe(free_bytes=free))).message for free in (0, 9)}
    assert told == {"The host has less disk free than the 3000 bytes that are needed."}


def test_the_message_about_a_quota_names_it_and_the_bundle() -> None:
    verdict = classify(ADAPTER, HOST, replace(evidence(GOOD), quota_bytes=1999))
    assert verdict.message == (
        "The bundle has 2000 bytes unpacked, and lab_store_quota_bytes allows all bundles only 1999: raise it."
    )
    assert verdict.failure_code == "target_disk_full"


def test_the_disk_needed_for_a_bundle_that_is_there_is_only_the_benchmarks() -> None:
    seen = probe(stored=["0" * 64])
    assert classify(HUNGRY, HOST, evidence(GOOD, seen=seen)).requirements["disk_bytes"] == 500
    assert classify(HUNGRY, HOST, evidence(GOOD)).requirements["disk_bytes"] == 3500


def test_the_bundles_to_look_for_are_those_chosen_that_are_made() -> None:
    decisions = [decision(GOOD), decision(candidate("repo")), decision(BAD)]
    assert chosen_digests(decisions) == ["0" * 64]


def test_what_a_role_installs_is_told_apart_from_what_the_package_manager_must_install() -> None:
    verdict = classify(ADAPTER, HOST, evidence(candidate("source"), seen=probe("cargo", "cc", "numactl")))
    assert verdict.bootstrap == ("rustup",)
    assert verdict.missing == ("cargo (cargo)", "cc (gcc)")
    assert verdict.install_command == "apt-get install --yes gcc numactl"
    assert {
        each["command"]: (each["required"], each["bootstrap"], each["found"]) for each in verdict.commands
    } == {
        "lstopo": (True, None, "/usr/bin/lstopo"),
        "numactl": (False, None, None),
        "cargo": (True, "rustup", None),
        "cc": (True, None, None),
    }


@pytest.mark.parametrize(
    ("found", "missing"),
    [
        ({"python3.11": None, "python3.12": "/usr/bin/python3.12"}, ()),
        ({"python3.11": "/usr/bin/python3.11", "python3.12": None}, ()),
        ({"python3.11": None, "python3.12": None}, ("python3.11 or python3.12 (python3-venv)",)),
        # Nobody looked for the other one.
        ({"python3.11": None}, ()),
    ],
)
def test_a_command_counts_as_missing_only_without_those_that_do_as_well(
    found: dict[str, str | None], missing: tuple[str, ...]
) -> None:
    python = Requirement("python3.11", {"default": "python3-venv"}, instead=("python3.12",))
    adapter = replace(ADAPTER, requirements=(python,))
    readiness = classify(adapter, HOST, evidence(GOOD, seen={**probe(), "commands": found}))
    assert readiness.missing == missing
    assert readiness.status == ("runtime_missing" if missing else "ready_with_local_bundle")
    assert commands_needed([adapter], {adapter.name: decision(GOOD)}) == {"python3.11", "python3.12"}


def test_a_bundle_that_is_not_built_on_the_host_needs_no_compiler_there() -> None:
    verdict = classify(
        ADAPTER, HOST, evidence(GOOD, candidate("source", "lower_precedence"), seen=probe("cc"))
    )
    assert verdict.failure_code is None
    assert [each["command"] for each in verdict.commands] == ["lstopo", "numactl"]


def test_an_unreachable_host_keeps_what_would_have_been_looked_for() -> None:
    verdict = classify(ADAPTER, HOST, evidence(GOOD, reached=False))
    assert [
        (each["command"], each["package"], each["checked"], each["found"]) for each in verdict.commands
    ] == [
        ("lstopo", "hwloc", False, None),
        ("numactl", "numactl", False, None),
    ]
    assert verdict.capabilities == ("turns",)
    assert verdict.missing == ()
    assert verdict.next_command == "rackbench validate --host thor --scope connectivity"


def test_a_blocked_adapter_is_told_why_each_bundle_was_rejected() -> None:
    verdict = classify(ADAPTER, HOST, evidence(BAD, candidate("dist", "platform")))
    assert "configured/probe.tar.gz: because of the checksum." in verdict.message
    assert "dist/probe.tar.gz: because of the platform." in verdict.message
    assert verdict.next_command == "rackbench validate --host thor --scope staging"


def test_a_probe_has_to_look_for_every_command_once_and_for_those_of_a_build_on_the_host() -> None:
    made = decision(GOOD, candidate("source", "lower_precedence"))
    assert commands_needed([ADAPTER, ADAPTER], {"probe": made}) == {"lstopo", "numactl", "cargo", "cc"}


def known_evidence() -> st.SearchStrategy[Evidence]:
    reasons = st.sampled_from([None, "checksum", "platform", "platform_unknown", "lower_precedence"])
    candidates = st.lists(st.builds(candidate, st.sampled_from(SOURCES), reasons), max_size=5)
    amount = st.none() | st.integers(0, 6000)
    commands = st.dictionaries(
        st.sampled_from(["lstopo", "numactl", "cargo", "cc", "other"]), st.none() | st.just("/bin/x")
    )
    probes = st.none() | st.fixed_dictionaries(
        {},
        optional={
            "commands": commands,
            "package_manager": st.sampled_from([None, "apt", "dnf", "zypper", "pacman", "apk", "brew"]),
            "user": st.sampled_from([None, "root", "lab"]),
            "root": st.sampled_from([None, True, False]),
            "free_bytes": amount,
            "memory_bytes": amount,
        },
    )
    return st.builds(
        lambda found, seen, reached: Evidence(decision(*found), seen, reached),
        candidates,
        probes,
        st.booleans(),
    )


@settings(deadline=None, max_examples=500)
@given(known_evidence(), st.sampled_from([ADAPTER, HUNGRY]))
def test_every_evidence_gives_one_state_of_the_table_that_blocks_or_not(
    known: Evidence, adapter: Adapter
) -> None:
    verdict = classify(adapter, HOST, known)
    assert verdict == classify(adapter, HOST, known)
    (row,) = [each for each in STATES if each.name == verdict.status and verdict.status_basis in each.bases]
    assert verdict.failure_code == row.failure_code
    assert verdict.failure_code is None or verdict.failure_code in FAILURES
    assert (verdict.next_command is None) == (verdict.failure_code is None)
    may_run = verdict.status.startswith(("ready", "bootstrap", "bundle_invalid"))
    assert (verdict.failure_code is None) == may_run
    if may_run:
        assert known.reached
        assert known.decision.chosen is not None
        assert bool(verdict.bootstrap) == (verdict.status == "bootstrap_required")
    assert verdict.as_dict()["status"] == verdict.status


def worse(known: Evidence) -> list[Evidence]:
    """Return the evidence with one thing less each."""
    seen: dict[str, Any] = dict(known.probe or {})
    commands = dict(seen.get("commands") or {})
    return [
        *(
            replace(known, probe={**seen, "commands": {**commands, name: None}})
            for name in ("lstopo", "cargo", "cc")
        ),
        replace(known, probe={**seen, "free_bytes": 0}),
        replace(known, probe={**seen, "memory_bytes": 0}),
        replace(known, probe={**seen, "root": False}),
        replace(known, decision=decision()),
        replace(known, reached=False),
    ]


@settings(deadline=None, max_examples=300)
@given(known_evidence(), st.sampled_from([ADAPTER, HUNGRY]))
def test_taking_something_away_never_lets_a_blocked_host_run(known: Evidence, adapter: Adapter) -> None:
    if classify(adapter, HOST, known).failure_code is None:
        return
    assert all(classify(adapter, HOST, less).failure_code is not None for less in worse(known))
