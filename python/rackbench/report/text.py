# SPDX-License-Identifier: Apache-2.0
"""Numbers, sizes, durations and labels as the report writes them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rackbench import words as words_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NONE = "–"  # noqa: RUF001 - an en dash, as it is printed
_BINARY = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


def number(value: float | None) -> str:
    """Return a number as people read it, with thousands apart; none as a dash."""
    return words_of.number(value, none=NONE, thousands=",")


def alike(values: Sequence[float]) -> list[str]:
    """Return numbers with as many digits after the point as the one with most needs, up to six."""
    plain = [value for value in values if value == 0 or 1e-4 <= abs(value) < 1e15]
    if len(plain) < len(values):
        return [number(value) for value in values]
    digits = next(
        (
            count
            for count in range(6)
            if all(math.isclose(round(value, count), value, rel_tol=1e-6) for value in values)
        ),
        6,
    )
    return [f"{value:,.{digits}f}" for value in values]


def size(value: float | None) -> str:
    """Return bytes in the largest binary unit that leaves at least one."""
    if value is None or not words_of.is_usual(value):
        return NONE
    step = min(len(_BINARY) - 1, int(math.log2(abs(value)) // 10)) if abs(value) >= 1 else 0
    return f"{number(value / 1024**step)} {_BINARY[step]}"


def measured(value: float | None, unit: str | None) -> tuple[str, str]:
    """Return a value and its unit; many bytes in a larger unit."""
    if unit == "bytes" and value is not None:
        amount, _, name = size(value).partition(" ")
        return amount, name
    return number(value), unit or ""


def duration(seconds: float | None) -> str:
    """Return seconds as people say them, none as a dash."""
    return NONE if seconds is None or not math.isfinite(seconds) else words_of.span(seconds)


def moment(text: str | None) -> str:
    """Return a UTC time of the journal to the second, for people."""
    return f"{text[:19].replace('T', ' ')} UTC" if text else NONE


def words(name: Any) -> str:
    """Return a name in snake_case as words."""
    return str(name).replace("_", " ")


def labels(pairs: Iterable[tuple[str, Any]]) -> str:
    """Return labels as text: `agents 4, mode multi`."""
    return ", ".join(
        f"{words(name)} {size(value) if name == 'bytes' and isinstance(value, int) else value}"
        for name, value in pairs
    )


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Return a count with its noun: `1 run`, `3 runs`."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
