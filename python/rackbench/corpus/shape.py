# SPDX-License-Identifier: Apache-2.0
"""What the checks of both kinds of bundle share: looking into a document that may hold anything."""

from __future__ import annotations

import difflib
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rackbench.corpus.checks import Finding, found, listed, shown
from rackbench.corpus.strict_json import is_number

if TYPE_CHECKING:
    from collections.abc import Iterable

# As many unknown keys are compared with the known ones; each comparison costs some microseconds.
_UNKNOWN_KEYS = 20
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
# Of one file as many findings are told.
FINDINGS = 50
# A benchmark has some hundred queries and tables; a list or object of a bundle has at most so many elements.
ELEMENTS = 20_000


class Look:
    """A document under the checks, and what they found so far."""

    def __init__(self, document: dict[str, Any]) -> None:
        """Begin with no findings."""
        self.document = document
        self.findings: list[Finding] = []

    def add(self, code: str, **fields: object) -> None:
        """Record a finding; after `FINDINGS` of them only that there are more."""
        if len(self.findings) >= FINDINGS:
            if len(self.findings) == FINDINGS:
                self.findings.append(found("more_findings", limit=FINDINGS))
            return
        if code == "wrong_type":
            # Also a text is shown as JSON: it may be one that no stream can write, or of several lines.
            fields["value"] = shown(fields["value"])
        self.findings.append(found(code, **fields))

    def part(self, outer: dict[str, Any], key: str, where: str, *, needed: bool = False) -> dict[str, Any]:
        """Return the object `key` of `outer`; an empty one when it is missing or something else, which is told."""
        value = outer.get(key)
        if type(value) is dict:
            return value
        if needed or value is not None:
            self.add("wrong_type", where=where, value=value, wanted="an object")
        return {}

    def lacks(self, outer: dict[str, Any], where: str, keys: Iterable[str]) -> None:
        """Tell which keys an object lacks, all at once."""
        if missing := [key for key in keys if key not in outer]:
            self.add("key_missing", where=where, keys=listed(missing))

    def text(self, outer: dict[str, Any], key: str, where: str) -> str:
        """Return a text that must stand there; empty when it does not. That it is missing is told by `lacks`."""
        value = outer.get(key)
        if type(value) is str and value.strip():
            return plain(value)
        if key in outer:
            self.add("wrong_type", where=f"{where}.{key}", value=value, wanted="a text")
        return ""

    def time(self, text: str, where: str) -> None:
        """Tell of a text that is no date and time; the tools write them without a zone, too."""
        try:
            is_time = bool(_TIME.match(text)) and bool(datetime.fromisoformat(text))
        except ValueError:
            is_time = False
        if text and not is_time:
            self.add("wrong_type", where=where, value=text, wanted="a date and a time")

    def number(self, outer: dict[str, Any], key: str, where: str) -> float | None:
        """Return a finite number that may stand there; None when it does not, null included."""
        value = outer.get(key)
        if value is None or is_number(value):
            return value
        self.add("wrong_type", where=f"{where}.{key}", value=value, wanted="a finite number")
        return None

    def is_small(self, value: list[Any] | dict[str, Any], where: str) -> bool:
        """Say whether a list or object is one that we go through; of a larger one it is told."""
        if len(value) <= ELEMENTS:
            return True
        said = f"{'a list' if type(value) is list else 'an object'} of {len(value)} elements"
        self.add("too_many_elements", where=where, value=said, limit=ELEMENTS)
        return False

    def typos(self, outer: dict[str, Any], where: str, known: frozenset[str]) -> None:
        """Warn of unknown keys that are nearly a known one."""
        unknown = sorted(outer.keys() - known)[:_UNKNOWN_KEYS]
        for key in unknown:
            if len(key) <= 80 and (near := difflib.get_close_matches(key, known, n=1, cutoff=0.85)):
                self.add("unknown_key", where=where, key=shown(key), nearest=near[0])


def plain(text: str) -> str:
    """Return a text of somebody else's that any stream can write, of at most 200 characters."""
    return text[:200].encode("utf-8", "backslashreplace").decode()
