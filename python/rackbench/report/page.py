# SPDX-License-Identifier: Apache-2.0
"""The page: everything that a template needs, and the template filled with it.

The same run directory gives the same bytes: nothing here asks for the time or for anything outside the directory,
except whether the controller of a run that is not closed is alive.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from rackbench.clock import parse_utc
from rackbench.ledger import alerts, monitoring, steps
from rackbench.report import charts, environment, machine, text
from rackbench.report.comparison import shown
from rackbench.report.parts import Figure, table
from rackbench.report.sections import section
from rackbench.report.series import median
from rackbench.report.source import FINALIZE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rackbench.compare import Comparison
    from rackbench.ledger.state import RunState, StepState
    from rackbench.report.parts import Section
    from rackbench.report.source import Source

KIND = "report"
_HERE = Path(__file__).parent
# A whole number may have more digits than a float holds.
_MOST = 1e308
_VERDICTS = ("valid", "suspect", "void", "unknown")
_OUTCOMES = {
    "completed": "Completed",
    "failed": "Failed",
    "cancelled": "Cancelled",
    "running": "Still running",
    "cancelling": "Being cancelled",
    "interrupted": "Interrupted",
}


def render(source: Source, comparison: Comparison | None = None) -> bytes:
    """Return the page of a run, with a comparison that begins with it if there is one, as an HTML document in UTF-8."""
    style, script = ((_HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    templates = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters["json"] = _json_in_script
    page = templates.get_template("page.html").render(
        **_content(source, comparison),
        # What is in the page cannot be changed by its content, since it is part of the package.
        style=Markup(style),  # noqa: S704
        script=Markup(script),  # noqa: S704
        style_digest=_digest(style),
        script_digest=_digest(script),
    )
    # A name that is not UTF-8 is in the journal as a lone surrogate.
    return page.encode("utf-8", "backslashreplace")


def _content(source: Source, comparison: Comparison | None) -> dict[str, Any]:
    state = source.state
    outcome = monitoring.run_state(state, source.alive)
    sections = list(_unlike(_sections(source)))
    return {
        "host": source.host,
        "run_id": source.run_id,
        "outcome": outcome,
        "outcome_words": _OUTCOMES.get(outcome, outcome),
        "is_check": state.check,
        "is_simulated": any(each.simulated for each in source.measured),
        "about": _about(source),
        "tally": _tally(source),
        "alerts": _alerts(source),
        "executions": _executions(source),
        "cards": _cards(source),
        "comparison": shown(comparison) if comparison else None,
        "sections": sections,
        "machine": machine.figure(source.topology) if source.topology and source.topology.cpus else None,
        "environment": environment.rows(source),
        "bundles": environment.bundles(state),
        "timeline": _timeline(state),
        "files": environment.files(state, KIND),
    }


def _about(source: Source) -> list[tuple[str, str]]:
    state = source.state
    finalize = state.steps.get(FINALIZE)
    # The time that finalize takes is not known to the page that it writes.
    until = (finalize.began_at if finalize else None) or (state.last or {}).get("at")
    seconds = _seconds(state.opened_at, until)
    return [
        ("Run", source.run_id),
        ("Opened", text.moment(state.opened_at)),
        ("Duration", text.duration(seconds)),
        ("Benchmarks", ", ".join(state.benchmarks) or text.NONE),
    ]


def _tally(source: Source) -> str:
    """Return in a sentence how many executions there are and what is thought of them."""
    verdicts = [each.verdict for each in source.measured]
    if not verdicts:
        return "No benchmark was executed."
    told = [f"{verdicts.count(name)} {name}" for name in _VERDICTS if name in verdicts]
    return f"{text.counted(len(verdicts), 'execution')}: {', '.join(told)}."


def _alerts(source: Source) -> list[dict[str, Any]]:
    """Return what needs a person, as of the journal's last record."""
    loaded = source.loaded
    situation = alerts.Situation(
        source.state,
        _last_moment(source.state),
        loaded.live,
        source.alive,
        loaded.health,
        source.state.run_dir,
    )
    return list(alerts.alerts_block(situation, loaded.exists)["items"])


def _last_moment(state: RunState) -> datetime:
    try:
        return parse_utc(str((state.last or {})["at"]))
    except (KeyError, ValueError):
        return datetime.min.replace(tzinfo=UTC)


def _executions(source: Source) -> list[dict[str, Any]]:
    """Return a row for each execution that was begun or planned, warm-ups too."""
    results = {each.execution.execution: each for each in source.measured}
    found = []
    for entry in source.state.executions.values():
        verdict = entry.verdict or {}
        measured = results.get(entry.execution)
        found.append(
            {
                "name": entry.execution,
                "outcome": "not needed" if entry.not_needed else entry.outcome or entry.state,
                "result": (measured.result.status if measured and measured.result else None) or text.NONE,
                "verdict": str(verdict.get("verdict") or text.NONE),
                "seconds": text.duration(entry.duration_s),
                "reasons": [str(reason) for reason in verdict.get("reasons") or ()]
                + (
                    [f"Not known: {', '.join(map(text.words, verdict['unknown']))}."]
                    if verdict.get("unknown")
                    else []
                )
                + (["A warm-up, which does not count."] if entry.warmup else [])
                + (["It was begun anew under another name."] if entry.superseded else [])
                + (["Made by a stand-in: it measures nothing."] if measured and measured.simulated else []),
            }
        )
    return found


def _cards(source: Source) -> list[dict[str, str]]:
    """Return the headline numbers: of several repeats their median and range."""
    counting = {each.execution.execution for each in source.measured}
    found: dict[tuple[str, str, str, str], list[float]] = {}
    for name, result in source.state.results.items():
        if name not in counting:
            continue
        for line in result.get("headline") or ():
            key = tuple(
                str(part or "")
                for part in (result.get("adapter"), result.get("family"), line.get("label"), line.get("unit"))
            )
            values = found.setdefault((key[0], key[1], key[2], key[3]), [])
            value = line.get("value")
            if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _MOST:
                values.append(value)
    cards = []
    for (adapter, family, label, unit), values in found.items():
        value, shown = text.measured(median(values) if values else None, unit)
        spread = (
            f"median of {len(values)}, {text.number(min(values))} to {text.number(max(values))}"
            if len(values) > 1
            else ""
        )
        cards.append(
            {"of": f"{adapter}, {family}", "label": label, "value": value, "unit": shown, "spread": spread}
        )
    return cards


def _sections(source: Source) -> Iterator[Section]:
    for adapter in dict.fromkeys(each.execution.adapter for each in source.measured):
        own = [each for each in source.measured if each.execution.adapter == adapter]
        yield section(adapter, own, source.topology)


def _unlike(sections: Iterator[Section]) -> Iterator[Section]:
    """Yield sections whose figures have ids of their own on the page."""
    seen: set[str] = set()
    for one in sections:
        figures = []
        for figure in one.figures:
            name, count = figure.id, 2
            while name in seen:
                name, count = f"{figure.id}-{count}", count + 1
            seen.add(name)
            figures.append(replace(figure, id=name))
        one.figures = figures
        yield one


def _timeline(state: RunState) -> Figure | None:
    """Return when each step ran. That of finalize is left out unless it failed: it writes this page."""
    bars: list[charts.Bar] = []
    rows = []
    for entry in state.steps.values():
        start = _seconds(state.opened_at, entry.began_at)
        if entry.step.step_id == FINALIZE and entry.state != steps.FAILED:
            continue
        why = entry.reason or str((entry.failure or {}).get("message") or "")
        began = text.NONE if start is None else f"{start:.1f}"
        took = text.NONE if entry.duration_s is None else f"{entry.duration_s:.1f}"
        rows.append((entry.step.step_id, entry.state, began, took, why))
        if start is None:
            continue
        bars += _bars(state, entry, start)
    if not bars:
        return None
    return Figure(
        "timeline-of-steps",
        "Timeline of the steps",
        "When each step ran, in seconds since the run was opened; thin bars are the executions of a step.",
        charts.bars(bars, charts.Axis("seconds since the run was opened")),
        (table("Steps", ("step", "state", "#began (s)", "#took (s)", "why"), rows),),
    )


def _bars(state: RunState, entry: StepState, start: float) -> Iterator[charts.Bar]:
    took = entry.duration_s or 0.0
    note = text.duration(entry.duration_s) if entry.state == steps.COMPLETED else entry.state
    yield charts.Bar(entry.step.step_id, start, start + took, entry.state, note)
    if entry.step.phase != "execute":
        return
    for one in state.executions.values():
        end = _seconds(state.opened_at, one.ended_at)
        if one.adapter == entry.step.adapter and end is not None and one.duration_s is not None:
            name = one.execution.removeprefix(f"{one.adapter}.")
            good = steps.COMPLETED if one.outcome in {"passed", "partial"} else steps.FAILED
            told = f"{one.outcome}, {text.duration(one.duration_s)}"
            yield charts.Bar(name, max(0.0, end - one.duration_s), end, good, told, inner=True)


def _seconds(start: str | None, end: Any) -> float | None:
    try:
        return max(0.0, (parse_utc(str(end)) - parse_utc(str(start))).total_seconds())
    except (ValueError, OverflowError):
        return None


def _json_in_script(document: Mapping[str, Any]) -> Markup:
    """Return compact JSON that can stand in a script element: nothing in it can end the element or begin a comment."""
    written = json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    for letter in "<>&\u2028\u2029":
        written = written.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(written)  # noqa: S704 - what has a meaning in HTML is escaped above


def _digest(content: str) -> str:
    """Return a digest as a content security policy names it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
