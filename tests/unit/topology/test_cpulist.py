# SPDX-License-Identifier: Apache-2.0
"""CPU lists and masks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rackbench.topology import cpulist

CPUS = st.sets(st.integers(0, 600)).map(lambda cpus: tuple(sorted(cpus)))


@given(CPUS)
def test_what_is_written_is_read_again(cpus: tuple[int, ...]) -> None:
    assert cpulist.parse(cpulist.text(cpus)) == cpus


@given(CPUS, st.booleans(), st.booleans())
def test_a_mask_is_read_as_the_kernel_and_as_lstopo_write_it(
    cpus: tuple[int, ...], prefixed: bool, sparse: bool
) -> None:
    value = sum(1 << cpu for cpu in cpus)
    words = [f"{value >> 32 * word & 0xFFFFFFFF:08x}" for word in reversed(range(20))]
    if sparse:
        words = ["" if word == "00000000" else word for word in words]
    mask = ",".join(f"0x{word}" if prefixed and word else word for word in words)
    assert cpulist.parse_mask(mask) == cpus


@pytest.mark.parametrize(
    ("text", "cpus"),
    [("", ()), (" \n", ()), ("0-3,8", (0, 1, 2, 3, 8)), ("8, 0-1", (0, 1, 8)), ("1,1,0-2", (0, 1, 2))],
)
def test_lists_that_people_write(text: str, cpus: tuple[int, ...]) -> None:
    assert cpulist.parse(text) == cpus


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("3-1", "backwards"),
        ("a", "neither a CPU"),
        ("1,,2", "neither a CPU"),
        ("-1", "neither a CPU"),
        ("0-", "neither a CPU"),
        ("0x3", "neither a CPU"),
        ("٣", "neither a CPU"),
        ("0-999999999", "beyond what any host has"),
        ("99999999999999999999", "neither a CPU"),
    ],
)
def test_an_impossible_list_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        cpulist.parse(text)


@pytest.mark.parametrize("mask", ["xyz", "0x1g", "123456789", "0xf...f", ",".join(["0"] * 3000)])
def test_an_impossible_mask_is_refused(mask: str) -> None:
    with pytest.raises(ValueError, match="mask"):
        cpulist.parse_mask(mask)
