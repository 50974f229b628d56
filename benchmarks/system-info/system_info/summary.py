# SPDX-License-Identifier: Apache-2.0
"""Turns the stored raw captures into the summary. It reads files only, so it works on any recorded directory."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from system_info import VERSION, parse
from system_info.captures import CAPTURES
from system_info.virtual import judge

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SCHEMA = "rackbench.system-info/1.0"

Raw = dict[str, str]


@dataclass(frozen=True)
class Summary:
    """The facts, and what in the captures could not be understood."""

    facts: dict[str, Any]
    problems: list[str]


def read_raw(directory: Path) -> Raw:
    """The text of every capture stored below `directory`, by capture name; the missing ones are left out."""
    raw = {}
    for capture in CAPTURES:
        path = directory / capture.path
        if path.is_file():
            # Not read_text: it would turn a lone CR into a line end.
            raw[capture.name] = path.read_bytes().decode("utf-8", "replace")
    return raw


def summarise(
    raw: Raw, statuses: list[str], captured_at: str, probes: Mapping[str, str] | None = None
) -> Summary:
    """Builds the summary. A fact whose capture is missing is null, or an empty list.

    `statuses` are the statuses of all captures, `captured_at` is the UTC time at which collecting began, and `probes`
    is what `virtual.probe` found on the machine, when it is this one.
    """
    problems: list[str] = []
    facts = {
        "schema": SCHEMA,
        "collector_version": VERSION,
        "captured_at": captured_at,
        "host": {"name": _host_name(raw)},
        "virtual": judge(raw, probes or {}),
        "cpu": _cpu(raw),
        "memory": _memory(raw),
        "storage": {"devices": _block_devices(raw, problems)},
        "network": {"interfaces": _interfaces(raw)},
        "software": _software(raw),
        "topology_artifacts": {
            kind: next(c.path for c in CAPTURES if c.name == f"lstopo_{kind}")
            if f"lstopo_{kind}" in raw
            else None
            for kind in ("text", "xml", "svg")
        },
        "collection": {"command_count": len(statuses), "status_counts": dict(Counter(statuses))},
    }
    return Summary(facts, problems)


def _host_name(raw: Raw) -> str | None:
    words = raw.get("uname", "").split()
    return words[1] if len(words) > 1 else None


def _cpu(raw: Raw) -> dict[str, Any]:
    lscpu, cpuinfo = raw.get("lscpu", ""), raw.get("cpuinfo", "")
    topology = _topology(raw)
    models = parse.values(lscpu, "Model name") or parse.values(cpuinfo, "model name")
    flags = next((f for f in (parse.first(lscpu, "Flags"), _cpuinfo_flags(cpuinfo)) if f is not None), None)
    caches = parse.cache_table_kib(raw.get("lscpu_cache", ""))

    def cache_kib(name: str) -> int | None:
        stated = parse.size_kib(parse.first(lscpu, f"{name} cache"))
        return caches.get(name) if stated is None else stated

    return {
        "architecture": parse.first(lscpu, "Architecture") or _machine(raw),
        "vendor": parse.first(lscpu, "Vendor ID") or parse.first(cpuinfo, "vendor_id"),
        "display_model": models[0] if models else None,
        "model_names": models,
        "sockets": topology["summary"]["sockets"],
        "physical_cores": topology["physical_core_count"],
        "logical_cores": topology["logical_cpu_count"],
        "threads_per_core": topology["summary"]["threads_per_core"],
        "numa_nodes": topology["summary"]["numa_nodes"],
        "base_mhz": parse.base_mhz(models),
        "max_mhz": _highest(parse.values(lscpu, "CPU max MHz")),
        "governor": parse.one_line(raw.get("cpu_governor", "")),
        "l1d_cache_kib": cache_kib("L1d"),
        "l1i_cache_kib": cache_kib("L1i"),
        "l2_cache_kib": cache_kib("L2"),
        "l3_cache_kib": cache_kib("L3"),
        "flags_count": len(flags.split()) if flags is not None else None,
        "topology": topology,
    }


def _topology(raw: Raw) -> dict[str, Any]:
    lscpu, cpuinfo = raw.get("lscpu", ""), raw.get("cpuinfo", "")
    cpus = parse.topology(raw.get("lscpu_topology", ""))
    cores: dict[tuple[int, int], list[parse.Cpu]] = {}
    for cpu in cpus:
        cores.setdefault((cpu.socket, cpu.core), []).append(cpu)
    # Without lscpu the kernel's own list still gives the number of logical CPUs.
    logical = len(cpus) or len(parse.values(cpuinfo, "processor")) or None
    nodes = {cpu.node for cpu in cpus if cpu.node is not None}
    stated = {
        name: parse.whole_number(parse.first(lscpu, key))
        for name, key in (
            ("cpus", "CPU(s)"),
            ("sockets", "Socket(s)"),
            ("threads", "Thread(s) per core"),
            ("nodes", "NUMA node(s)"),
        )
    }
    return {
        "summary": {
            "architecture": parse.first(lscpu, "Architecture") or _machine(raw),
            "model_names": parse.values(lscpu, "Model name") or parse.values(cpuinfo, "model name"),
            "logical_cpu_count": stated["cpus"] or logical,
            "sockets": stated["sockets"] or len({cpu.socket for cpu in cpus}) or None,
            "threads_per_core": stated["threads"] or max((len(c) for c in cores.values()), default=None),
            "numa_nodes": stated["nodes"] or len(nodes) or None,
        },
        "physical_core_count": len(cores) or None,
        "logical_cpu_count": logical,
        "primary_cpus": [members[0].number for members in cores.values()],
        "logical_cpus": [cpu.number for cpu in cpus],
        "sibling_pairs": [[m[0].number, other.number] for m in cores.values() for other in m[1:]],
        "groups": [
            {"socket": s, "core": c, "node": members[0].node, "cpus": [cpu.number for cpu in members]}
            for (s, c), members in cores.items()
        ],
    }


def _cpuinfo_flags(cpuinfo: str) -> str | None:
    return parse.first(cpuinfo, "flags") or parse.first(cpuinfo, "Features")


def _machine(raw: Raw) -> str | None:
    words = raw.get("uname", "").split()
    # "... aarch64 aarch64 aarch64 GNU/Linux"; some systems print the machine only once.
    return words[-2] if len(words) > 3 and words[-1] == "GNU/Linux" else None


def _highest(megahertz: list[str]) -> str | None:
    numbers = [(number, text) for text in megahertz if (number := parse.number_or_none(text)) is not None]
    return max(numbers)[1] if numbers else None


def _memory(raw: Raw) -> dict[str, Any]:
    total = (parse.first(raw.get("meminfo", ""), "MemTotal") or "").split()
    kib = parse.whole_number(total[0]) if len(total) == 2 and total[1] == "kB" else None
    devices = parse.dmi_structures(raw.get("dmi_memory", ""), parse.MEMORY_DEVICE)
    populated = [d for d in devices if d.get("Size", "No Module Installed") != "No Module Installed"]
    known = "dmi_memory" in raw
    return {
        "total_bytes": kib * 1024 if kib is not None else None,
        "total_gib": kib / 1024**2 if kib is not None else None,
        "slot_count": len(devices) if known else None,
        "populated_count": len(populated) if known else None,
        "memory_type": _different(populated, "Type"),
        "memory_speed": _different(populated, "Configured Memory Speed") or _different(populated, "Speed"),
        "devices": devices,
    }


def _different(devices: list[dict[str, str]], key: str) -> str | None:
    found = dict.fromkeys(d[key] for d in devices if d.get(key) not in (None, "", "Unknown"))
    return ", ".join(found) or None


def _block_devices(raw: Raw, problems: list[str]) -> list[Any]:
    if "lsblk" not in raw:
        return []
    try:
        devices = json.loads(raw["lsblk"])["blockdevices"]
        json.dumps(
            devices, allow_nan=False
        )  # what we cannot write again (NaN, 1e999) is no proper JSON either
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        problems.append(f"lsblk: not the JSON document that was expected ({type(error).__name__})")
        return []
    if not isinstance(devices, list) or not all(isinstance(device, dict) for device in devices):
        problems.append("lsblk: blockdevices is not a list of objects")
        return []
    return devices


def _interfaces(raw: Raw) -> list[dict[str, str]]:
    """What lshw says; where it is missing or shows none, the names and addresses that `ip addr` shows."""
    return parse.lshw_nodes(raw.get("lshw_network", "")) or parse.ip_links(raw.get("ipaddr", ""))


def _software(raw: Raw) -> dict[str, Any]:
    release = parse.os_release(raw.get("os_release", ""))
    systems = parse.dmi_structures(raw.get("dmi_system", ""), parse.SYSTEM)
    return {
        "pretty_name": release.get("PRETTY_NAME"),
        "os_release": release.get("VERSION"),
        "kernel": parse.one_line(raw.get("uname", "")),
        "kernel_cmdline": parse.one_line(raw.get("cmdline", "")),
        "transparent_hugepage": parse.one_line(raw.get("transparent_hugepage", "")),
        "system_dmi": systems[0] if systems else {},
    }
