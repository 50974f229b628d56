# SPDX-License-Identifier: Apache-2.0
"""Programs that nobody runs: enough of an ELF file to tell its machine and C library."""

from __future__ import annotations

import struct

X86_64, AARCH64 = 62, 183


def elf(machine: int, content: bytes = b"") -> bytes:
    """Return a little-endian 64-bit program."""
    return b"\x7fELF\x02\x01".ljust(18, b"\0") + struct.pack("<H", machine) + content
