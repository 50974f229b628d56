# SPDX-License-Identifier: Apache-2.0
"""Read a topology from lstopo's XML: version 1 (hwloc 1, or `lstopo --export-xml-flags 1`), 2 and 3."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from rackbench.errors import RackbenchError
from rackbench.topology import cpulist
from rackbench.topology.facts import Facts
from rackbench.topology.model import Cache, CacheKind, Node
from rackbench.topology.virtual import hypervisor

if TYPE_CHECKING:
    from collections.abc import Iterable

LARGEST_TEXT = 64 * 1024 * 1024
_CACHE_TYPE = re.compile(r"Cache|L[1-5]i?Cache", re.ASCII)
_CACHE_KINDS: dict[str, CacheKind] = {"0": "unified", "1": "data", "2": "instruction"}
_PACKAGES = {"Package", "Socket"}
_PMU = {"IntelCore": "cpu_core", "IntelAtom": "cpu_atom", "IntelLowPower": "cpu_lowpower"}


def read(text: str) -> Facts:
    """Return what lstopo told.

    Raises `RackbenchError(topology_unknown)` for text that is not lstopo's, is cut off, or defines entities.
    """
    root = _root(text)
    facts = Facts(sources=["lstopo"])
    objects = list(_objects(root))
    try:
        for element, core, package in objects:
            _object(element, core, package, facts)
        machine = next((element for element, _, _ in objects if element.get("type") == "Machine"), None)
        if machine is None:
            raise ValueError("it holds no machine")  # noqa: TRY301
        _presence(machine, facts)
        _kinds(root, facts)
    except ValueError as error:
        raise RackbenchError("topology_unknown", f"lstopo's XML makes no sense: {error}.") from error
    if facts.siblings and not facts.socket:
        facts.socket = dict.fromkeys(facts.online, 0)
    _infos(
        [machine, *(element for element, _, _ in objects if element.get("type") in _PACKAGES), root], facts
    )
    return facts


def _root(text: str) -> ET.Element:
    if len(text) > LARGEST_TEXT:
        raise RackbenchError("topology_unknown", "The XML is longer than lstopo writes for any host.")
    # lstopo names its DTD and defines nothing itself: no entity is ever expanded, and nothing is fetched.
    if "<!ENTITY" in text:
        raise RackbenchError("topology_unknown", "The XML defines entities, which lstopo never does.")
    try:
        root = ET.fromstring(text)  # noqa: S314
    except (ET.ParseError, ValueError) as error:
        raise RackbenchError("topology_unknown", f"The XML cannot be read: {error}.") from error
    if root.tag != "topology":
        raise RackbenchError(
            "topology_unknown", f"The XML is of {root.tag[:40]!r}, and not lstopo's topology."
        )
    return root


def _objects(root: ET.Element) -> Iterable[tuple[ET.Element, ET.Element | None, ET.Element | None]]:
    """Yield each object with the core and the package that it is in."""
    waiting: list[tuple[ET.Element, ET.Element | None, ET.Element | None]] = [(root, None, None)]
    while waiting:
        element, core, package = waiting.pop()
        if element.tag == "object":
            core = element if element.get("type") == "Core" else core
            package = element if element.get("type") in _PACKAGES else package
            yield element, core, package
        waiting.extend((child, core, package) for child in element if child.tag == "object")


def _object(element: ET.Element, core: ET.Element | None, package: ET.Element | None, facts: Facts) -> None:
    kind = element.get("type", "")
    if kind == "PU":
        cpu = _number(element, "os_index")
        if not 0 <= cpu < cpulist.MOST_CPUS:
            raise ValueError(f"{cpu} is no CPU")
        facts.online.add(cpu)
        facts.siblings[cpu] = (cpu,) if core is None else _cpus(core, "cpuset")
        if package is not None:
            facts.socket[cpu] = max(0, _number(package, "os_index"))
    elif kind == "NUMANode":
        memory = element.get("local_memory", "")
        facts.nodes.append(
            Node(_number(element, "os_index"), _cpus(element, "cpuset"), int(memory) if memory else None)
        )
    elif _CACHE_TYPE.fullmatch(kind):
        cache_kind = _CACHE_KINDS.get(element.get("cache_type", "0"), "unified")
        facts.caches.append(
            Cache(
                _number(element, "depth"),
                cache_kind,
                _number(element, "cache_size"),
                _cpus(element, "cpuset"),
            )
        )


def _presence(machine: ET.Element, facts: Facts) -> None:
    """Find offline CPUs, which are in the machine's complete set only, and those that jobs may not use."""
    complete = set(_cpus(machine, "complete_cpuset"))
    if machine.get("online_cpuset") is not None:
        facts.online &= set(_cpus(machine, "online_cpuset"))
    facts.present = facts.online | complete
    if machine.get("allowed_cpuset") is not None:
        facts.allowed = set(_cpus(machine, "allowed_cpuset"))
    if facts.present - facts.online:
        hidden = cpulist.text(facts.present - facts.online)
        facts.problems.append(f"lstopo does not tell whether the CPUs {hidden} are offline or not allowed.")


def _kinds(root: ET.Element, facts: Facts) -> None:
    """Read hwloc's kinds of core: which detection told them, so that ours decides as it does with sysfs."""
    signals = facts.signals
    for element in root.iter("cpukind"):
        infos = [(info.get("name", ""), info.get("value", "")) for info in element.iter("info")]
        cpus = _cpus(element, "cpuset")
        units = {_PMU[value] for name, value in infos if name == "CoreType" and value in _PMU}
        # A low-power core is an Atom to the processor and a kind of its own to the kernel.
        unit = "cpu_lowpower" if "cpu_lowpower" in units else next(iter(units), None)
        if unit:
            signals.pmu[unit] = (*signals.pmu.get(unit, ()), *cpus)
        for name, values in (
            ("LinuxCapacity", signals.capacity),
            ("FrequencyBaseMHz", signals.base_frequency),
            ("FrequencyMaxMHz", signals.max_frequency),
        ):
            values.update((cpu, int(value)) for key, value in infos if key == name for cpu in cpus)
        signals.part.update((cpu, value) for key, value in infos if key == "CPUPart" for cpu in cpus)


def _infos(elements: Iterable[ET.Element], facts: Facts) -> None:
    """Read what is said about the machine; version 3 says some of it beside the tree of objects."""
    said: dict[str, str] = {}
    for element in elements:
        for info in element.findall("info"):
            said.setdefault(info.get("name", ""), info.get("value", ""))
    facts.machine = said.get("Architecture") or "unknown"
    facts.model = " ".join(said.get("CPUModel", "").split()) or None
    facts.signals.vendor = said.get("CPUVendor")
    facts.virtual = hypervisor(said.get("DMISysVendor", ""), said.get("DMIProductName", ""), flagged=False)


def _number(element: ET.Element, name: str) -> int:
    text = element.get(name, "")
    try:
        return int(text[:20])
    except ValueError as error:
        raise ValueError(f"{name} of {element.get('type')} is no number: {text[:40]!r}") from error


def _cpus(element: ET.Element, name: str) -> tuple[int, ...]:
    return cpulist.parse_mask(element.get(name, ""))
