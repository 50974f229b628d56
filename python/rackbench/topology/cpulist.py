# SPDX-License-Identifier: Apache-2.0
"""CPU lists as the kernel writes them (`0-3,8`), and its CPU masks (`00000000,0000010f`)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# Far above the kernel's own limit of 8192 CPUs; a range up to a billion must not eat the memory.
MOST_CPUS = 65_536
_RANGE = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?", re.ASCII)
_WORD = re.compile(r"(?:0[xX])?([0-9a-fA-F]{0,8})", re.ASCII)


def parse(text: str) -> tuple[int, ...]:
    """Return the CPUs of a list such as `0-3,8`, ascending and each once; an empty text is no CPU.

    Raises `ValueError` that names the part which is no CPU or range.
    """
    if not text.strip():
        return ()
    cpus: set[int] = set()
    for part in text.strip().split(","):
        found = _RANGE.fullmatch(part.strip())
        if found is None:
            raise ValueError(f"{part.strip()[:40]!r} is neither a CPU (such as 8) nor a range (such as 0-3)")
        first = int(found[1])
        last = first if found[2] is None else int(found[2])
        if last < first:
            raise ValueError(f"the range {part.strip()} runs backwards")
        if last >= MOST_CPUS:
            raise ValueError(f"CPU {last} is beyond what any host has (at most {MOST_CPUS - 1})")
        cpus.update(range(first, last + 1))
    return tuple(sorted(cpus))


def text(cpus: Iterable[int]) -> str:
    """Return CPUs as a list such as `0-3,8`."""
    ranges: list[list[int]] = []
    for cpu in sorted(set(cpus)):
        if ranges and cpu == ranges[-1][1] + 1:
            ranges[-1][1] = cpu
        else:
            ranges.append([cpu, cpu])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def parse_mask(mask: str) -> tuple[int, ...]:
    """Return the CPUs of a mask: hexadecimal words of 32 bits, the highest first, with or without `0x`.

    An empty word is zero, as lstopo 3 writes it. Raises `ValueError` for anything else.
    """
    words = mask.strip().split(",")
    if len(words) > MOST_CPUS // 32:
        raise ValueError(f"a CPU mask of {len(words)} words is longer than any host needs")
    value = 0
    for word in words:
        found = _WORD.fullmatch(word.strip())
        if found is None:
            raise ValueError(f"{word.strip()[:40]!r} is no word of a CPU mask")
        value = value << 32 | int(found[1] or "0", 16)
    return tuple(bit for bit in range(value.bit_length()) if value >> bit & 1)
