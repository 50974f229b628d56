# SPDX-License-Identifier: Apache-2.0
"""JSON without what readers take in different ways: names that stand twice in an object, NaN and infinities. Pure."""

from __future__ import annotations

import json
from typing import Any, NoReturn


class DuplicateNameError(ValueError):
    """The name `name` stands twice in one object: readers differ in which one counts."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the name {name!r} is there twice")
        self.name = name


class NotANumberError(ValueError):
    """`NaN`, `Infinity` or `-Infinity`, which is `constant`, stands where JSON has a value."""

    def __init__(self, constant: str) -> None:
        super().__init__(f"{constant} is no number")
        self.constant = constant


def loads(text: str | bytes) -> Any:
    """Return the value that a JSON text is.

    Raises `DuplicateNameError`, `NotANumberError`, `json.JSONDecodeError`, `UnicodeDecodeError` and `ValueError` for a
    whole number of too many digits, which are all `ValueError`; and `RecursionError`. A number such as 1e999 is inf.
    """
    return json.loads(text, object_pairs_hook=unique, parse_constant=refuse_constant)


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of its members: the `object_pairs_hook` of `loads`. Raises `DuplicateNameError`."""
    content = dict(pairs)
    if len(content) != len(pairs):
        seen = set()
        for name, _value in pairs:
            if name in seen:
                raise DuplicateNameError(name)
            seen.add(name)
    return content


def refuse_constant(constant: str) -> NoReturn:
    """Refuse a constant that JSON does not have: the `parse_constant` of `loads`. Raises `NotANumberError`."""
    raise NotANumberError(constant)
