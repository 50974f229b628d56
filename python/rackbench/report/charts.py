# SPDX-License-Identifier: Apache-2.0
"""Charts as SVG: rows of samples, lines over an axis, and bars of time. Each gives a drawing that CSS colours."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from markupsafe import Markup

from rackbench.report import text
from rackbench.report.parts import joined, tag
from rackbench.report.scales import Scale, linear, logarithmic, powers_of_two
from rackbench.report.series import VOID, Lane, median

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WIDTH = 760.0
# Beyond so many dots a drawing shows the range and the median only.
MOST_DOTS = 4000
COLOURS = 4
_RIGHT, _TOP, _BOTTOM = 84.0, 8.0, 40.0
_LANE, _ROW = 9.0, 24.0
# The names of rows stand in a gutter of this width, by their letters.
_LETTER, _LEAST_GUTTER, _MOST_GUTTER = 6.4, 90.0, 300.0
_SHAPES = ("circle", "square", "diamond", "triangle")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a chart: its samples in a lane for each repeat. `colour` counts from 0."""

    name: str
    lanes: tuple[Lane, ...]
    colour: int = 0

    @property
    def samples(self) -> list[float]:
        """Return the samples of all lanes."""
        return [value for lane in self.lanes for value in lane.samples]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a chart: for each x the samples found there. `colour` counts from 0."""

    name: str
    points: tuple[tuple[float, tuple[float, ...]], ...]
    colour: int = 0


@dataclass(frozen=True, slots=True)
class Bar:
    """A span of time in seconds since the beginning. `state` chooses its looks, `note` stands beside it."""

    name: str
    start: float
    end: float
    state: str
    note: str
    inner: bool = False


@dataclass(frozen=True, slots=True)
class Marker:
    """A place on the x axis that has a name."""

    name: str
    x: float


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis: what it is called, and how its values are written."""

    name: str
    write: Callable[[float], str] = field(default=text.number)

    def ticks(self, values: Sequence[float]) -> list[str]:
        """Return ticks as text; plain numbers all have the digits after the point that one of them needs."""
        return text.alike(values) if self.write is text.number else [self.write(value) for value in values]


def rows(
    given: Sequence[Row], axis: Axis, *, zero: bool = False, log: bool = False, mark: float | None = None
) -> Markup:
    """Return a chart with a dot for each sample and a stroke at each row's median; `mark` is a line across all rows.

    The axis begins near the least value, at `zero`, or is logarithmic, which takes positive values only.
    """
    values = [value for row in given for value in row.samples] + ([] if mark is None else [mark])
    gutter, end = _gutter([row.name for row in given]), WIDTH - _RIGHT
    scale = logarithmic(values, gutter, end) if log else linear(values, gutter, end, zero=zero)
    with_dots = len(values) <= MOST_DOTS
    heights = [max(_ROW, len(row.lanes) * _LANE + 8) for row in given]
    bottom = _TOP + sum(heights)
    parts = [_x_axis(scale, axis, scale.ticks, _TOP, bottom)]
    if mark is not None:
        parts.append(tag("line", class_="mark", x1=scale(mark), x2=scale(mark), y1=_TOP, y2=bottom))
    top = _TOP
    for row, height in zip(given, heights, strict=True):
        parts.append(_row(row, axis, scale, top, height, zero=zero, with_dots=with_dots))
        top += height
    return _svg(parts, bottom + _BOTTOM)


def lines(
    given: Sequence[Line],
    x_axis: Axis,
    y_axis: Axis,
    *,
    log: bool,
    markers: Sequence[Marker] = (),
    ideals: Sequence[Line] = (),
) -> Markup:
    """Return a chart of lines through the medians, with a dot for each sample.

    With `log` both axes are logarithmic, x by powers of two; the numbers must then be positive.
    """
    drawn = [*given, *ideals]
    all_x = [x for line in drawn for x, _ in line.points]
    all_y = [y for line in drawn for _, samples in line.points for y in samples]
    left, right, height = 64.0, WIDTH - 20.0, 300.0
    legend, top = _legend(drawn, left)
    if log:
        x_scale, y_scale = logarithmic(all_x, left, right), logarithmic(all_y, top + height, top)
        x_ticks = powers_of_two(x_scale.low, x_scale.high)
    else:
        x_scale = linear(all_x, left, right, zero=True)
        y_scale = linear(all_y, top + height, top, zero=True)
        x_ticks = [tick for tick in x_scale.ticks if tick == int(tick)]
    parts = [
        _y_axis(y_scale, y_axis, left, right),
        _x_axis(x_scale, x_axis, x_ticks, top, top + height),
        _markers(markers, x_scale, top, top + height),
        legend,
    ]
    parts += [_stroke(ideal, x_scale, y_scale, "ideal") for ideal in ideals]
    dots = sum(len(samples) for line in given for _, samples in line.points) <= MOST_DOTS
    for line in given:
        parts.append(_stroke(line, x_scale, y_scale, _look("line", line.colour)))
        parts += _points(line, x_scale, y_scale, x_axis, y_axis, with_dots=dots)
    return _svg(parts, top + height + _BOTTOM)


def bars(given: Sequence[Bar], axis: Axis) -> Markup:
    """Return a chart of spans of time, one below the other."""
    scale = linear(
        [0.0, *(bar.end for bar in given)], _gutter([bar.name for bar in given]), WIDTH - _RIGHT, zero=True
    )
    height = 22.0
    bottom = _TOP + height * len(given)
    parts = [_x_axis(scale, axis, scale.ticks, _TOP, bottom)]
    for index, bar in enumerate(given):
        top = _TOP + index * height
        thick, inset = (8.0, 7.0) if bar.inner else (14.0, 4.0)
        start, end = scale(bar.start), scale(bar.end)
        parts += [
            _name(bar.name, scale.start, top + 15, inner=bar.inner),
            tag(
                "rect",
                tag("title", f"{bar.name}: {bar.note}"),
                class_=f"bar s-{bar.state}",
                x=start,
                y=top + inset,
                width=max(2.0, end - start),
                height=thick,
                rx=2,
            ),
            _words(bar.note, end + 6, top + 15)
            if end < WIDTH - 190
            else _words(bar.note, start - 6, top + 15, "end"),
        ]
    return _svg(parts, bottom + _BOTTOM)


def _row(
    row: Row, axis: Axis, scale: Scale, top: float, height: float, *, zero: bool, with_dots: bool
) -> Markup:
    middle, colour = median(row.samples), f"c{row.colour % COLOURS}"
    parts = [_name(row.name, scale.start, top + height / 2 + 4)]
    if zero:
        y = top + height / 2
        parts.append(tag("line", class_=f"stem {colour}", x1=scale(0.0), x2=scale(middle), y1=y, y2=y))
    first = top + height / 2 - (len(row.lanes) - 1) * _LANE / 2
    for index, lane in enumerate(row.lanes):
        parts.append(_lane(row, lane, axis, scale, first + index * _LANE, with_dots=with_dots))
    if len(row.samples) > 1:
        stroke = tag(
            "line",
            tag("title", f"{row.name}, median: {axis.write(middle)}"),
            class_=f"median {colour}",
            x1=scale(middle),
            x2=scale(middle),
            y1=top + 4,
            y2=top + height - 4,
        )
        parts.append(stroke)
    y = top + height / 2 + 4
    parts.append(tag("text", axis.write(middle), class_="value", x=WIDTH - 4, y=y, text_anchor="end"))
    return tag("g", joined(parts))


def _lane(row: Row, lane: Lane, axis: Axis, scale: Scale, y: float, *, with_dots: bool) -> Markup:
    colour = f"c{row.colour % COLOURS}"
    if not with_dots:
        low, high = min(lane.samples), max(lane.samples)
        return tag("line", class_=f"range {colour}", x1=scale(low), x2=scale(high), y1=y, y2=y)
    of = f"{row.name}, {lane.repeat}" if len(row.lanes) > 1 else row.name
    hollow = " void" if lane.verdict == VOID else ""
    return joined(
        tag(
            "circle",
            tag("title", f"{of}: {axis.write(value)}"),
            class_=f"dot {colour}{hollow}",
            cx=scale(value),
            cy=y,
            r=3,
        )
        for value in lane.samples
    )


def _points(
    line: Line, x_scale: Scale, y_scale: Scale, x_axis: Axis, y_axis: Axis, *, with_dots: bool
) -> list[Markup]:
    colour = f"c{line.colour % COLOURS}"
    parts = []
    for x, samples in line.points:
        if with_dots and len(samples) > 1:
            parts += [
                tag("circle", class_=f"dot faint {colour}", cx=x_scale(x), cy=y_scale(value), r=2.2)
                for value in samples
            ]
        middle = median(samples)
        unit = y_axis.name.partition(",")[0]
        said = f"{line.name}, {x_axis.write(x)}: {text.number(middle)} {unit}, median of {len(samples)}"
        parts.append(_shape(line.colour, x_scale(x), y_scale(middle), said))
    return parts


def _stroke(line: Line, x_scale: Scale, y_scale: Scale, class_: str) -> Markup:
    path = " ".join(
        f"{'L' if index else 'M'}{x_scale(x):.1f} {y_scale(median(samples)):.1f}"
        for index, (x, samples) in enumerate(line.points)
    )
    return tag("path", class_=class_, d=path)


def _shape(colour: int, x: float, y: float, said: str) -> Markup:
    """Return the mark of a line: each line has a shape of its own beside its colour."""
    class_, title = f"point c{colour % COLOURS}", tag("title", said)
    shape = _SHAPES[(colour + colour // COLOURS) % len(_SHAPES)]
    if shape == "circle":
        return tag("circle", title, class_=class_, cx=x, cy=y, r=4)
    corners = {
        "square": ((-3.5, -3.5), (3.5, -3.5), (3.5, 3.5), (-3.5, 3.5)),
        "diamond": ((0, -5), (5, 0), (0, 5), (-5, 0)),
        "triangle": ((0, -5), (4.6, 3.6), (-4.6, 3.6)),
    }[shape]
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return tag("polygon", title, class_=class_, points=points)


def _legend(given: Sequence[Line], left: float) -> tuple[Markup, float]:
    """Return the names of lines with their looks, in as many rows as they need, and where the chart may begin."""
    parts: list[Markup] = []
    x, y = left, 12.0
    for line in given:
        name = _cut(line.name, 60)
        width = 44 + 6.6 * len(name)
        if x > left and x + width > WIDTH:
            x, y = left, y + 20
        look = "ideal" if line.colour < 0 else _look("line", line.colour)
        parts.append(tag("path", class_=look, d=f"M{x:.1f} {y:.1f} h18"))
        if line.colour >= 0:
            parts.append(_shape(line.colour, x + 9, y, line.name))
        parts.append(tag("text", name, x=x + 24, y=y + 4))
        x += width
    return tag("g", joined(parts), class_="legend"), y + 22


def _look(class_: str, colour: int) -> str:
    """Return the classes of a line or its marks; lines beyond the colours have other dashes."""
    return f"{class_} c{colour % COLOURS} d{colour // COLOURS % 2}"


def _markers(given: Sequence[Marker], scale: Scale, top: float, bottom: float) -> Markup:
    parts: list[Markup] = []
    for marker in given:
        if not scale.low <= marker.x <= scale.high:
            continue
        x = scale(marker.x)
        parts += [
            tag("line", class_="marker", x1=x, x2=x, y1=top, y2=bottom),
            tag("text", marker.name, class_="marker", x=x - 4, y=top + 10, text_anchor="end"),
        ]
    return tag("g", joined(parts))


def _x_axis(scale: Scale, axis: Axis, ticks: Sequence[float], top: float, bottom: float) -> Markup:
    parts = []
    for tick, written in zip(ticks, axis.ticks(ticks), strict=True):
        x = scale(tick)
        parts += [
            tag("line", class_="grid", x1=x, x2=x, y1=top, y2=bottom),
            tag("text", written, class_="tick", x=x, y=bottom + 15, text_anchor="middle"),
        ]
    parts += [
        tag("line", class_="axis", x1=scale.start, x2=scale.end, y1=bottom, y2=bottom),
        tag(
            "text",
            axis.name,
            class_="axis",
            x=(scale.start + scale.end) / 2,
            y=bottom + 33,
            text_anchor="middle",
        ),
    ]
    return tag("g", joined(parts))


def _y_axis(scale: Scale, axis: Axis, left: float, right: float) -> Markup:
    parts = []
    for tick, written in zip(scale.ticks, axis.ticks(scale.ticks), strict=True):
        y = scale(tick)
        parts += [
            tag("line", class_="grid", x1=left, x2=right, y1=y, y2=y),
            tag("text", written, class_="tick", x=left - 8, y=y + 4, text_anchor="end"),
        ]
    middle = (scale.start + scale.end) / 2
    turned = f"rotate(-90 14 {middle:.1f})"
    parts.append(
        tag("text", axis.name, class_="axis", x=14, y=middle, transform=turned, text_anchor="middle")
    )
    return tag("g", joined(parts))


def _gutter(names: Sequence[str]) -> float:
    return min(_MOST_GUTTER, max(_LEAST_GUTTER, 14 + _LETTER * max(map(len, names))))


def _name(name: str, gutter: float, y: float, *, inner: bool = False) -> Markup:
    shown = _cut(name, int((gutter - 14) / _LETTER))
    title = tag("title", name) if shown != name else Markup()
    content = joined([title, tag("tspan", shown)])
    return tag(
        "text", content, class_="name inner" if inner else "name", x=gutter - 10, y=y, text_anchor="end"
    )


def _words(words: str, x: float, y: float, anchor: str = "start") -> Markup:
    return tag("text", _cut(words, 30), class_="note", x=x, y=y, text_anchor=anchor)


def _cut(name: str, letters: int) -> str:
    return name if len(name) <= letters else f"{name[: letters - 1]}…"


def _svg(parts: Sequence[Markup], height: float) -> Markup:
    return tag(
        "svg",
        joined(parts),
        viewBox=f"0 0 {WIDTH:g} {height:g}",
        class_="chart",
        focusable="false",
        aria_hidden="true",
    )
