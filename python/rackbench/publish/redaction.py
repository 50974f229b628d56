# SPDX-License-Identifier: Apache-2.0
"""Takes out of files that are published what identifies a machine or its owner, from the bytes alone.

It is the last net and not the only one: a benchmark that knows names which have no form, such as system-info, takes
them out on the host. The placeholders are the same. They hold no quotes, angle brackets or backslashes and never take
the place of a number, so JSON stays JSON, XML stays XML, and what was measured stays as it is.
"""

from __future__ import annotations

import ipaddress
import re
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SERIAL = "[redacted]"
MAC = "[redacted-mac]"
ADDRESS = "[redacted-ip]"
UUID = "[redacted-uuid]"
PATH = "[redacted-path]"

# Where a word may begin: also behind the escaped line breaks of a text in JSON.
_BEGIN = r"(?:(?<![0-9A-Za-z])|(?<=\\[nrt]))"
# Up to the end of the line, or of the text that the line is in.
_VALUE = r"(?!\[redacted)[^\s\"\\<>](?:[^\r\n\"\\<>]*[^\s\"\\<>])?"
_IDENTIFIER = r"serial[ _-]?(?:number|no\.?)|(?:asset|service)[ _-]?tag|vendor specific"
# dmidecode and lspci.
_LABELLED = re.compile(rf"((?:{_IDENTIFIER})[ \t]*:[ \t]*){_VALUE}", re.IGNORECASE)
# lshw and cpuinfo call it just "serial", at the beginning of a line. A number with a point is how long something took
# that ran in series.
_SERIAL_LINE = re.compile(
    r"(^[ \t]*serial[ \t]*:[ \t]+)(?!\[redacted|\d+\.)[^\s\"\\<>]+(?=[ \t]*\r?$)",
    re.IGNORECASE | re.MULTILINE,
)
_JSON_SERIAL = re.compile(
    r"(\"(?:[a-z_]*serial[ _-]?(?:number|no)?|asset[ _-]?tag|service[ _-]?tag|wwn|nguid|eui64)\"\s*:\s*\")"
    r"(?!\[redacted)(?:[^\"\\]|\\.)+(?=\")",
    re.IGNORECASE,
)
_XML_SERIAL = re.compile(
    r"(<info name=\"(?=[^\"<>]*(?:Serial|UUID|GUID|GID|AssetTag))[^\"<>]*+\" value=\")(?!\[redacted)[^\"]+(?=\")",
    re.IGNORECASE,
)
# `UUID: ...`, `PARTUUID=...`, `"uuid": "..."`, `machine_id=...`: 32 digits with or without dashes.
_UUID = re.compile(
    r"((?:uuid|machine[ _-]?id|boot[ _-]?id)\\?\"?[ \t]*[:=][ \t]*\\?\"?)"
    r"[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}(?![0-9a-z-])",
    re.IGNORECASE,
)
# Six pairs are a MAC; eight are an EUI-64 (the "Device Serial Number" of lspci); twenty are an InfiniBand address.
_MAC = re.compile(_BEGIN + r"[0-9A-Fa-f]{2}([:-])[0-9A-Fa-f]{2}(?:\1[0-9A-Fa-f]{2}){4,}(?![0-9A-Za-z])")
# Predictable interface names made from the MAC: enx0123456789ab.
_NAME_FROM_MAC = re.compile(_BEGIN + r"((?:en|wl|ww|sl|ib)x)[0-9A-Fa-f]{12}(?![0-9A-Za-z])")
# A letter before it makes a version of it: v10.0.0.1.
_IPV4 = re.compile(r"(?:(?<![\w.])|(?<=\\[nrt]))\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d)")
_IPV6 = re.compile(
    r"(?:(?<![0-9A-Za-z:])|(?<=\\[nrt]))f[cde][0-9a-f]{2}(?::[0-9a-f]{0,4}){1,7}(?![0-9A-Za-z:])",
    re.IGNORECASE,
)
# An address of any kind, behind the words by which `ip` and `ifconfig` tell one.
_TOLD_ADDRESS = re.compile(
    _BEGIN + r"((?:inet6?|via|brd|peer|src)[ \t]+(?:addr:[ \t]*)?)([0-9A-Fa-f:.]{3,45})(?![\w:.])"
)
# One after the other they are one: each would begin a pass of its own only when the one before it was taken out.
_HOME = re.compile(
    r"(?:(?<![\w./-])|(?<=file://)|(?<=-[ILB])|(?<=\\[nrt]))(?!//)"
    r"(?:(?:/[\w.+-]{1,80}){0,6}?/(?:home|Users)/[^\s/\"'\\<>:;,|()\[\]{}$*&?#=]+|/root(?![\w.-]))++"
)
_PRIVATE = tuple(
    ipaddress.ip_network(network)
    for network in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10",
        "fc00::/7", "fe80::/10", "fec0::/10",
    )
)  # fmt: skip


def redacted(content: bytes) -> tuple[bytes, int]:
    """Return a file without what must not be shown, and in how many places it was taken out.

    The same bytes give the same answer, and an answer is not changed again. Whether it is text is not asked, or a
    NUL would keep all of a file as it is; bytes that are not UTF-8 stay as they were.
    """
    text = content.decode("utf-8", "surrogateescape")
    count = 0
    while True:
        # What is taken out may leave something else standing by itself: an address right before a path. No rule may
        # need more than a few passes, however long a file is: a row of such things has to be one match.
        text, found = _once(text)
        if not found:
            return text.encode("utf-8", "surrogateescape"), count
        count += found


def _once(text: str) -> tuple[str, int]:
    count = 0

    def counted(match: re.Match[str], replacement: Callable[[re.Match[str]], str]) -> str:
        nonlocal count
        new = replacement(match)
        count += new != match[0]
        return new

    for pattern, replacement in _RULES:
        text = pattern.sub(partial(counted, replacement=replacement), text)
    return text, count


def _all(placeholder: str) -> Callable[[re.Match[str]], str]:
    return lambda _match: placeholder


def _but_label(placeholder: str) -> Callable[[re.Match[str]], str]:
    return lambda match: f"{match[1]}{placeholder}"


def _told_address(match: re.Match[str]) -> str:
    address = _parsed(match[2])
    return (
        match[0]
        if address is None or address.is_loopback or address.is_unspecified
        else f"{match[1]}{ADDRESS}"
    )


def _private_address(match: re.Match[str]) -> str:
    text = match[0]
    # In `fe80::1: up` the last colon is none of the address.
    tail = ":" if text.endswith(":") and not text.endswith("::") else ""
    address = _parsed(text[: len(text) - len(tail)])
    return f"{ADDRESS}{tail}" if address and any(address in network for network in _PRIVATE) else text


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


_RULES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (_XML_SERIAL, _but_label(SERIAL)),
    (_JSON_SERIAL, _but_label(SERIAL)),
    (_UUID, _but_label(UUID)),
    (_LABELLED, _but_label(SERIAL)),
    (_SERIAL_LINE, _but_label(SERIAL)),
    (_MAC, _all(MAC)),
    (_NAME_FROM_MAC, _but_label(MAC)),
    (_TOLD_ADDRESS, _told_address),
    (_IPV4, _private_address),
    (_IPV6, _private_address),
    (_HOME, _all(PATH)),
)
