# SPDX-License-Identifier: Apache-2.0
"""Lines that differ from those that were signed are found, whatever was done to them."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st
from rackbench.evidence.chain import SHORT, Chain, Difference, differences

LINES = st.lists(st.integers(0, 5), max_size=12)


def digests(lines: list[int]) -> bytes:
    return b"".join(line.to_bytes(SHORT, "big") for line in lines)


@given(LINES, LINES)
def test_differences_cover_all_that_differs_and_nothing_else(signed: list[int], found: list[int]) -> None:
    told = differences(digests(signed), digests(found))
    # What is signed comes back when each difference is replaced by the signed lines, and what was appended cut off.
    mended, moved, last = list(found), 0, 0
    for at, old, new in told:
        assert at > last
        assert old or new
        assert signed[at - 1 : at - 1 + old] != found[at - 1 : at - 1 + new]
        mended[at - 1 + moved : at - 1 + moved + new] = signed[at - 1 : at - 1 + old]
        moved, last = moved + old - new, at
    assert mended[: len(signed)] == signed
    assert (told == []) == (found[: len(signed)] == signed)


@given(st.lists(st.integers(0, 1000), unique=True, min_size=1, max_size=20), st.data())
def test_one_line_that_was_changed_put_in_or_taken_out_is_named(
    lines: list[int], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(lines) - 1))
    changed = [*lines[:at], 2000, *lines[at + 1 :]]
    assert differences(digests(lines), digests(changed)) == [Difference(at + 1, 1, 1)]
    assert differences(digests(lines), digests([*changed, 3000, 3001])) == [Difference(at + 1, 1, 1)]
    added = [*lines[:at], 2000, *lines[at:]]
    assert differences(digests(lines), digests(added)) == [Difference(at + 1, 0, 1)]
    removed = [*lines[:at], *lines[at + 1 :]]
    assert differences(digests(lines), digests(removed)) == [Difference(at + 1, 1, 0)]


def test_two_lines_that_were_changed_are_two_differences_and_neighbours_are_one() -> None:
    found = differences(digests([1, 2, 3, 4, 5, 6]), digests([1, 9, 3, 4, 8, 7]))
    assert found == [Difference(2, 1, 1), Difference(5, 2, 2)]


def test_lines_that_were_appended_are_no_difference() -> None:
    assert differences(digests([1, 2]), digests([1, 2, 3])) == []


def test_the_head_is_that_of_the_documented_chain() -> None:
    chain, head = Chain(), bytes(32)
    for line in (b"one\n", b"two\n"):
        chain.add(line)
        head = hashlib.sha256(head + hashlib.sha256(line).digest()).digest()
    assert (chain.head, chain.lines, chain.bytes) == (head.hex(), 2, 8)
    assert chain.sha256 == hashlib.sha256(b"one\ntwo\n").hexdigest()
