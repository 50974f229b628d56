# SPDX-License-Identifier: Apache-2.0
"""Machine names and the match of a bundle with a host."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rackbench.bundles.catalog import Listed, Named, newest_first, order
from rackbench.bundles.platforms import (
    Platform,
    local_platform,
    mismatch,
    normalise_machine,
    platform_of,
    version_key,
)
from rackbench.models.bundle import Provenance, Sidecar

# Who names machines, and how each calls ours. From: Linux' UTS_MACHINE, platform.machine() on Linux, macOS and Windows,
# `dpkg-architecture -L`, rpm's rpmrc, Docker's platforms (GOOS/GOARCH/variant), and `rustc --print target-list`.
NAMERS = {
    "uname -m": {
        "x86_64": ["x86_64"],
        "aarch64": ["aarch64"],
        "armv7l": ["armv7l", "armv8l"],
        "armv6l": ["armv6l"],
        "armv5tel": ["armv5tel", "armv5tejl"],
        "i686": ["i386", "i486", "i586", "i686"],
        "riscv64": ["riscv64"],
        "ppc64le": ["ppc64le"],
        "ppc64": ["ppc64"],
        "s390x": ["s390x"],
        "loongarch64": ["loongarch64"],
    },
    "platform.machine()": {
        "x86_64": ["AMD64", "x86_64"],
        "aarch64": ["arm64", "ARM64", "aarch64"],
        "i686": ["x86"],
    },
    "Debian": {
        "x86_64": ["amd64", "x86_64-linux-gnu"],
        "aarch64": ["arm64", "aarch64-linux-gnu"],
        "armv7l": ["armhf"],
        "armv5tel": ["armel"],
        "i686": ["i386", "i386-linux-gnu"],
        "mips64el": ["mips64el"],
        "riscv64": ["riscv64"],
        "ppc64le": ["ppc64el"],
        "ppc64": ["ppc64"],
        "s390x": ["s390x"],
        "loongarch64": ["loong64"],
    },
    "RPM": {
        "x86_64": ["x86_64", "amd64"],
        "aarch64": ["aarch64"],
        "armv7l": ["armv7hl", "armv7hnl", "armv7l"],
        "armv6l": ["armv6hl"],
        "armv5tel": ["armv5tel"],
        "i686": ["i386", "i486", "i586", "i686"],
        "riscv64": ["riscv64"],
        "ppc64le": ["ppc64le"],
        "ppc64": ["ppc64"],
        "s390x": ["s390x"],
        "loongarch64": ["loongarch64"],
    },
    "Docker": {
        "x86_64": ["amd64", "linux/amd64"],
        "aarch64": ["arm64", "linux/arm64", "linux/arm64/v8", "arm64v8"],
        "armv7l": ["linux/arm/v7", "arm/v7", "arm32v7"],
        "armv6l": ["linux/arm/v6", "arm/v6", "arm32v6"],
        "armv5tel": ["linux/arm/v5", "arm/v5", "arm32v5"],
        "i686": ["386", "linux/386"],
        "riscv64": ["linux/riscv64"],
        "ppc64le": ["linux/ppc64le"],
        "s390x": ["linux/s390x"],
        "mips64el": ["linux/mips64le"],
        "loongarch64": ["linux/loong64"],
    },
    "Rust": {
        "x86_64": ["x86_64-unknown-linux-gnu", "x86_64-unknown-linux-musl", "x86_64-apple-darwin"],
        "aarch64": ["aarch64-unknown-linux-gnu", "aarch64-unknown-linux-musl", "arm64-apple-darwin"],
        "armv7l": ["armv7-unknown-linux-gnueabihf"],
        "armv6l": ["arm-unknown-linux-gnueabihf"],
        "armv5tel": ["armv5te-unknown-linux-gnueabi"],
        "i686": ["i686-unknown-linux-gnu", "i586-unknown-linux-gnu"],
        "riscv64": ["riscv64gc-unknown-linux-gnu", "riscv64a23-unknown-linux-gnu"],
        "ppc64le": ["powerpc64le-unknown-linux-gnu"],
        "ppc64": ["powerpc64-unknown-linux-gnu"],
        "s390x": ["s390x-unknown-linux-gnu"],
        "mips64el": ["mips64el-unknown-linux-gnuabi64"],
        "loongarch64": ["loongarch64-unknown-linux-gnu"],
    },
}
NAMES = {
    ours: sorted({name for names in NAMERS.values() for name in names.get(ours, ())})
    for ours in sorted({ours for names in NAMERS.values() for ours in names})
}


@pytest.mark.parametrize("level", ["x86_64_v3", "amd64/v3", "linux/amd64/v2"])
def test_a_level_of_a_machine_is_no_other_name_of_it(level: str) -> None:
    """A bundle for the level would be killed on an older machine of the same type."""
    assert normalise_machine(level) != "x86_64"


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
    ("namer", "ours", "theirs"),
    [
        (namer, ours, name)
        for namer, table in NAMERS.items()
        for ours, names in table.items()
        for name in names
    ],
)
def test_every_name_of_a_machine_becomes_ours(namer: str, ours: str, theirs: str) -> None:
    assert normalise_machine(theirs) == ours, namer


@pytest.mark.slow
@settings(deadline=None, max_examples=100)
@given(st.text(max_size=30) | st.sampled_from([name for names in NAMES.values() for name in names]))
def test_normalising_a_machine_name_twice_changes_nothing_more(name: str) -> None:
    once = normalise_machine(name)
    assert normalise_machine(once) == once


def test_python_name_of_this_machine_and_the_platform_of_it_agree() -> None:
    assert local_platform().machine == normalise_machine(platform.machine())
    assert mismatch(local_platform(), local_platform()) is None


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
    assert word in " ".join(mismatch(needs, host) or ())


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
    assert mismatch(needs, host) is None


@settings(deadline=None, max_examples=100)
@given(PLATFORMS, PLATFORMS)
def test_only_the_same_system_and_machine_ever_match(needs: Platform, host: Platform) -> None:
    if mismatch(needs, host) is None:
        assert (needs.os, needs.machine) == (host.os, host.machine)
        assert needs.libc in {None, host.libc}


def test_versions_are_ordered_as_numbers() -> None:
    assert version_key("2.9") < version_key("2.36") < version_key("10.0.1")


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("1.0.0-rc.1", "1.0.0"),
        ("1.0.0-rc", "1.0.0"),
        ("1.0.0-rc.9", "1.0.0-rc.10"),
        ("1.0.0-rc", "1.0.0-rc.1"),
        ("0.9.9", "1.0.0-rc.1"),
        ("1.0.0", "1.0.0.1"),
        ("0.0.0-012345abcdef", "0.0.1"),
    ],
)
def test_a_pre_release_is_older_than_its_release(older: str, newer: str) -> None:
    assert version_key(older) < version_key(newer)


VERSIONS = st.from_regex(r"[0-2]\.[0-2]\.[0-2]([.-][0-2a-b.]{1,4})?", fullmatch=True)


@settings(deadline=None, max_examples=200)
@given(st.lists(VERSIONS, max_size=6, unique_by=version_key))
def test_lists_of_bundles_and_comparisons_agree_which_version_is_newest(versions: list[str]) -> None:
    newest = sorted(versions, key=version_key, reverse=True)
    names = [Named(Path(version), version, version_key(version), "any") for version in versions]
    read = [Listed(Path(version), sidecar(version), None) for version in versions]
    assert [named.version for named in newest_first(names)] == newest
    assert [str(listed.tarball) for listed in sorted(read, key=order)] == newest


def sidecar(version: str) -> Sidecar:
    return Sidecar(
        schema="rackbench.bundle/1.0",
        name="probe",
        version=version,
        platform="any",
        entry_point="bin/run",
        sha256="0" * 64,
        size=1,
        unpacked_size=1,
        file_count=1,
        provenance=Provenance(source_digest="0" * 64, built_by="test"),
    )


def test_the_package_number_of_a_c_library_makes_it_no_older() -> None:
    assert mismatch(X86, Platform("linux", "x86_64", "gnu", "2.36-9+deb12u4")) is None
