# SPDX-License-Identifier: Apache-2.0
"""The one way to write numbers, durations and others' texts for people: on the report, in tables, on a terminal."""

from __future__ import annotations

import math
import re

_DIGITS = 4
_MINUTE, _HOUR = 60, 3600
# What is not seen and changes how the rest is shown: marks of the direction of writing, separators of lines, and halves
# of surrogate pairs, which cannot be written at all.
_UNSEEN = r"\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
# A terminal obeys these: with ESC, or the one byte that means the same, a text begins a command. Not \t and \n.
_CONTROL = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f-\x9f{_UNSEEN}]")
# What JSON leaves as it is among these.
_RAW_IN_JSON = re.compile(rf"[\x7f-\x9f{_UNSEEN}]")
# What the further lines of a text begin with, so that none of them passes for a line of ours.
_CONTINUED = "\n  | "


def number(value: float | None, *, none: str = "-", thousands: str = "") -> str:
    """Return a number: whole ones as they are, others with up to four significant digits, and no zeros at the end.

    What is no finite number that a float holds is `none`; `thousands` is `,` to set the thousands apart.
    """
    if value is None or not is_usual(value):
        return none
    if float(value).is_integer() and abs(value) < 10**15:
        return f"{int(value):{thousands}}"
    magnitude = math.floor(math.log10(abs(value)))
    if not -_DIGITS <= magnitude < 15:
        return f"{value:.{_DIGITS}g}"
    digits = max(0, _DIGITS - 1 - magnitude)
    written = f"{value:{thousands}.{digits}f}"
    return written.rstrip("0").rstrip(".") if digits else written


def span(seconds: float) -> str:
    """Return seconds as a person reads them: `4.2 s`, `3 min 20 s`, `2 h 5 min`."""
    if round(seconds, 1) < _MINUTE:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"


def printable(text: str) -> str:
    """Return a text with `?` for each control character but tab and newline, so that a terminal only shows it.

    The same stands for what changes the direction of writing, and for what no encoding can write.
    """
    return _CONTROL.sub("?", text)


def quoted(text: str) -> str:
    """Return a text that may have several lines as `printable`, with a mark before each line but the first."""
    return printable(text).replace("\n", _CONTINUED)


def one_line(text: str) -> str:
    """Return a text as `printable`, on one line."""
    return printable(text.replace("\n", " "))


def escaped(json_text: str) -> str:
    """Return a JSON text that means the same and does nothing to a terminal that shows it."""
    return _RAW_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", json_text)


def is_usual(value: float) -> bool:
    """Return whether a number is finite; a whole number may have more digits than a float holds."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
