# SPDX-License-Identifier: Apache-2.0
"""Machine names and the match of a bundle with a host."""

from __future__ import annotations

import platform

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rackbench.bundles.platforms import (
    Platform,
    local_platform,
    matches,
    normalise_machine,
    platform_of,
    version_key,
)

# Ours: what uname and Python, Debian, RPM, Docker and Rust say.
NAMES = {
    "x86_64": ["x86_64", "AMD64", "amd64", "linux/amd64", "x86_64-unknown-linux-gnu", "x86_64-linux-musl"],
    "aarch64": ["aarch64", "arm64", "linux/arm64", "linux/arm64/v8", "aarch64-unknown-linux-musl", "ARM64"],
    "armv7l": ["armv7l", "armhf", "armv7hl", "linux/arm/v7", "armv7-unknown-linux-gnueabihf"],
    "armv6l": ["armv6l", "armv6hl", "linux/arm/v6", "arm-unknown-linux-gnueabihf"],
    "i686": ["i686", "i386", "linux/386", "i586-unknown-linux-gnu", "x86"],
    "riscv64": ["riscv64", "linux/riscv64", "riscv64gc-unknown-linux-gnu"],
    "ppc64le": ["ppc64le", "ppc64el", "linux/ppc64le", "powerpc64le-unknown-linux-gnu"],
    "s390x": ["s390x", "linux/s390x", "s390x-unknown-linux-gnu"],
    "loongarch64": ["loongarch64", "loong64", "linux/loong64", "loongarch64-unknown-linux-gnu"],
}
X86 = Platform("linux", "x86_64", "gnu", "2.36")
MACHINES = st.sampled_from(sorted(NAMES))
PLATFORMS = st.builds(
    Platform,
    os=st.sampled_from(["linux", "darwin"]),
    machine=MACHINES,
    libc=st.sampled_from([None, "gnu", "musl"]),
    libc_version=st.sampled_from([None, "2.9", "2.31", "2.36"]),
)


@pytest.mark.parametrize(
    ("ours", "theirs"), [(ours, name) for ours, names in NAMES.items() for name in names]
)
def test_every_name_of_a_machine_becomes_ours(ours: str, theirs: str) -> None:
    assert normalise_machine(theirs) == ours


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=30) | st.sampled_from([name for names in NAMES.values() for name in names]))
def test_normalising_a_machine_name_twice_changes_nothing_more(name: str) -> None:
    once = normalise_machine(name)
    assert normalise_machine(once) == once


def test_python_name_of_this_machine_and_the_platform_of_it_agree() -> None:
    assert local_platform().machine == normalise_machine(platform.machine())
    assert matches(local_platform(), local_platform()) is None


def test_a_journal_record_becomes_a_platform_with_our_names() -> None:
    record = {
        "os": "Linux",
        "machine": "arm64",
        "libc": {"name": "glibc", "version": "2.36"},
        "kernel": "6.1",
    }
    assert platform_of(record) == Platform("linux", "aarch64", "gnu", "2.36")
    assert platform_of(record).tag() == "linux-aarch64-gnu"


def test_a_record_without_a_c_library_has_none() -> None:
    assert platform_of({"os": "linux", "machine": "x86_64", "libc": None}).libc is None


@pytest.mark.parametrize(
    ("needs", "host", "word"),
    [
        (X86, Platform("linux", "aarch64", "gnu", "2.36"), "linux-aarch64"),
        (X86, Platform("darwin", "x86_64"), "darwin"),
        (X86, Platform("linux", "x86_64", "musl", "1.2"), "musl"),
        (X86, Platform("linux", "x86_64"), "not known"),
        (X86, Platform("linux", "x86_64", "gnu", "2.9"), "2.9"),
        (X86, Platform("linux", "x86_64", "gnu"), "unknown"),
        (X86, None, "not known"),
    ],
)
def test_a_bundle_for_another_platform_is_refused_with_what_differs(
    needs: Platform, host: Platform | None, word: str
) -> None:
    assert word in (matches(needs, host) or "")


@pytest.mark.parametrize(
    ("needs", "host"),
    [
        (None, X86),
        (None, None),
        (X86, X86),
        (Platform("linux", "x86_64", "gnu", "2.9"), X86),
        (Platform("linux", "x86_64", "gnu"), X86),
        (Platform("linux", "x86_64"), Platform("linux", "x86_64", "musl", "1.2")),
    ],
)
def test_a_bundle_that_fits_has_no_reason_against_it(needs: Platform | None, host: Platform | None) -> None:
    assert matches(needs, host) is None


@settings(deadline=None, max_examples=100)
@given(PLATFORMS, PLATFORMS)
def test_only_the_same_system_and_machine_ever_match(needs: Platform, host: Platform) -> None:
    if matches(needs, host) is None:
        assert (needs.os, needs.machine) == (host.os, host.machine)
        assert needs.libc in {None, host.libc}


def test_versions_are_ordered_as_numbers() -> None:
    assert version_key("2.9") < version_key("2.36") < version_key("10.0.1")
