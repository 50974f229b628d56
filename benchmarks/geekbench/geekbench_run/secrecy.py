# SPDX-License-Identifier: Apache-2.0
"""Takes out of texts what nobody but the operator may read: claim links, and what the licence is made of."""

from __future__ import annotations

import re
from typing import Any

HIDDEN = "[redacted]"
# Whoever has the link of a claim, or its key beside the link of the result, owns the result.
_CLAIM = re.compile(r"(/claim\b)\S*|(\bkey=)[^\s&\"']+")
# What a licence may be made of: addresses and keys in groups, however short, and any longer word. What joins them in a
# file, as in `key=value` and `<key>value</key>`, is left out: the program prints a value without it.
_PARTS = (r"[\w.+-]+@[\w.-]+\w", r"\w{2,}(?:-\w{2,})+", r"[\w@.+-]{8,}")


class Redactor:
    """Takes claim links and the words of a licence out of texts."""

    def __init__(self, licence: bytes = b"") -> None:
        text = licence.decode("utf-8", "replace")
        words = {word for part in _PARTS for word in re.findall(part, text) if _tells(word)}
        # The longest first: one may hold another.
        longest_first = map(re.escape, sorted(words, key=len, reverse=True))
        self._words = re.compile("|".join(longest_first) or r"(?!)", re.IGNORECASE)

    def __call__(self, text: str) -> str:
        """Returns the text without them."""
        text = self._words.sub(HIDDEN, text)
        return _CLAIM.sub(lambda match: (match.group(1) or match.group(2)) + HIDDEN, text)

    def all_of(self, value: Any) -> Any:
        """Returns what JSON can hold with each text in it, but no name of a field, without them."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, list):
            return [self.all_of(each) for each in value]
        if isinstance(value, dict):
            return {name: self.all_of(each) for name, each in value.items()}
        return value


def _tells(word: str) -> bool:
    """Says whether a word of a licence is none that stands in any of them: a key, a number, an address."""
    return any(letter.isdigit() for letter in word) or "@" in word or word.isupper()
