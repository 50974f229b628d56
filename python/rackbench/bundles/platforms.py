# SPDX-License-Identifier: Apache-2.0
"""Platforms: one name per machine type, what a host is, and whether a bundle's needs fit it."""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

ANY = "any"
# Why a bundle does not fit a host.
PLATFORM, LIBC, PLATFORM_UNKNOWN = "platform", "libc", "platform_unknown"

# Our name (what `uname -m` prints on Linux): the names that Python, Debian, RPM, Docker and Rust use for it.
_ALIASES: dict[str, tuple[str, ...]] = {
    "x86_64": ("amd64", "x64", "x86-64"),
    "aarch64": ("arm64", "arm64/v8", "arm64v8", "armv8"),
    "armv7l": ("armhf", "armv7", "armv7hl", "armv7hnl", "armv8l", "arm/v7", "arm32v7"),
    "armv6l": ("armv6", "armv6hl", "arm", "arm/v6", "arm32v6"),
    "armv5tel": ("armel", "armv5te", "armv5tejl", "arm/v5", "arm32v5"),
    "i686": ("i386", "i486", "i586", "386", "x86", "ia32"),
    "riscv64": ("riscv64gc", "riscv64a23"),
    "ppc64le": ("ppc64el", "powerpc64le"),
    "ppc64": ("powerpc64",),
    "s390x": (),
    "loongarch64": ("loong64",),
    "mips64el": ("mips64le",),
}
_NAMES = {alias: name for name, aliases in _ALIASES.items() for alias in (name, *aliases)}
_LIBCS = {
    "glibc": "gnu",
    "gnu": "gnu",
    "gnueabihf": "gnu",
    "gnueabi": "gnu",
    "musl": "musl",
    "musleabihf": "musl",
}

# In the order of versions: a suffix after a hyphen comes before the end, and that before one more number.
_PRE_RELEASE, _END = -2, -1


def normalise_machine(name: str) -> str:
    """Return the one name of a machine type: `arm64`, `linux/arm64/v8` and `aarch64-unknown-linux-gnu` are `aarch64`.

    A name that no table knows comes back in lower case: it still equals itself.
    """
    text = name.strip().lower()
    text = text.removeprefix("linux/")
    if text in _NAMES:
        return _NAMES[text]
    # A triple of Rust, GNU or Debian: its first part is the machine.
    first = text.split("-", 1)[0]
    return _NAMES.get(first, text)


def normalise_libc(name: str | None) -> str | None:
    """Return `gnu`, `musl` or another C library's name in lower case; None when there is none or it is unknown."""
    text = (name or "").strip().lower()
    return _LIBCS.get(text, text) or None


@dataclass(frozen=True, slots=True)
class Platform:
    """What a host is, or what a bundle needs: a bundle's `libc` is None when it brings or needs none."""

    os: str
    machine: str
    libc: str | None = None
    libc_version: str | None = None

    def tag(self) -> str:
        """Return the name as it stands in file names, for example `linux-x86_64-gnu`."""
        return "-".join(part for part in (self.os, self.machine, self.libc) if part)

    def as_dict(self) -> dict[str, str | None]:
        """Return the fields as a sidecar has them."""
        return {
            "os": self.os,
            "machine": self.machine,
            "libc": self.libc,
            "libc_version": self.libc_version,
        }


def platform_of(record: Mapping[str, Any]) -> Platform:
    """Return the platform of a journal's `platform` record, or of the part of it that a snapshot kept."""
    libc = record.get("libc") or {}
    return Platform(
        os=str(record["os"]).lower(),
        machine=normalise_machine(str(record["machine"])),
        libc=normalise_libc(libc.get("name")),
        libc_version=libc.get("version") or None,
    )


def local_platform() -> Platform:
    """Return what this machine is."""
    name, version = platform.libc_ver()
    if not name and any(Path("/lib").glob("ld-musl-*.so.1")):
        name = "musl"
    return Platform(
        os=platform.system().lower(),
        machine=normalise_machine(platform.machine()),
        libc=normalise_libc(name),
        libc_version=version or None,
    )


def mismatch(needs: Platform | None, host: Platform | None) -> tuple[str, str] | None:
    """Return why a bundle that needs `needs` cannot run on `host`, or None when it can.

    The reason is a code (`PLATFORM`, `LIBC` or `PLATFORM_UNKNOWN`) and words. `needs` is None for a bundle that runs
    anywhere; `host` is None when nobody could ask it.
    """
    if needs is None:
        return None
    if host is None:
        return PLATFORM_UNKNOWN, f"it is built for {needs.tag()}, and the host's platform is not known."
    if (needs.os, needs.machine) != (host.os, host.machine):
        return (
            PLATFORM,
            f"it is built for {needs.os}-{needs.machine}, and the host is {host.os}-{host.machine}.",
        )
    if needs.libc is None:
        return None
    if needs.libc != host.libc:
        found = host.libc or "one that is not known"
        return LIBC, f"it needs the C library {needs.libc}, and the host has {found}."
    if needs.libc_version is None:
        return None
    # A distribution's C library has a hyphen before the number of the package, which is no pre-release.
    if host.libc_version is None or _numbers(host.libc_version) < _numbers(needs.libc_version):
        found = host.libc_version or "an unknown one"
        return LIBC, f"it needs {needs.libc} {needs.libc_version}, and the host has {found}."
    return None


def version_key(version: str) -> tuple[int, ...]:
    """Return the numbers of a version in order: 2.9 comes before 2.36, and 1.0.0-rc.1 and -rc.2 before 1.0.0.

    No key is the beginning of another one, so that the negative numbers sort the other way round.
    """
    release, hyphen, suffix = version.partition("-")
    return (*_numbers(release), *((_PRE_RELEASE, *_numbers(suffix)) if hyphen else ()), _END)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d{1,9}", text)))
