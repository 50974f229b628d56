# SPDX-License-Identifier: Apache-2.0
"""JSON of which every reader takes the same, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rackbench import strict_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_what_json_writes_is_read_back(value: Any) -> None:
    assert strict_json.loads(json.dumps(value)) == value


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('{"a": 1, "b": 2, "a": 1}', "a"),
        ('[{"b": {"a": 1, "b": 2, "b": 3, "a": 4}}]', "b"),
        ('{"\\u0061": 1, "a": 2}', "a"),
        (b'{"": 1, "": 2}', ""),
        ('{"\\ud800": 1, "\\ud800": 2}', "\ud800"),
    ],
    ids=["equal values", "two names, deep", "written in two ways", "no letters", "half of a pair"],
)
def test_a_name_that_stands_twice_is_refused_by_its_name(text: str | bytes, name: str) -> None:
    with pytest.raises(strict_json.DuplicateNameError) as raised:
        strict_json.loads(text)
    assert raised.value.name == name
    # It can be printed, whatever it is.
    assert str(raised.value).encode().decode() == f"the name {name!r} is there twice"


def test_one_name_in_two_objects_is_no_name_that_stands_twice() -> None:
    assert strict_json.loads('{"a": {"a": 1}, "b": {"a": 1}}') == {"a": {"a": 1}, "b": {"a": 1}}


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("around", ["{}", "[1, {}]", '{{"a": {}}}'], ids=["alone", "in a list", "a member"])
def test_a_constant_that_json_does_not_have_is_refused(around: str, constant: str) -> None:
    with pytest.raises(strict_json.NotANumberError, match=f"^{constant} is no number$") as raised:
        strict_json.loads(around.format(constant))
    assert raised.value.constant == constant
