# SPDX-License-Identifier: Apache-2.0
"""Putting the numbers of results into a baseline file. Only numbers move, and where they come from.

What people wrote stays to the byte: order, white space, comments, tolerance and `_status`.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from rackbench import clock
from rackbench.baselines import document
from rackbench.baselines.numbers import MICROSECONDS, NUMBERS, PERCENTILES, Scenario
from rackbench.errors import RackbenchError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from rackbench.baselines.document import BaselineDocument
    from rackbench.baselines.numbers import Baseline, Results
    from rackbench.baselines.text import Edits, Value

MOVED, ADDED, VANISHED, RETURNED, UNCHANGED = "moved", "added", "vanished", "returned", "unchanged"
# Enough to know how far a median scatters; a result with a million samples is no file that people review.
MOST_SAMPLES = 200
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to a scenario. None: it was a placeholder or not there; or the results do not have it."""

    name: str
    kind: str
    before: Scenario | None
    after: Scenario | None


@dataclass(frozen=True, slots=True)
class Updated:
    """A baseline `before` and after an update. `changed` is false when the file was not touched."""

    before: Baseline
    baseline: Baseline
    changed: bool
    changes: tuple[Change, ...]
    warnings: tuple[str, ...]


def update(path: Path, results: Results, now: datetime) -> Updated:
    """Put results into the baseline file at `path`, alone among those who change it, and return what changed.

    Scenarios that the results do not have keep their numbers and are marked with `_missing_since`. When no number and
    no mark changes, and the numbers come from the same kind of machine, the file is not touched.
    Raises `RackbenchError`: what `document.read` and `document.locked` raise, and units_differ.
    """
    with document.locked(path) as real:
        before = document.read(real)
        text, changes = updated_text(before, results, now)
        # What is no baseline any more must not reach the disk.
        after = document.parse_document(text.encode(), path)
        changed = text != before.text
        if changed:
            document.write(real, text)
    warnings = tuple(_warnings(before.baseline, after.baseline, results))
    return Updated(before.baseline, after.baseline, changed, changes, warnings)


def updated_text(before: BaselineDocument, results: Results, now: datetime) -> tuple[str, tuple[Change, ...]]:
    """Return the text of a baseline with the numbers of results, and what changed. Pure.

    Raises `RackbenchError("units_differ")`.
    """
    edits = before.edits()
    known = before.baseline.scenarios
    changes = [_moved(edits, before, name, results, now) for name in known]
    added = [scenario for name, scenario in results.scenarios.items() if name not in known]
    if added:
        space = edits.space(before.scenarios, edits.top)
        members = {each.name: edits.object_text(_new_entry(each), space) for each in added}
        edits.add(before.scenarios, members, edits.top)
        changes += [Change(each.name, ADDED, None, each) for each in added]
    old = before.baseline
    if edits or not old.generated_by or old.fingerprint != results.fingerprint:
        _provenance(edits, before, results, now)
    return edits.result(), tuple(changes)


def provenance(results: Results) -> dict[str, str | None]:
    """Return what a baseline says of where its numbers come from."""
    return {
        "commit": results.commit,
        "run_id": results.run_id,
        "fingerprint": results.fingerprint,
        "source": results.source,
    }


def rounded(value: float) -> float:
    """Return a number as it is kept: with six significant digits, which is finer than anything that we can measure."""
    return float(f"{value:.{_DIGITS}g}")


def _moved(edits: Edits, before: BaselineDocument, name: str, results: Results, now: datetime) -> Change:
    """Put the numbers of one scenario into its entry, or mark it."""
    entry = before.scenarios.at([name])
    known = before.baseline.scenarios[name]
    old = known if isinstance(known, Scenario) else None
    new = results.scenarios.get(name)
    vanished = name in before.baseline.vanished
    if new is None:
        if vanished:
            return Change(name, UNCHANGED, old, None)
        since = f"{clock.utc_text(now)}{f', run {results.run_id}' if results.run_id else ''}"
        outer = edits.space(before.scenarios, edits.top)
        edits.add(entry, {document.MISSING_SINCE: json.dumps(since)}, outer)
        return Change(name, VANISHED, old, None)
    _check_units(name, entry, new, results)
    outer = edits.space(before.scenarios, edits.top)
    if list(entry.members or ()) == [document.MISSING_SINCE]:
        edits.replace(entry, edits.object_text(_new_entry(new), outer))
        return Change(name, RETURNED, old, new)
    moved = _numbers(edits, entry, new, outer, is_first=old is None)
    if vanished:
        edits.remove(entry, document.MISSING_SINCE)
    return Change(name, RETURNED if vanished else MOVED if moved else UNCHANGED, old, new)


def _numbers(edits: Edits, entry: Value, new: Scenario, outer: str, *, is_first: bool) -> bool:
    """Put numbers into an entry; return whether any is another now. `is_first`: it was a placeholder so far."""
    members = entry.members or {}
    wanted = _entry(new)
    lacking: dict[str, str] = {}
    moved = False
    for name, text in wanted.items():
        if name not in members:
            # Samples come with the first numbers. Later they are kept where the entry has a place for them; nobody
            # else's entry gets a new line for them.
            kept = is_first or not _SAMPLES.isdisjoint(members)
            if text not in {"null", "[]"} and (kept or name not in {*_SAMPLES, "executions"}):
                lacking[name] = text
        elif members[name].content != json.loads(text) and _moves(members[name].content, text):
            edits.replace(members[name], text)
            moved = True
    # What a format does not give is no longer known; the number of another measurement is not left beside the new ones.
    if lacking:
        numbers = [value for name, value in members.items() if name in wanted]
        edits.add(entry, lacking, outer, after=numbers[-1] if numbers else None)
    return moved or bool(lacking)


def _moves(old: Any, text: str) -> bool:
    """Say whether a value gives way: everything to a number, and a number to null, but no placeholder to null."""
    return text != "null" or isinstance(old, int | float)


def _entry(scenario: Scenario) -> dict[str, str]:
    """Return the members of a scenario's entry, as texts of JSON."""
    suffix = "_us" if scenario.unit == MICROSECONDS else ""
    shown = {}
    if not suffix or scenario.direction == "higher":
        shown["unit"] = json.dumps(scenario.unit, ensure_ascii=False)
    if scenario.direction == "higher":
        shown["direction"] = '"higher"'
    for name in scenario.expected:
        shown[name if name == "ips" else f"{name}{suffix}"] = _text(getattr(scenario, name))
    kept = _kept(len(scenario.samples))
    shown[f"samples{suffix}"] = f"[{', '.join(_text(scenario.samples[place]) for place in kept)}]"
    ends = list(accumulate(scenario.executions))
    of = Counter(bisect_right(ends, place) for place in kept) if ends else {}
    return shown | {"executions": json.dumps(list(of.values()))}


def _new_entry(scenario: Scenario) -> dict[str, str]:
    """Return the members of an entry that is written anew: without samples where there are none."""
    return {name: text for name, text in _entry(scenario).items() if text != "[]"}


def _kept(size: int) -> Sequence[int]:
    """Return which of so many samples are kept: at most `MOST_SAMPLES`, from the first to the last in even steps."""
    if size <= MOST_SAMPLES:
        return range(size)
    return [index * (size - 1) // (MOST_SAMPLES - 1) for index in range(MOST_SAMPLES)]


def _text(value: float | None) -> str:
    if value is None:
        return "null"
    number = rounded(value)
    return str(int(number)) if number.is_integer() and number < 1e15 else repr(number)


def _check_units(name: str, entry: Value, new: Scenario, results: Results) -> None:
    """Raise `RackbenchError("units_differ")` when an entry is of another unit or direction than the results."""
    if not entry.members or not (entry.members.keys() & _SAYS_UNIT):
        return
    content = entry.content
    unit, direction = content.get("unit") or MICROSECONDS, content.get("direction", "lower")
    if (unit, direction) != (new.unit, new.direction):
        raise RackbenchError(
            "units_differ",
            f"{name!r} is in {unit} ({direction} is better) in the baseline and in {new.unit} ({new.direction} is "
            f"better) in {results.path}. Nothing was changed.",
            where=str(results.path),
        )


_SAMPLES = {"samples_us", "samples"}
_SAYS_UNIT = {"unit", "direction", "ips", "samples_us", *(f"{name}_us" for name in PERCENTILES), *PERCENTILES}


def _provenance(edits: Edits, before: BaselineDocument, results: Results, now: datetime) -> None:
    members = before.root.members or {}
    texts = {
        document.GENERATED_AT: json.dumps(clock.utc_text(now)),
        document.GENERATED_BY: json.dumps(provenance(results), ensure_ascii=False),
    }
    for name in [name for name in texts if name in members]:
        edits.replace(members[name], texts.pop(name))
    if texts:
        edits.add(before.root, texts, "", after=members[document.STATUS])


def _warnings(before: Baseline, after: Baseline, results: Results) -> list[str]:
    found = list(results.remarks)
    if before.fingerprint and before.fingerprint != results.fingerprint:
        found.append(
            f"The machine is another one: {before.fingerprint} before, {results.fingerprint or 'not told'} now."
        )
    for name, scenario in after.scenarios.items():
        if isinstance(scenario, Scenario) and scenario.missing and name in results.scenarios:
            found.append(f"{name}: the results have no {', '.join(scenario.missing)}.")
    gone = sorted(after.vanished)
    if gone:
        found.append(f"Kept and marked, for the results do not have them: {', '.join(gone)}.")
    return found


def numbers_of(scenario: Scenario | None) -> dict[str, float | None] | None:
    """Return the numbers of a scenario by name, rounded as the file has them."""
    if scenario is None:
        return None
    values = {name: getattr(scenario, name) for name in NUMBERS}
    return {name: None if value is None else rounded(value) for name, value in values.items()}
