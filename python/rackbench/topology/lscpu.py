# SPDX-License-Identifier: Apache-2.0
"""Read a topology from what lscpu prints: `lscpu -J`, `lscpu -J -e` and `lscpu -p`, each as far as it tells."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from rackbench.errors import RackbenchError
from rackbench.topology import cpulist
from rackbench.topology.facts import Facts
from rackbench.topology.model import Node
from rackbench.topology.virtual import called

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NODE_FIELD = re.compile(r"NUMA node(\d{1,6}) CPU\(s\)", re.ASCII)
_INSTANCES = re.compile(r"\((\d+) instances?\)", re.ASCII)


def read(text: str) -> Facts:
    """Return what lscpu told.

    Raises `RackbenchError(topology_unknown)` for text that is not of lscpu.
    """
    try:
        if text.lstrip().startswith("{"):
            document = json.loads(text)
            if "cpus" in document:
                return _table([_flat(row) for row in document["cpus"]])
            return _summary(dict(_fields(document["lscpu"])))
        return _table(list(_columns(text)))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RackbenchError("topology_unknown", f"What lscpu printed cannot be read: {error}.") from error


def _fields(entries: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, str]]:
    """Return field and value of `lscpu -J`; newer versions nest them."""
    for entry in entries:
        yield str(entry["field"]).strip().rstrip(":"), str(entry.get("data") or "")
        yield from _fields(entry.get("children", ()))


def _flat(row: Mapping[str, Any]) -> dict[str, str]:
    """Return a row of `lscpu -J -e` as text by lower-case column; `l1d:l1i:l2:l3` are four columns."""
    flat: dict[str, str] = {}
    for name, value in row.items():
        said = "" if value is None or value == "-" else str(value)
        if ":" in name:
            flat.update(zip(name.lower().split(":"), said.split(":"), strict=False))
        else:
            flat[name.lower()] = said
    return flat


def _columns(text: str) -> Iterable[dict[str, str]]:
    """Return the rows of `lscpu -p`, by the names in its last comment; an empty name parts the caches."""
    names: list[str] = []
    for line in text.splitlines():
        if line.startswith("#"):
            names = [name.strip().lower() for name in line.lstrip("# ").split(",")]
        elif line.strip():
            values = [value.strip() for value in line.split(",")]
            if "cpu" not in names or len(values) != len(names):
                raise ValueError(f"the line {line[:60]!r} does not fit its heading")
            yield {
                name: "" if value == "-" else value for name, value in zip(names, values, strict=True) if name
            }


def _table(rows: list[dict[str, str]]) -> Facts:
    facts = Facts(sources=["lscpu"])
    if not rows:
        raise ValueError("it names no CPU")
    cores: dict[tuple[str, str], list[int]] = {}
    l3_groups: dict[str, list[int]] = {}
    nodes: dict[int, list[int]] = {}
    for row in rows:
        cpu = _cpu(row["cpu"])
        facts.present.add(cpu)
        if row.get("online", "y").lower() not in {"y", "yes", "true"}:
            continue
        facts.online.add(cpu)
        if row.get("core"):
            cores.setdefault((row.get("socket", ""), row["core"]), []).append(cpu)
        if row.get("socket"):
            facts.socket[cpu] = int(row["socket"])
        if row.get("node"):
            nodes.setdefault(int(row["node"]), []).append(cpu)
        if row.get("l3"):
            l3_groups.setdefault(row["l3"], []).append(cpu)
        if row.get("maxmhz"):
            facts.signals.max_frequency[cpu] = int(float(row["maxmhz"]) * 1000)
    facts.siblings = {cpu: tuple(members) for members in cores.values() for cpu in members}
    facts.nodes = [Node(number, tuple(members), None) for number, members in nodes.items()]
    facts.l3_groups = [tuple(members) for members in l3_groups.values()]
    if "online" not in rows[0]:
        facts.problems.append("This call of lscpu lists no offline CPUs; `lscpu -a -p=CPU,ONLINE` does.")
    return facts


def _cpu(text: str) -> int:
    cpus = cpulist.parse(text)
    if len(cpus) != 1:
        raise ValueError(f"{text[:40]!r} is no CPU")
    return cpus[0]


def _summary(fields: Mapping[str, str]) -> Facts:
    """Read the summary. It counts threads, cores and sockets, and does not say which CPU is where."""
    facts = Facts(sources=["lscpu"])
    facts.machine = fields.get("Architecture") or "unknown"
    facts.model = fields.get("Model name") or None
    facts.virtual = called(fields.get("Hypervisor vendor", ""))
    facts.signals.vendor = fields.get("Vendor ID")
    facts.online = set(cpulist.parse(fields.get("On-line CPU(s) list", "")))
    facts.present = facts.online | set(cpulist.parse(fields.get("Off-line CPU(s) list", "")))
    facts.nodes = [
        Node(int(match[1]), cpulist.parse(cpus), None)
        for name, cpus in fields.items()
        if (match := _NODE_FIELD.fullmatch(name))
    ]
    if fields.get("Thread(s) per core") == "1":
        facts.siblings = {cpu: (cpu,) for cpu in facts.online}
    if fields.get("Socket(s)") == "1":
        facts.socket = dict.fromkeys(facts.online, 0)
    instances = _INSTANCES.search(fields.get("L3 cache", ""))
    if instances and instances[1] == "1":
        facts.l3_groups = [tuple(sorted(facts.online))]
    facts.problems.append(
        "`lscpu -J` counts cores and caches, and tells no kinds of core; `lscpu -p` tells more."
    )
    return facts
