# SPDX-License-Identifier: Apache-2.0
"""Takes out of texts what nobody but the operator may read: claim links, and what the licence is made of."""

from __future__ import annotations

import re

HIDDEN = "[redacted]"
# Whoever has the link of a claim, or its key beside the link of the result, owns the result.
_CLAIM = re.compile(r"(/claim\b)\S*|(\bkey=)[^\s&\"']+")
_WORD = re.compile(r"[\w@.+/=-]{8,}")


class Redactor:
    """Takes claim links and the words of a licence out of texts."""

    def __init__(self, licence: bytes = b"") -> None:
        words = set(_WORD.findall(licence.decode("utf-8", "replace")))
        # The longest first: one may hold another.
        self._words: list[str] = sorted((word for word in words if _tells(word)), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Returns the text without them."""
        for word in self._words:
            text = text.replace(word, HIDDEN)
        return _CLAIM.sub(lambda match: (match.group(1) or match.group(2)) + HIDDEN, text)


def _tells(word: str) -> bool:
    """Says whether a word of a licence is none that stands in any of them: a key, a number, an address."""
    return any(letter.isdigit() for letter in word) or "@" in word or word.isupper()
