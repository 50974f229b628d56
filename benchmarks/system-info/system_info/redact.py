# SPDX-License-Identifier: Apache-2.0
"""Removes serial numbers, hardware addresses, network addresses and UUIDs from captured text.

It errs on the side of removing too much: a version number of four parts looks like an IPv4 address and goes too.
Placeholders hold no quotes, angle brackets or backslashes, so JSON stays JSON and XML stays XML.
"""

from __future__ import annotations

import ipaddress
import re

SERIAL = "[redacted]"
MAC = "[redacted-mac]"
ADDRESS = "[redacted-ip]"
UUID = "[redacted-uuid]"

_IDENTIFIER = r"serial(?:[ _-]?(?:number|no))?|(?:asset|service)[ _-]?tag"

# "Serial Number: X" of dmidecode and cpuinfo, "serial: X" of lshw, "Vendor specific: X" of the PCI vital product
# data, which often repeats the serial number. The value is the rest of the line.
_LABELLED = re.compile(
    rf"((?:{_IDENTIFIER}|vendor specific|uuid)[ \t]*:[ \t]*)(?!\[redacted)\S.*$", re.IGNORECASE | re.MULTILINE
)
# The same as one word of a kernel command line.
_ASSIGNED = re.compile(rf"((?:{_IDENTIFIER}|(?:part)?uuid|machine_id)=)[^\s\"',]+", re.IGNORECASE)
# Attributes of the hwloc XML, for example DMIProductSerial, SerialNumber, Address, NodeGUID, Port1GID0.
_XML_INFO = re.compile(
    r"(<info name=\"[^\"]*(?:Serial|UUID|GUID|GID|AssetTag|Address)[^\"]*\" value=\")[^\"]+(\")",
    re.IGNORECASE,
)
_DISK_BY_ID = re.compile(r"(/dev/disk/by-(?:id|uuid|partuuid|path)/)[^\s\"',]+")
_UUID = re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![0-9A-Za-z])")
# Machine ids, UUIDs without dashes, world wide names of multipath devices.
_LONG_HEX = re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f]{32,}(?![0-9A-Za-z])")
# Six pairs are a MAC; eight are an EUI-64 (the "Device Serial Number" of lspci); twenty are an InfiniBand address.
_MAC = re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5,}(?![0-9A-Za-z])")
# Predictable interface names made from the MAC: enx0123456789ab.
_NAME_FROM_MAC = re.compile(r"(?<![0-9A-Za-z])((?:en|wl|ww|sl|ib)x)[0-9A-Fa-f]{12}(?![0-9A-Za-z])")
_IPV4 = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?!\d|\.\d)")
# Cloud host names made from the address: ip-10-0-0-1.
_NAME_FROM_IPV4 = re.compile(r"(?<![0-9A-Za-z])ip(?:-\d{1,3}){4}(?!\d)")
# A run that may hold an IPv6 address; `ipaddress` decides.
_HEX_AND_COLONS = re.compile(r"[0-9A-Fa-f:]+")


def redact(text: str) -> str:
    """Returns `text` without identifiers; the same text when there are none."""
    text = _XML_INFO.sub(rf"\g<1>{SERIAL}\g<2>", text)
    text = _UUID.sub(UUID, text)
    text = _DISK_BY_ID.sub(rf"\g<1>{SERIAL}", text)
    text = _ASSIGNED.sub(rf"\g<1>{SERIAL}", text)
    text = _LABELLED.sub(rf"\g<1>{SERIAL}", text)
    text = _LONG_HEX.sub(UUID, text)
    # IPv4 goes before IPv6, for the IPv4 address in the last place of an IPv6 one (::ffff:10.0.0.1), and IPv6 goes
    # before MAC, for the six groups of two digits that an IPv6 address can begin with.
    text = _IPV4.sub(ADDRESS, text)
    text = _NAME_FROM_IPV4.sub(f"ip-{ADDRESS}", text)
    text = _HEX_AND_COLONS.sub(_redact_ipv6, text)
    text = _MAC.sub(MAC, text)
    return _NAME_FROM_MAC.sub(rf"\g<1>{MAC}", text)


def redact_bytes(data: bytes) -> bytes:
    """`redact` for captured bytes; bytes that are not UTF-8 come back as they were."""
    return redact(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def _redact_ipv6(match: re.Match[str]) -> str:
    # A PCI address (0000:03:00.0) and a time of day have the same look but are no IPv6 address.
    run = match.group()
    if run.count(":") < 2 or not run.strip(":"):
        return run
    lead = ":" if run.startswith(":") and (run[1] != ":" or run.startswith(":::")) else ""
    tail = ":" if run.endswith(":") and (run[-2] != ":" or run.endswith(":::")) else ""
    try:
        ipaddress.IPv6Address(run[len(lead) : len(run) - len(tail)])
    except ValueError:
        return run
    return f"{lead}{ADDRESS}{tail}"
