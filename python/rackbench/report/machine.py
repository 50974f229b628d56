# SPDX-License-Identifier: Apache-2.0
"""The picture of a machine: sockets hold NUMA nodes, these L3 groups, these cores, these logical CPUs. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rackbench.report import text
from rackbench.report.parts import Figure, joined, table, tag
from rackbench.report.series import MOST_COUNTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from markupsafe import Markup

    from rackbench.report.parts import Table
    from rackbench.topology.model import Cpu, Topology

KINDS = ("uniform", "performance", "efficient", "dense")
_OTHER = "other"
# Sizes in units of the drawing.
_CPU_W, _CPU_H, _GAP, _PAD, _TITLE, _WIDTH = 27.0, 20.0, 4.0, 6.0, 15.0, 940.0


@dataclass(frozen=True, slots=True)
class _Box:
    """Something drawn, with its size; `draw` puts it at a place."""

    width: float
    height: float
    draw: Callable[[float, float], Markup]


def figure(topology: Topology) -> Figure:
    """Return the picture of a machine, and a table of its cores."""
    sockets = [
        _socket(topology, socket, [cpu for cpu in topology.cpus if cpu.socket == socket])
        for socket in sorted({cpu.socket for cpu in topology.cpus}, key=lambda socket: (socket < 0, socket))
    ]
    whole = _flow(sockets, _WIDTH)
    legend = _legend(topology)
    height = whole.height + 34
    drawing = tag(
        "svg",
        joined([whole.draw(0.0, 0.0), tag("g", legend, transform=f"translate(0 {whole.height + 12:.1f})")]),
        viewBox=f"0 0 {max(whole.width, 560.0):g} {height:g}",
        class_="chart machine",
        width=f"{max(whole.width, 560.0):g}",
        focusable="false",
        aria_hidden="true",
    )
    return Figure(
        "machine-picture",
        "Processors",
        _description(topology),
        drawing,
        (_table(topology), _caches(topology)),
    )


def cache_markers(topology: Topology | None) -> list[tuple[str, int]]:
    """Return name and bytes of each size of data cache, the smallest level first; of several sizes each."""
    found = {
        (cache.level, cache.size_bytes)
        for cache in (topology.caches if topology else ())
        if cache.kind != "instruction" and 0 < cache.size_bytes < MOST_COUNTED
    }
    return [(f"L{level}, {text.size(size)}", size) for level, size in sorted(found)]


def _description(topology: Topology) -> str:
    shown = [
        text.counted(len(topology.sockets), "socket"),
        text.counted(len(topology.nodes), "NUMA node"),
        text.counted(len(topology.l3_groups), "L3 group"),
        text.counted(len(topology.cores), "core"),
        text.counted(len(topology.online), "logical CPU") + " online",
    ]
    if topology.offline:
        shown.append(f"{len(topology.offline)} offline")
    kinds = ", ".join(f"{count} {kind}" for kind, count in topology.kinds.items())
    told = f" Kinds of cores: {kinds} (by {topology.kinds_by})." if len(topology.kinds) > 1 else ""
    return f"{', '.join(shown)}.{told} Each small square is a logical CPU with its number."


def _socket(topology: Topology, socket: int, cpus: list[Cpu]) -> _Box:
    nodes = _by(cpus, lambda cpu: cpu.node)
    inside = []
    for node, of_node in nodes:
        groups = [
            _titled("" if group is None else f"L3 {group}", _cores(of_group), "l3", _WIDTH - 60)
            for group, of_group in _by(of_node, lambda cpu: cpu.l3)
        ]
        memory = next((each.memory_bytes for each in topology.nodes if each.id == node), None)
        title = "" if node is None else f"NUMA {node}" + (f", {text.size(memory)}" if memory else "")
        inside.append(_titled(title, groups, "node", _WIDTH - 30))
    return _titled(f"Socket {socket}" if socket >= 0 else "Socket not known", inside, "socket", _WIDTH)


def _cores(cpus: Iterable[Cpu]) -> list[_Box]:
    boxes = []
    for core, of_core in _by(cpus, lambda cpu: cpu.core):
        if core == -1:
            boxes += [_core([cpu]) for cpu in of_core]
        else:
            boxes.append(_core(of_core))
    return boxes


def _core(cpus: Sequence[Cpu]) -> _Box:
    """Return a core: its logical CPUs one below the other."""

    def draw(x: float, y: float) -> Markup:
        return joined(_cpu(cpu, x, y + index * _CPU_H) for index, cpu in enumerate(cpus))

    return _Box(_CPU_W, _CPU_H * len(cpus), draw)


def _cpu(cpu: Cpu, x: float, y: float) -> Markup:
    kind = cpu.kind if cpu.kind in KINDS else _OTHER
    state = "offline" if not cpu.online else "barred" if not cpu.allowed else f"k-{kind}"
    place = (
        "offline"
        if not cpu.online
        else f"core {cpu.core}, {cpu.kind}" + ("" if cpu.allowed else ", not for jobs")
    )
    return joined(
        [
            tag(
                "rect",
                tag("title", f"CPU {cpu.id}: {place}"),
                class_=f"cpu {state}",
                x=x,
                y=y,
                width=_CPU_W,
                height=_CPU_H,
            ),
            tag(
                "text",
                cpu.id,
                class_=f"cpu {state}",
                x=x + _CPU_W / 2,
                y=y + _CPU_H / 2 + 3.5,
                text_anchor="middle",
            ),
        ]
    )


def _titled(title: str, inside: Sequence[_Box], class_: str, most: float) -> _Box:
    flowed = _flow(inside, most)
    head = _TITLE if title else 0.0
    width = max(flowed.width, 6.2 * len(title)) + 2 * _PAD
    height = flowed.height + head + 2 * _PAD

    def draw(x: float, y: float) -> Markup:
        parts = [tag("rect", class_=f"box {class_}", x=x, y=y, width=width, height=height, rx=4)]
        if title:
            parts.append(tag("text", title, class_="box", x=x + _PAD, y=y + _PAD + 9))
        return joined([*parts, flowed.draw(x + _PAD, y + _PAD + head)])

    return _Box(width, height, draw)


def _flow(boxes: Sequence[_Box], most: float) -> _Box:
    """Return boxes side by side, in as many lines as they need."""
    placed: list[tuple[_Box, float, float]] = []
    x = y = line = width = 0.0
    for box in boxes:
        if x and x + box.width > most:
            x, y, line = 0.0, y + line + _GAP, 0.0
        placed.append((box, x, y))
        x, line = x + box.width + _GAP, max(line, box.height)
        width = max(width, x - _GAP)

    def draw(left: float, top: float) -> Markup:
        return joined(box.draw(left + at_x, top + at_y) for box, at_x, at_y in placed)

    return _Box(width, y + line, draw)


def _legend(topology: Topology) -> Markup:
    kinds = list(
        dict.fromkeys(cpu.kind if cpu.kind in KINDS else _OTHER for cpu in topology.cpus if cpu.online)
    )
    entries = [(f"k-{kind}", "core" if kind == "uniform" else f"{kind} core") for kind in kinds]
    if any(cpu.online and not cpu.allowed for cpu in topology.cpus):
        entries.append(("barred", "not for jobs"))
    if topology.offline:
        entries.append(("offline", "offline"))
    parts, x = [], 0.0
    for class_, name in entries:
        parts += [
            tag("rect", class_=f"cpu {class_}", x=x, y=0, width=14, height=14),
            tag("text", name, class_="legend", x=x + 20, y=11),
        ]
        x += 44 + 6.6 * len(name)
    return joined(parts)


def _table(topology: Topology) -> Table:
    rows = [
        (
            f"{core.id}",
            text.NONE if core.socket < 0 else f"{core.socket}",
            text.NONE if core.node is None else f"{core.node}",
            text.NONE if core.l3 is None else f"{core.l3}",
            core.kind,
            ", ".join(str(cpu) for cpu in core.cpus),
        )
        for core in topology.cores
    ]
    rows += [(f"CPU {cpu}", text.NONE, text.NONE, text.NONE, "offline", str(cpu)) for cpu in topology.offline]
    return table(
        "Cores and their logical CPUs", ("core", "#socket", "#NUMA node", "#L3 group", "kind", "CPUs"), rows
    )


def _caches(topology: Topology) -> Table:
    groups: dict[tuple[int, str, int], int] = {}
    for cache in topology.caches:
        key = (cache.level, cache.kind, cache.size_bytes)
        groups[key] = groups.get(key, 0) + 1
    rows = [
        (f"L{level} {kind}", text.size(size), f"{count}")
        for (level, kind, size), count in sorted(groups.items())
    ]
    return table("Caches", ("cache", "#size", "#how many"), rows)


def _by(cpus: Iterable[Cpu], key: Callable[[Cpu], int | None]) -> list[tuple[int | None, list[Cpu]]]:
    """Return CPUs grouped, groups and CPUs in ascending order; what is not known comes last."""
    groups: dict[int | None, list[Cpu]] = {}
    for cpu in cpus:
        groups.setdefault(key(cpu), []).append(cpu)
    return sorted(groups.items(), key=lambda pair: (pair[0] is None or pair[0] == -1, pair[0] or 0))
