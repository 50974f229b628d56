# SPDX-License-Identifier: Apache-2.0
"""Finds what may not leave the house in files that are about to: secrets, claim links, words that are forbidden.

A finding tells the kind and the place, and never what stands there: findings go into logs and journals.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, AnyStr

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found, in words, in which file and on which line from 1. Without a line it is in the file's name."""

    path: str
    line: int | None
    what: str

    def __str__(self) -> str:
        """Return the finding as a person reads it."""
        place = "its name" if self.line is None else f"line {self.line}"
        return f"{self.path}, {place}: {self.what}"


@dataclass(frozen=True, slots=True)
class _Kind:
    """What is looked for. No pattern is tried on a file that has none of the hints in it, in small letters."""

    what: str
    hints: tuple[bytes, ...]
    pattern: re.Pattern[bytes]


def _kind(what: str, hints: str, pattern: str) -> _Kind:
    return _Kind(what, tuple(hint.encode() for hint in hints.split()), re.compile(pattern.encode()))


# Forms that nothing else has. Where the issuer says how long a token is, that is asked for.
_FORMS = (
    _kind("a private key", "private", r"-----BEGIN (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)?-----"),
    _kind("a private key", "putty-user-key-file", r"PuTTY-User-Key-File-\d"),
    _kind("a private key", "age-secret-key-", r"AGE-SECRET-KEY-1[0-9A-Z]{50}"),
    _kind("text encrypted by ansible-vault", "$ansible_vault", r"\$ANSIBLE_VAULT;\d"),
    _kind("an access key of AWS", "akia asia", r"(?<![0-9A-Za-z])A(?:KI|SI)A[0-9A-Z]{16}(?![0-9A-Za-z])"),
    _kind("a token of GitHub", "gh", r"(?<![0-9A-Za-z])gh[oprsu]_[0-9A-Za-z]{36}"),
    _kind("a token of GitHub", "github_pat_", r"github_pat_[0-9A-Za-z_]{22}"),
    _kind("a token of GitLab", "gl", r"(?<![0-9A-Za-z])gl(?:[a-z]{2,5})-[0-9A-Za-z_-]{20}"),
    _kind("a token of Slack", "xox xapp-", r"(?<![0-9A-Za-z])(?:xox[a-z]|xapp)-[0-9A-Za-z-]{10}"),
    _kind("a webhook of Slack", "hooks.slack.com", r"hooks\.slack\.com/(?:services|workflows)/[0-9A-Za-z]"),
    _kind("a key of Google", "aiza", r"(?<![0-9A-Za-z])AIza[0-9A-Za-z_-]{35}"),
    _kind("a token of Google", "ya29. gocspx-", r"(?<![0-9A-Za-z])(?:ya29\.|GOCSPX-)[0-9A-Za-z_-]{20}"),
    _kind("a JSON web token", "eyj", r"(?<![0-9A-Za-z])eyJ[0-9A-Za-z_-]{8,}+\.eyJ[0-9A-Za-z_-]{8}"),
    _kind("a token of npm", "npm_", r"(?<![0-9A-Za-z])npm_[0-9A-Za-z]{36}"),
    _kind("a token of PyPI", "pypi-", r"pypi-AgE[0-9A-Za-z_-]{20}"),
    _kind("a key of Stripe", "k_live_ k_test_", r"(?<![0-9A-Za-z])[rs]k_(?:live|test)_[0-9A-Za-z]{16}"),
    _kind(
        "a key of an API",
        "sk-",
        r"(?<![0-9A-Za-z])sk-(?:(?:ant|proj|svcacct|admin)-[\w-]{20}|[0-9A-Za-z]{40})",
    ),
    _kind("a token of Hugging Face", "hf_", r"(?<![0-9A-Za-z])hf_[0-9A-Za-z]{34}"),
    _kind("a token of HashiCorp Vault", "hvs. hvb.", r"(?<![0-9A-Za-z])hv[bs]\.[0-9A-Za-z_-]{24}"),
    _kind("a token of Docker", "dckr_", r"dckr_(?:pat|oat)_[0-9A-Za-z_-]{20}"),
    _kind(
        "the hash of a password",
        "$",
        r"\$(?:1|5|6|7|y|gy|2[aby]|apr1|argon2id?)\$[./0-9A-Za-z=,$]{0,60}\$?[./0-9A-Za-z]{22}(?![0-9A-Za-z])",
    ),
    _kind(
        "a header that logs somebody in",
        "authorization",
        r"(?i:authorization[\"']?[ \t]{0,4}[:=][ \t]{0,4}[\"']?(?:basic|bearer|token)[ \t]{1,4})[\w.~+/=-]{8}",
    ),
    _kind(
        "a link that claims a Geekbench result",
        "claim",
        r"(?i:geekbench\.com/[^\s\"'<>]{0,200}?/claim(?![\w\[])|/claim\?[^\s\"'<>]{0,200}?\bkey=(?!\[)[^\s\"'<>&])",
    ),
)

_NAME = (
    r"pass(?:word|wd|phrase|code)|secret(?:[_-]?(?:access[_-]?)?key)?|token|api[_-]?key|access[_-]?key"
    r"|(?:private|auth|account|encryption|signing|fastopen|claim)[_-]?key|credentials?"
)
_UNQUOTED = r"[^\s\"'\\,;<>(){}\[\]&|]{4,}+(?![(\[])"
# `name = value` and `name: value`, also as members of JSON and as options of a command line. What stands before the
# last word of the name says nothing.
_ASSIGNED = re.compile(
    rf"(?P<name>{_NAME})(?:(?P<sep>\\?[\"']?[ \t]{{0,8}}[:=]{{1,2}}[ \t]{{0,8}})|(?<=[\w-])[ \t]{{1,4}}(?<=[ \t]))"
    rf"(?:\\?[\"'](?P<quoted>[^\"'\\\r\n]{{4,200}}+)|(?P<plain>{_UNQUOTED}))".encode(),
    re.IGNORECASE,
)
_ASSIGNED_HINTS = (b"pass", b"secret", b"token", b"key", b"credential")
# Only an option has its value behind a space; in a sentence the word is no name.
_OPTION = re.compile(rb"--[\w-]{0,40}$")
_URL = re.compile(rb"://[^\s/:@\"'<>]{0,100}:([^\s/@\"'<>]{1,200})@")
# What stands where a secret would be, and is none.
_PLACEHOLDER = re.compile(
    rb"\[redacted.*|<.*|\$.*|\{\{.*|%.*%|@.*@|[*x.#_-]+|[0:x-]+|(?:your|my|the|an?|some|example)[-_ ].*"
    rb"|none|null|nil|true|false|yes|no|on|off|set|unset|empty|required|optional|enabled|disabled|unknown|default"
    rb"|string|str|text|bytes|changeme|placeholder|example|redacted|removed|hidden|masked|omitted|undefined"
    rb"|not[ _-].*|password|passphrase|secret|token|prompt|supported|unsupported|absent|present|n/a",
    re.IGNORECASE,
)
_PATH = re.compile(rb"(?:~|\.{1,2})?/|[A-Za-z]:\\|file:")
_NUMBER = re.compile(rb"[-+]?[\d.]+(?:e[-+]?\d+)?%?", re.IGNORECASE)
# A word without a digit that is so short is a word of a sentence, except behind a password's name.
_LONG = 16

_ESCAPED = re.compile(rb"\\(/)|\\u(?!00[01])([0-9A-Fa-f]{4})|%([2-9A-Fa-f][0-9A-Fa-f])")


def findings(path_in_payload: str, content: bytes, forbidden: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what may not leave the house in a file: its name as it will be, and its bytes, text or not.

    `forbidden` has words that are looked for wherever they stand by themselves, in any case and any alphabet, each
    with what is to be said of it. Findings come in the order of the lines, each kind once a line.
    """
    words = [(_word(word), what) for word, what in forbidden.items()]
    for what in sorted(_kinds(path_in_payload.encode(errors="surrogateescape"), words)):
        yield Finding(path_in_payload, None, what)
    seen = {found for version in _versions(content) for found in _places(version, words)}
    for line, what in sorted(seen):
        yield Finding(path_in_payload, line, what)


def _kinds(text: bytes, words: list[tuple[re.Pattern[str], str]]) -> set[str]:
    return {what for version in _versions(text) for _line, what in _places(version, words)}


def _versions(content: bytes) -> Iterator[bytes]:
    """Yield the bytes as they are, and as they read without the NULs of UTF-16 and the escapes of JSON and URLs."""
    yield content
    plain = _ESCAPED.sub(_unescaped, content.replace(b"\0", b""))
    if plain != content:
        yield plain


def _unescaped(match: re.Match[bytes]) -> bytes:
    if match[2]:
        return chr(int(match[2], 16)).encode(errors="surrogatepass")
    return match[1] or bytes.fromhex(match[3].decode())


def _places(content: bytes, words: list[tuple[re.Pattern[str], str]]) -> Iterator[tuple[int, str]]:
    """Yield line and kind of each finding in one version of a file."""
    small = content.lower()
    for kind in _FORMS:
        if any(hint in small for hint in kind.hints):
            yield from ((line, kind.what) for line, _match in _matches(kind.pattern, content))
    if any(hint in small for hint in _ASSIGNED_HINTS):
        for line, match in _matches(_ASSIGNED, content):
            if _is_secret(content, match):
                yield line, "a value that looks like a password, a token or a key"
    for line, match in _matches(_URL, content):
        if not _PLACEHOLDER.fullmatch(match[1]):
            yield line, "an address with a password in it"
    folded = _folded(content.decode(errors="surrogateescape")) if words else ""
    for pattern, what in words:
        yield from ((line, what) for line, _match in _matches(pattern, folded))


def _matches(pattern: re.Pattern[AnyStr], content: AnyStr) -> Iterator[tuple[int, re.Match[AnyStr]]]:
    """Yield each match of a pattern and the line on which it begins."""
    end = "\n" if isinstance(content, str) else b"\n"
    line, counted = 1, 0
    for match in pattern.finditer(content):
        line += content.count(end, counted, match.start())
        counted = match.start()
        yield line, match


def _is_secret(content: bytes, match: re.Match[bytes]) -> bool:
    """Return whether an assignment gives a value away, and no placeholder, path, number or reference."""
    name, sep = match["name"].lower(), match["sep"]
    value = (match["quoted"] or match["plain"]).strip()
    if sep is None and not _OPTION.search(content[max(0, match.start() - 42) : match.start()]):
        return False
    # How settings name a secret that lies elsewhere: `secret:` and the name of an auth reference.
    if (name, sep) == (b"secret", b":"):
        return False
    if _PLACEHOLDER.fullmatch(value) or _PATH.match(value):
        return False
    strict = name.startswith((b"pass", b"claim"))
    if _NUMBER.fullmatch(value):
        return match["quoted"] is not None or (strict and b":" not in (sep or b""))
    if match["quoted"] is None and b"=" not in (sep or b"") and _in_a_sentence(content, match, value):
        return False
    return strict or len(value) >= _LONG or any(48 <= byte <= 57 for byte in value)


def _in_a_sentence(content: bytes, match: re.Match[bytes], value: bytes) -> bool:
    """Return whether a value is a word of letters that is not the last of its line, or ends a sentence."""
    if value.endswith((b".", b":", b"!", b"?")):
        return value[:-1].isalpha()
    return value.isalpha() and content[match.end() : match.end() + 1] not in {b"", b"\n", b"\r"}


def _word(word: str) -> re.Pattern[str]:
    """Return the pattern of a forbidden word in folded text. Its parts may be joined by spaces, lines and low lines."""
    parts = r"[\s_-]{1,8}".join(re.escape(part) for part in _folded(word).split())
    return re.compile(r"(?<![0-9a-z])" + parts + r"(?![0-9a-z])")


def _folded(text: str) -> str:
    """Return text in which the same letters are the same characters, in any case, however they were composed."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
