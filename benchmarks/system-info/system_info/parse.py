# SPDX-License-Identifier: Apache-2.0
"""Parsers of the raw captures. None of them raises on odd text; what is not understood is left out.

A capture made over a terminal (with sudo, by other collectors) may begin with an echoed line, end its lines with
CR LF and hold progress messages that are overwritten after a CR. `lines` undoes the last two; the parsers look
for their own headings, so they pass over the first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\b")
_KIB_PER_UNIT = {"": 1 / 1024, "K": 1, "M": 1024, "G": 1024**2, "T": 1024**3}
_NOMINAL_GHZ = re.compile(r"@ ([0-9]{1,3}(?:\.[0-9]{1,6})?)GHz")
_DMI_HANDLE = re.compile(r"Handle 0x[0-9A-Fa-f]+, DMI type (\d+)")
_LSHW_NODE = re.compile(r"\s*\*-\S+")
_LINK = re.compile(r"\d+: ([^:@\s]+)(?:@\S+)?: <")
_ASSIGNMENT = re.compile(r"(\w+)=(?:\"(.*)\"|'(.*)'|(.*))$")

MEMORY_DEVICE = 17
SYSTEM = 1


@dataclass(frozen=True)
class Cpu:
    """One online logical CPU; `node` is None on a kernel without NUMA."""

    number: int
    core: int
    socket: int
    node: int | None


def lines(text: str) -> list[str]:
    """The lines as a terminal would show them: what stands before a CR inside a line was overwritten."""
    return [line.rstrip("\r").rsplit("\r", 1)[-1] for line in text.split("\n")]


def one_line(text: str) -> str | None:
    """The text of a file that holds one value, or None when it is empty."""
    return text.strip() or None


def pairs(text: str) -> list[tuple[str, str]]:
    """All `key: value` lines in order. A key can occur again, as `Model name` does on mixed-core machines."""
    found = []
    for line in lines(text):
        key, colon, value = line.partition(":")
        if colon:
            found.append((key.strip(), value.strip()))
    return found


def values(text: str, key: str) -> list[str]:
    """The different values of `key` among the `key: value` lines, in order, without empty ones and "-"."""
    return list(dict.fromkeys(value for name, value in pairs(text) if name == key and value not in ("", "-")))


def first(text: str, key: str) -> str | None:
    """The first of `values`."""
    return next(iter(values(text, key)), None)


def whole_number(text: str | None) -> int | None:
    """The ASCII decimal number in `text`, or None."""
    return int(text) if text is not None and re.fullmatch(r"[0-9]{1,18}", text) else None


def number_or_none(text: str) -> float | None:
    """The ASCII decimal fraction in `text`, or None."""
    return float(text) if re.fullmatch(r"[0-9]{1,18}(?:\.[0-9]{1,18})?", text) else None


def size_kib(text: str | None) -> int | None:
    """KiB of a size such as "12 MiB (192 instances)", "32K" or "1.5M"; None when it is none."""
    match = _SIZE.match(text or "")
    return int(float(match.group(1)) * _KIB_PER_UNIT[match.group(2)]) if match else None


def base_mhz(model_names: list[str]) -> str | None:
    """The base clock in MHz, which Intel puts at the end of the model name ("... @ 2.20GHz"); lscpu has no field."""
    found = next((match for name in model_names if (match := _NOMINAL_GHZ.search(name))), None)
    return f"{float(found.group(1)) * 1000:.4f}" if found else None


def cache_table_kib(text: str) -> dict[str, int]:
    """KiB of all instances together, by cache name, from `lscpu -C`."""
    rows = [line.split() for line in lines(text) if line.strip()]
    if not rows or "NAME" not in rows[0] or "ALL-SIZE" not in rows[0]:
        return {}
    name, size = rows[0].index("NAME"), rows[0].index("ALL-SIZE")
    found = {}
    for row in rows[1:]:
        kib = size_kib(row[size]) if len(row) > max(name, size) else None
        if kib is not None:
            found[row[name]] = kib
    return found


def os_release(text: str) -> dict[str, str]:
    """The fields of /etc/os-release without their quotes."""
    found = {}
    for line in lines(text):
        match = _ASSIGNMENT.fullmatch(line.strip())
        if match:
            found[match.group(1)] = next((value for value in match.groups()[1:] if value is not None), "")
    return found


def topology(text: str) -> list[Cpu]:
    """The online CPUs of `lscpu -p=CPU,CORE,SOCKET,NODE,ONLINE`, by number."""
    cpus = []
    for line in lines(text):
        fields = line.strip().split(",")
        if len(fields) != 5 or fields[4] != "Y":
            continue
        number, core, socket = whole_number(fields[0]), whole_number(fields[1]), whole_number(fields[2])
        if number is not None and core is not None:
            # Some virtual machines report no socket; all their cores are then in one.
            cpus.append(Cpu(number, core, socket or 0, whole_number(fields[3])))
    return sorted(cpus, key=lambda cpu: cpu.number)


def dmi_structures(text: str, kind: int) -> list[dict[str, str]]:
    """The `key: value` fields of all dmidecode structures of one DMI type."""
    found: list[dict[str, str]] = []
    inside = False
    for line in lines(text):
        handle = _DMI_HANDLE.match(line)
        if handle:
            inside = int(handle.group(1)) == kind
            if inside:
                found.append({})
        elif inside and line.startswith("\t") and not line.startswith("\t\t"):
            key, colon, value = line.partition(":")
            if colon:
                found[-1][key.strip()] = value.strip()
    return found


def lshw_nodes(text: str) -> list[dict[str, str]]:
    """The fields of each node of `lshw -C network`."""
    found: list[dict[str, str]] = []
    for line in lines(text):
        if _LSHW_NODE.match(line):
            found.append({})
            continue
        key, colon, value = line.partition(": ")
        if found and colon and line.startswith(" "):
            found[-1][key.strip()] = value.strip()
    return [node for node in found if node]


def ip_links(text: str) -> list[dict[str, str]]:
    """The Ethernet interfaces of `ip addr`, with the keys that lshw uses for the same facts."""
    found: list[dict[str, str]] = []
    name = None
    for line in lines(text):
        link = _LINK.match(line)
        if link:
            name = link.group(1)
        words = line.split()
        if name is not None and len(words) > 1 and words[0] == "link/ether":
            found.append({"description": "Ethernet interface", "logical name": name, "serial": words[1]})
    return found
