# SPDX-License-Identifier: Apache-2.0
"""The lines of a journal as a chain of digests, and which lines differ from those that were signed."""

from __future__ import annotations

import hashlib
import itertools
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

# How much of a line's SHA-256 is kept to name the line, in bytes; the head of the chain is what is relied on.
SHORT = 8


def text_of(digest: bytes) -> bytes:
    """Return the short digest of a line as the file of digests has it."""
    return digest.hex().encode("ascii") + b"\n"


class Chain:
    """Takes the lines of a journal, one by one; memory does not grow with them."""

    def __init__(self) -> None:
        """Begin before the first line."""
        self._head = bytes(hashlib.sha256().digest_size)
        self._whole = hashlib.sha256()
        self.lines = 0
        self.bytes = 0

    def add(self, line: bytes) -> bytes:
        """Add a line with its newline, and return the beginning of its digest, SHORT bytes."""
        digest = hashlib.sha256(line).digest()
        self._head = hashlib.sha256(self._head + digest).digest()
        self._whole.update(line)
        self.lines += 1
        self.bytes += len(line)
        return digest[:SHORT]

    @property
    def head(self) -> str:
        """Return the end of the chain, as hexadecimal digits."""
        return self._head.hex()

    @property
    def sha256(self) -> str:
        """Return the digest of all lines together, as hexadecimal digits."""
        return self._whole.hexdigest()


class Difference(NamedTuple):
    """Lines that are not those that were signed: `signed` lines from number `at` on, where now there are `found`."""

    at: int
    signed: int
    found: int


def differences(signed: bytes, found: bytes) -> list[Difference]:
    """Return where the lines of a journal differ from those that were signed; lines behind them are none.

    Both are short digests, SHORT bytes for each line. Lines that changed in their places are told one by one, if they
    are next to each other as one; where lines were put in or taken out, all between the first and the last line that
    differ are one difference.
    """
    lines, there = len(signed) // SHORT, len(found) // SHORT
    first = next((at for at in range(min(lines, there)) if _line(signed, at) != _line(found, at)), None)
    if first is None and there >= lines:
        return []
    first = min(lines, there) if first is None else first
    alike = _alike_at_the_end(signed[first * SHORT :], found[first * SHORT :])
    goes_on = there > lines and (alike == 0 or _line(signed, lines - 1) == _line(found, lines - 1))
    if there == lines or goes_on:
        return list(_in_place(signed, found, first, lines))
    return [Difference(first + 1, lines - first - alike, there - first - alike)]


def _in_place(signed: bytes, found: bytes, first: int, lines: int) -> Iterator[Difference]:
    """Yield the runs of neighbouring lines that differ."""
    differ = (_line(signed, at) != _line(found, at) for at in range(first, lines))
    at = first
    for is_other, run in itertools.groupby(differ):
        length = sum(1 for _ in run)
        if is_other:
            yield Difference(at + 1, length, length)
        at += length


def _alike_at_the_end(one: bytes, other: bytes) -> int:
    """Return how many last lines are the same."""
    most = min(len(one), len(other)) // SHORT
    ends = len(one) // SHORT - 1, len(other) // SHORT - 1
    pairs = ((_line(one, ends[0] - back), _line(other, ends[1] - back)) for back in range(most))
    return next((back for back, (mine, yours) in enumerate(pairs) if mine != yours), most)


def _line(digests: bytes, at: int) -> bytes:
    return digests[at * SHORT : (at + 1) * SHORT]
