# SPDX-License-Identifier: Apache-2.0
"""The heat map of a metric that is measured between two CPUs. Pure.

The page holds the medians once, as compact JSON, and its script draws them: 384 CPUs have 73,536 pairs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rackbench.report import text
from rackbench.report.parts import Figure, joined, slug, table, tag
from rackbench.report.scales import Scale, ramp
from rackbench.report.series import median, statistics_cells

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from markupsafe import Markup

    from rackbench.report.parts import Table
    from rackbench.report.series import Series
    from rackbench.topology.model import Cpu, Topology

CPU_LABELS = ("cpu_a", "cpu_b")
# With so many CPUs the whole matrix is a table; with more the page's script shows the CPU that was chosen.
_MOST_IN_TABLE = 32
# The frame around the canvas, in units of the drawing; page.css places the canvas by the same numbers.
_WIDTH, _HEIGHT, _LEFT, _TOP, _SIDE = 800.0, 690.0, 60.0, 8.0, 640.0
_UNKNOWN = "all pairs"
Pairs = dict[tuple[int, int], list[float]]


def is_matrix(series: Sequence[Series]) -> bool:
    """Return whether all of these are values between two CPUs."""
    return all(_pair(one) is not None for one in series)


def _pair(one: Series) -> tuple[int, int] | None:
    """Return the two CPUs of a series, the lower number first, or None."""
    a, b = one.count("cpu_a"), one.count("cpu_b")
    if a is None or b is None:
        return None
    return (a, b) if a < b else (b, a)


def figures(adapter: str, series: Sequence[Series], topology: Topology | None) -> list[Figure]:
    """Return a heat map for each set of the other labels; the series are of one family and metric.

    A label that has one value for each pair, such as what its CPUs share, tells of the pair and parts no maps.
    """
    groups: dict[str, Pairs] = {}
    of_pairs = _labels_of_pairs(series)
    for one in series:
        pair = _pair(one)
        if pair is not None:
            labels = text.labels(one.without(*CPU_LABELS, *of_pairs))
            groups.setdefault(labels, {}).setdefault(pair, []).extend(one.samples)
    return [_figure(adapter, series[0], labels, pairs, topology) for labels, pairs in groups.items()]


def _labels_of_pairs(series: Sequence[Series]) -> set[str]:
    """Return the labels whose value is the same in all series of any one pair."""
    found = {name for one in series for name, _ in one.labels}
    values: dict[tuple[tuple[int, int] | None, str], str | int | None] = {}
    for one in series:
        pair = _pair(one)
        found -= {
            name for name in found if values.setdefault((pair, name), one.label(name)) != one.label(name)
        }
    return found


def _figure(adapter: str, one: Series, labels: str, pairs: Pairs, topology: Topology | None) -> Figure:
    medians = {pair: _short(median(samples)) for pair, samples in pairs.items()}
    places = _places(topology)
    known = {cpu for pair in medians for cpu in pair}
    order = sorted(known, key=lambda cpu: (_place(places.get(cpu)), cpu))
    scale = _colours(list(medians.values()))
    possible = len(order) * (len(order) - 1) // 2
    classes = _classes(medians, places)
    values = [medians.get((min(a, b), max(a, b))) for row, a in enumerate(order) for b in order[:row]]
    data = {
        "cpus": order,
        "values": values,
        "unit": one.unit,
        "low": scale.low,
        "high": scale.high,
        "log": scale.is_log,
        "ramp": ramp(),
        "relations": _relation_data(order, places),
    }
    title = f"{text.words(one.name).capitalize()} between CPUs, {one.family}" + (
        f", {labels}" if labels else ""
    )
    sampled = f" {len(medians):,} of {possible:,} pairs were measured." if len(medians) < possible else ""
    ordered = (
        " CPUs are in the order of sockets, NUMA nodes, L3 groups and cores; lines part them."
        if places
        else ""
    )
    return Figure(
        slug(adapter, one.family, one.name, labels),
        title,
        f"Median for each pair of {len(order)} CPUs in {one.unit}, from {text.number(scale.low)} to "
        f"{text.number(scale.high)}; the colours are {'logarithmic' if scale.is_log else 'linear'}.{sampled}{ordered}",
        _frame(order, places, scale, one.unit),
        (_class_table(classes, one.unit), *_tables(order, medians, one.unit)),
        data,
    )


def _short(value: float) -> float:
    """Return a value with the digits that are shown, which keeps the page small."""
    return float(f"{value:.4g}")


def _colours(values: list[float]) -> Scale:
    low, high = min(values), max(values)
    if low > 0:
        return Scale(low, high, 0.0, 1.0, is_log=True)
    return Scale(low, high, 0.0, 1.0)


def _places(topology: Topology | None) -> dict[int, Cpu]:
    return {cpu.id: cpu for cpu in topology.cpus} if topology else {}


def _place(cpu: Cpu | None) -> tuple[int, ...]:
    if cpu is None:
        return (1,)
    return (0, cpu.socket, -1 if cpu.node is None else cpu.node, -1 if cpu.l3 is None else cpu.l3, cpu.core)


def _relation(a: Cpu | None, b: Cpu | None) -> str:
    """Return how near two CPUs are, in words."""
    if a is None or b is None:
        return _UNKNOWN
    if a.socket != b.socket:
        return "other socket"
    if a.core == b.core and a.core >= 0:
        return "same core"
    if a.l3 is not None and a.l3 == b.l3:
        return "same L3"
    if a.node == b.node:
        return "same NUMA node, other L3" if a.l3 is not None else "same NUMA node"
    return "same socket, other NUMA node"


_NEAREST = ("same core", "same L3", "same NUMA node", "same NUMA node, other L3", "same socket, other NUMA node",
            "other socket", _UNKNOWN)  # fmt: skip


def _classes(medians: dict[tuple[int, int], float], places: dict[int, Cpu]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for (a, b), value in medians.items():
        found.setdefault(_relation(places.get(a), places.get(b)), []).append(value)
    return {name: found[name] for name in _NEAREST if name in found}


def _relation_data(order: Sequence[int], places: dict[int, Cpu]) -> list[list[int | None]] | None:
    """Return socket, node, L3 and core of each CPU, from which the script says how near two are."""
    if not places:
        return None
    return [
        [cpu.socket, cpu.node, cpu.l3, cpu.core] if cpu else [None] * 4
        for cpu in (places.get(each) for each in order)
    ]


def _class_table(classes: dict[str, list[float]], unit: str) -> Table:
    return table(
        "Pairs by how near their CPUs are",
        ("pairs", "#number", f"#median ({unit})", f"#least ({unit})", f"#greatest ({unit})"),
        [(name, *statistics_cells(values)) for name, values in classes.items()],
    )


def _tables(order: Sequence[int], medians: dict[tuple[int, int], float], unit: str) -> Iterable[Table]:
    if len(order) > _MOST_IN_TABLE:
        return
    yield table(
        f"Median of each pair ({unit})",
        ("CPU", *(f"#{cpu}" for cpu in order)),
        [(f"CPU {a}", *(text.number(medians.get((min(a, b), max(a, b)))) for b in order)) for a in order],
    )


def _frame(order: Sequence[int], places: dict[int, Cpu], scale: Scale, unit: str) -> Markup:
    """Return axes, dividing lines and the legend of the colours; the script puts the canvas inside."""
    cell = _SIDE / len(order)
    every = next(step for step in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1 << 30) if step * cell >= 22)
    parts = [tag("rect", class_="empty", x=_LEFT, y=_TOP, width=_SIDE, height=_SIDE)]
    for index in range(0, len(order), every):
        at = (index + 0.5) * cell
        parts += [
            tag("text", order[index], class_="tick", x=_LEFT + at, y=_TOP + _SIDE + 14, text_anchor="middle"),
            tag("text", order[index], class_="tick", x=_LEFT - 6, y=_TOP + at + 4, text_anchor="end"),
        ]
    parts += [
        tag("text", "CPU", class_="axis", x=_LEFT + _SIDE / 2, y=_TOP + _SIDE + 31, text_anchor="middle"),
        tag("text", "CPU", class_="axis", x=14, y=_TOP + _SIDE / 2, text_anchor="middle",
            transform=f"rotate(-90 14 {_TOP + _SIDE / 2:g})"),
    ]  # fmt: skip
    under = tag("svg", joined([*parts, _legend(scale, unit)]), viewBox=f"0 0 {_WIDTH:g} {_HEIGHT:g}", class_="chart",
                focusable="false", aria_hidden="true")  # fmt: skip
    over = tag("svg", joined(_borders(order, places, cell)), viewBox=f"0 0 {_WIDTH:g} {_HEIGHT:g}", class_="chart over",
               focusable="false", aria_hidden="true")  # fmt: skip
    return joined([under, over])


def _borders(order: Sequence[int], places: dict[int, Cpu], cell: float) -> Iterable[Markup]:
    for index in range(1, len(order)):
        before, after = places.get(order[index - 1]), places.get(order[index])
        if before is None or after is None:
            continue
        if before.socket != after.socket:
            class_ = "border socket"
        elif (before.node, before.l3) != (after.node, after.l3):
            class_ = "border"
        else:
            continue
        at = index * cell
        yield tag("line", class_=class_, x1=_LEFT + at, x2=_LEFT + at, y1=_TOP, y2=_TOP + _SIDE)
        yield tag("line", class_=class_, x1=_LEFT, x2=_LEFT + _SIDE, y1=_TOP + at, y2=_TOP + at)
    yield tag("rect", class_="cursor", x=_LEFT, y=_TOP, width=cell, height=cell, visibility="hidden")


def _legend(scale: Scale, unit: str) -> Markup:
    """Return the colours with their values, beside the matrix."""
    colours, left, top, height = ramp(), _LEFT + _SIDE + 14, _TOP + 20, 240.0
    step = height / len(colours)
    parts = [tag("text", unit, class_="axis", x=left, y=top - 10)]
    parts += [
        tag("rect", x=left, y=top + height - (index + 1) * step, width=12, height=step + 0.4, fill=colour)
        for index, colour in enumerate(colours)
    ]
    wide = scale.high > scale.low
    ticks = Scale(scale.low, scale.high, top + height, top, scale.is_log) if wide else None
    shown = [scale.low, *_between(ticks), scale.high] if ticks else [scale.low]
    for value in shown:
        y = ticks(value) if ticks else top + height / 2
        parts.append(tag("text", text.number(value), class_="tick", x=left + 16, y=y + 4))
    return tag("g", joined(parts))


def _between(scale: Scale) -> list[float]:
    """Return ticks that do not touch the two ends or each other."""
    found: list[float] = []
    for tick in scale.ticks:
        neighbours = [scale.low, scale.high, *found]
        if all(abs(scale(tick) - scale(other)) >= 16 for other in neighbours):
            found.append(tick)
    return found
