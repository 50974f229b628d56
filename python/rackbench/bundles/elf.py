# SPDX-License-Identifier: Apache-2.0
"""What programs need of a host, read from the programs themselves."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, BinaryIO

from rackbench.bundles.platforms import Platform, version_key

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_MAGIC = b"\x7fELF"
# e_machine of the ELF specification, by (number, bits, little-endian) where a number stands for more than one machine.
_MACHINES = {
    (3, 32, True): "i686",
    (62, 64, True): "x86_64",
    (40, 32, True): "armv7l",
    (183, 64, True): "aarch64",
    (243, 64, True): "riscv64",
    (21, 64, True): "ppc64le",
    (21, 64, False): "ppc64",
    (22, 64, False): "s390x",
    (258, 64, True): "loongarch64",
    (8, 64, True): "mips64el",
}

# How the paths of the C libraries' loaders go on after their directory.
_MUSL = b"/ld-musl-"
_GNU = (b"/ld-linux", b"/ld64.so", b"/ld.so.1")
# The zero byte at the end is the one before the next name.
_SYMBOL_VERSION = re.compile(rb"\0GLIBC_(\d+(?:\.\d+)+)(?=\0)")
_BLOCK = 1 << 20
# No name that is looked for is longer.
_LONGEST = 64


def machine_of(head: bytes) -> str | None:
    """Return the machine of an ELF file by its first 20 bytes; None for another file, `unknown` for another machine."""
    if len(head) < 20 or not head.startswith(_MAGIC):
        return None
    little = head[5] != 2
    (number,) = struct.unpack_from("<H" if little else ">H", head, 18)
    return _MACHINES.get((number, 64 if head[4] == 2 else 32, little), "unknown")


def program_needs(files: Iterable[Path]) -> Platform | None:
    """Return what the ELF programs among the files need; None when there are none. Raises `OSError`.

    The C library is the oldest that has all their symbols, and not this machine's, so a bundle also runs on older hosts
    when it can.
    """
    machine: str | None = None
    libc: str | None = None
    versions: set[str] = set()
    for path in files:
        with path.open("rb") as stream:
            found = machine_of(stream.read(20))
            if found is None:
                continue
            stream.seek(0)
            loaders, symbols = _names_in(stream)
        machine = machine or found
        if _MUSL in loaders:
            libc = "musl"
        # A static program has no interpreter: symbol versions in it are its own and ask nothing of the host.
        elif loaders:
            libc = "gnu"
            versions |= symbols
    if machine is None:
        return None
    newest = max(versions, key=version_key) if versions else None
    return Platform("linux", machine, libc, newest)


def _names_in(program: BinaryIO) -> tuple[set[bytes], set[str]]:
    """Return which loaders of C libraries a program names, and which versions of glibc. Reads block by block."""
    loaders: set[bytes] = set()
    versions: set[str] = set()
    end = b""
    while block := program.read(_BLOCK):
        # A name may lie across two blocks.
        window = end + block
        loaders |= {loader for loader in (_MUSL, *_GNU) if loader in window}
        versions |= {name.decode() for name in _SYMBOL_VERSION.findall(window)}
        end = window[-_LONGEST:]
    return loaders, versions
