# SPDX-License-Identifier: Apache-2.0
"""The one way to write numbers, durations and others' texts for people: on the report, in tables, on a terminal."""

from __future__ import annotations

import json
import math

_DIGITS = 4
_MINUTE, _HOUR = 60, 3600
# Python calls these unprintable, and they only part words and lines.
_SPACES = frozenset(
    "\t\n\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
)
# Python calls these printable, and they are not seen: a joiner, and letters that only fill their place.
_UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
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

    The same stands for each format character of Unicode (category Cf), whoever needs it: marks of the direction of
    writing, soft hyphens, what joins letters and emoji. None of them is seen, so a name could be another one than it
    looks. So are characters that are private, not assigned, or what no encoding can write.
    """
    found = _obeyed(text)
    return text.translate(dict.fromkeys(map(ord, found), "?")) if found else text


def quoted(text: str) -> str:
    """Return a text that may have several lines as `printable`, with a mark before each line but the first."""
    return printable(text).replace("\n", _CONTINUED)


def one_line(text: str) -> str:
    """Return a text as `printable`, on one line."""
    return printable(text.replace("\n", " "))


def escaped(json_text: str) -> str:
    """Return a JSON text that means the same and does nothing to a terminal that shows it."""
    # What is below is escaped in a string already, and elsewhere only parts lines.
    raw = {ord(each): json.dumps(each)[1:-1] for each in _obeyed(json_text) if each >= "\x7f"}
    return json_text.translate(raw) if raw else json_text


def _obeyed(text: str) -> set[str]:
    """Return the characters of a text that a terminal obeys, or that nobody sees."""
    # Most texts are plain, and each record of the journal comes through here.
    if text.isprintable() and (text.isascii() or _UNSEEN.isdisjoint(text)):
        return set()
    return {each for each in set(text) if (not each.isprintable() and each not in _SPACES) or each in _UNSEEN}


def is_usual(value: float) -> bool:
    """Return whether a number is finite; a whole number may have more digits than a float holds."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
