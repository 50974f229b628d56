# SPDX-License-Identifier: Apache-2.0
"""Removes from captured text what must not be shown.

Level `shared` takes out what identifies a machine or lets one reach it: serial numbers, UUIDs, hardware and network
addresses, host names, secrets. Level `full` takes out what tells of its owner too: users, paths, names of volumes,
models of disks.

It errs on the side of removing too much: a version number of four parts looks like an IPv4 address and goes too.
Placeholders hold no quotes, angle brackets or backslashes, so JSON stays JSON and XML stays XML.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from system_info.names import Names

if TYPE_CHECKING:
    from collections.abc import Iterable

NONE = "none"
SHARED = "shared"
FULL = "full"
LEVELS = (NONE, SHARED, FULL)

SERIAL = "[redacted]"
MAC = "[redacted-mac]"
ADDRESS = "[redacted-ip]"
UUID = "[redacted-uuid]"
HOST = "[redacted-host]"
SECRET = "[redacted-secret]"  # noqa: S105 -- stands in place of one
USER = "[redacted-user]"
PATH = "[redacted-path]"
MODEL = "[redacted-model]"

_IDENTIFIER = r"serial(?:[ _-]?(?:number|no))?|(?:asset|service)[ _-]?tag"

# "Serial Number: X" of dmidecode and cpuinfo, "serial: X" of lshw, "Vendor specific: X" of the PCI vital product
# data and "String 1: X" of the OEM strings of DMI, which often repeat the serial number. The value is the rest of the
# line.
_LABELLED = re.compile(
    rf"((?:{_IDENTIFIER}|vendor specific|uuid|\tstring \d+)[ \t]*:[ \t]*)(?!\[redacted)\S.*$",
    re.IGNORECASE | re.MULTILINE,
)
# The same as one word of a kernel command line.
_ASSIGNED = re.compile(rf"((?:{_IDENTIFIER}|(?:part)?uuid|machine_id)=)[^\s\"',]+", re.IGNORECASE)
# The same as a member of a JSON object: lsblk, nvme.
_JSON_SERIAL = re.compile(
    r"(\"(?:[a-z]*serial[a-z]*|[a-z]*uuid|wwn|nguid|eui64|id|id-link)\"\s*:\s*\")[^\"]+(?=\")", re.IGNORECASE
)
# Attributes of the hwloc XML, for example DMIProductSerial, SerialNumber, Address, NodeGUID, Port1GID0.
_XML_INFO = re.compile(
    r"(<info name=\"[^\"]*(?:Serial|UUID|GUID|GID|AssetTag|Address)[^\"]*\" value=\")[^\"]+(\")",
    re.IGNORECASE,
)
_XML_HOST = re.compile(r"(<info name=\"[^\"]*HostName[^\"]*\" value=\")[^\"]+(?=\")", re.IGNORECASE)
_DISK_BY_ID = re.compile(r"(/dev/disk/by-(?:id|uuid|partuuid|path)/)[^\s\"',]+")
# Names of disks and targets in the whole world.
_WORLD_WIDE = re.compile(
    r"(?<![0-9A-Za-z])(?:(?:iqn|nqn)\.\d{4}-\d\d\.[^\s\"',<>]+|wwn-0x[0-9A-Fa-f]+|(?:eui|naa)\.[0-9A-Fa-f]{16,})"
)
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

# The second word of `uname -a`, the legend of lstopo, sysctl, words of a kernel command line, DMI's Redfish service.
_HOST_PLACES = (
    re.compile(r"^(Linux )\S+(?= \d+\.\d)", re.MULTILINE),
    re.compile(r"((?:^|>)Host: )[^\s<]+", re.MULTILINE),
    re.compile(r"(kernel\.(?:hostname|domainname) = )(?!\(none\)).+"),
    re.compile(r"((?<![0-9A-Za-z])(?:hostname|nodename|domain)=)[^\s\"',]+"),
    re.compile(r"(hostname: ).+", re.IGNORECASE),
    # Servers: of NFS at the begin of a line, of SMB, of an address given on a kernel command line.
    re.compile(r"^()[0-9A-Za-z][0-9A-Za-z._-]*(?=:/(?!/))", re.MULTILINE),
    re.compile(r"^(//)[^/\s]+", re.MULTILINE),
    re.compile(r"(=[a-z][a-z0-9+]*://(?:[^/\s@]*@)?)[^/\s\":]+"),
    re.compile(r"(nfsroot=)[^\s:/]+(?=:/)"),
)
_SECRET = re.compile(
    r"((?<![0-9A-Za-z])[\w.-]*(?:pass(?:word|wd|phrase)|token|secret|api_?key|fastopen_key)[ \t]*=[ \t]*)[^\s\"',]+",
    re.IGNORECASE,
)
_CREDENTIALS = re.compile(r"(://)[^/\s@]+(?=@)")

# Directories in which people keep their work. What the system itself keeps elsewhere is the same on all machines.
_OWN_PATHS = re.compile(
    r"(?<![\w./-])/(?:home|root|mnt|media|srv|opt|data|scratch|work|projects?|exports?|nfs|net|users)"
    r"(?:/[^\s\"',;<>]*)?(?![\w./-])",
    re.IGNORECASE,
)
_EXPORTED = re.compile(rf"^({re.escape(HOST)}:|//{re.escape(HOST)})/\S*", re.MULTILINE)
_VOLUME = re.compile(r"(/dev/mapper/)(?!control)[^\s\"',]+")
_JSON_LABEL = re.compile(r"(\"(?:part)?label\"\s*:\s*\")[^\"]+(?=\")", re.IGNORECASE)
_LABEL = re.compile(r"((?<![0-9A-Za-z])(?:PART)?LABEL=)[^\s\"',]+")
_DISK_MODEL = re.compile(r"(\"(?:model|modelnumber|productname)\"\s*:\s*\")[^\"]+(?=\")", re.IGNORECASE)


@dataclass(frozen=True)
class Redactor:
    """Removes what a level takes out; `names` are those of this machine, which no pattern can know."""

    level: str
    names: Names = field(default_factory=Names)

    def text(self, text: str) -> str:
        """Returns `text` without what the level takes out; the same text when there is nothing of it."""
        if self.level == NONE:
            return text
        text = _identifiers(self._host_names(text))
        return self._owner(text) if self.level == FULL else text

    def data(self, data: bytes) -> bytes:
        """`text` for captured bytes; bytes that are not UTF-8 come back as they were."""
        return self.text(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")

    def _host_names(self, text: str) -> str:
        text = _CREDENTIALS.sub(rf"\g<1>{SECRET}", text)
        text = _SECRET.sub(rf"\g<1>{SECRET}", text)
        text = _XML_HOST.sub(rf"\g<1>{HOST}", text)
        for place in _HOST_PLACES:
            text = place.sub(rf"\g<1>{HOST}", text)
        return _replace(text, self.names.hosts, HOST)

    def _owner(self, text: str) -> str:
        text = _replace(text, self.names.paths, PATH)
        text = _OWN_PATHS.sub(PATH, text)
        text = _EXPORTED.sub(rf"\g<1>{PATH}", text)
        text = _VOLUME.sub(rf"\g<1>{PATH}", text)
        text = _JSON_LABEL.sub(rf"\g<1>{PATH}", text)
        text = _LABEL.sub(rf"\g<1>{PATH}", text)
        text = _replace(text, self.names.volumes, PATH)
        text = _DISK_MODEL.sub(rf"\g<1>{MODEL}", text)
        text = _replace(text, self.names.models, MODEL)
        return _replace(text, self.names.users, USER)


def _replace(text: str, names: Iterable[str], placeholder: str) -> str:
    """Takes out the names where they stand as words, the longest first: one can be part of another."""
    for name in sorted(names, key=len, reverse=True):
        text = re.sub(rf"(?<![0-9A-Za-z]){re.escape(name)}(?![0-9A-Za-z])", placeholder, text)
    return text


def _identifiers(text: str) -> str:
    text = _XML_INFO.sub(rf"\g<1>{SERIAL}\g<2>", text)
    text = _JSON_SERIAL.sub(rf"\g<1>{SERIAL}", text)
    text = _WORLD_WIDE.sub(SERIAL, text)
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
