# SPDX-License-Identifier: Apache-2.0
"""What ``rackbench watch`` shows of status documents: a view for a terminal, elsewhere a line for each change. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rackbench.cli import summary
from rackbench.cli.output import STATE_STYLES
from rackbench.clock import parse_utc
from rackbench.ledger.monitoring import seconds_since
from rackbench.ledger.time_left import EARLIER, PACE
from rackbench.words import number, one_line, span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rackbench.cli.summary import Status

# What an estimate rests on, in words.
BY = {EARLIER: "as earlier executions took", PACE: "at the pace so far"}
# Steps and results share what the rest leaves of a low terminal; each gets so many lines.
_LEAST = 3
_BAR = range(10, 31)


class Line(NamedTuple):
    """A line of the view. One that is `cut` ends at the edge of the terminal; others go on in the next line."""

    text: str = ""
    style: str = ""
    cut: bool = True


def mark(status: Status) -> tuple[Any, ...]:
    """Return what is another one when something has happened, and not only time went by."""
    progress = status["progress"] or {}
    return (
        status["state"],
        (status["last_event"] or {}).get("seq"),
        (progress.get("execution"), progress.get("at")),
        [(beat["step"], beat["execution"], beat["state"]) for beat in status["monitoring"]["heartbeats"]],
    )


# Lines, one for each change


def changes(before: Status | None, after: Status) -> Iterator[str]:
    """Yield a line for each thing that is not as it was `before`; None: nothing was said of the run yet."""
    if before is None:
        yield summary.headline(after)
        yield f"run_dir: {after['run_dir']}"
    elif before["state"] != after["state"]:
        yield summary.headline(after)
    # Who has seen nothing of a run hears what there is of it, but not what is only planned.
    known = _Known(before)
    for step in after["steps"]:
        if known.steps.get(step["step_id"], "pending") != step["state"]:
            yield f"step {step['step_id']}: {_ended(step['state'], step['duration_s'], summary.why(step))}"
    for one in after["executions"]:
        if known.executions.get(one["execution"], "planned") != _state_of(one):
            yield f"execution {one['execution']}: {_ended(_state_of(one), one['duration_s'], '')}"
    yield from _numbers(after, known)
    if (progress := after["progress"]) and _progress_of(progress) != known.progress:
        yield f"{progress['execution']}: {_progress_text(progress)}"
    for beat in after["monitoring"]["heartbeats"]:
        if known.beats.get(_beat_of(beat), "fresh") != beat["state"]:
            yield f"heartbeat of {beat['execution'] or beat['step']}: {beat['state']}"
    yield from _lines_of_alerts(after, known.alerts)


def _numbers(after: Status, known: _Known) -> Iterator[str]:
    """Yield a line for each family whose repeats ended, and for each headline number, that is not known."""
    for row in after["repeats"]:
        if _family_of(row) not in known.repeats and (ended := summary.repeats_text(row)):
            yield f"{row['adapter']}.{row['family']}: {ended}"
    for row in after["results"]:
        if _number_of(row) not in known.results:
            yield f"result {row['execution']}: {row['label']} {number(row['value'])} {row['unit']}"


class _Known:
    """What was said of a run before."""

    def __init__(self, status: Status | None) -> None:
        told: Mapping[str, Any] = status or {}
        self.steps = {step["step_id"]: step["state"] for step in told.get("steps", ())}
        self.executions = {one["execution"]: _state_of(one) for one in told.get("executions", ())}
        self.repeats = {_family_of(row) for row in told.get("repeats", ())}
        self.results = {_number_of(row) for row in told.get("results", ())}
        self.progress = _progress_of(told.get("progress"))
        beats = told["monitoring"]["heartbeats"] if told else ()
        self.beats = {_beat_of(beat): beat["state"] for beat in beats}
        self.alerts = {_alert_of(item) for item in told["alerts"]["items"]} if told else set()


def _state_of(execution: Mapping[str, Any]) -> str:
    """Return how far an execution is, and how it came out once it has ended."""
    if execution["state"] != "ended":
        return str(execution["state"])
    verdict = execution["verdict"]
    return f"{execution['outcome']}{f', {verdict}' if verdict else ''}"


def _family_of(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["adapter"], row["family"]


def _number_of(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["execution"], row["label"]


def _progress_of(progress: Mapping[str, Any] | None) -> tuple[Any, ...]:
    return tuple((progress or {}).get(name) for name in ("execution", "done", "total", "label"))


def _beat_of(beat: Mapping[str, Any]) -> tuple[Any, ...]:
    return beat["step"], beat["execution"]


def _alert_of(item: Mapping[str, Any]) -> tuple[Any, ...]:
    # Not by its message, which may tell how long something lasts.
    return item["kind"], item["code"], item["step"], item["adapter"]


def _ended(state: str, seconds: float | None, why: str) -> str:
    return ", ".join(part for part in (state, seconds is not None and span(seconds), why) if part)


def _lines_of_alerts(status: Status, known: set[tuple[Any, ...]]) -> Iterator[str]:
    for item in status["alerts"]["items"]:
        if _alert_of(item) not in known:
            yield from summary.alert_text(item)


# The view


def view(statuses: Sequence[Status], width: int, height: int) -> list[Line]:
    """Return the lines of the view: one run in full, or a line for each of several."""
    one = len(statuses) == 1
    lines = _one(statuses[0], width, height) if one else _many(statuses, width, height)
    return [line._replace(text=one_line(line.text)) for line in lines]


def _one(status: Status, width: int, height: int) -> list[Line]:
    head = [Line(summary.headline(status), "bold"), Line(f"run_dir: {status['run_dir']}", cut=False), Line()]
    alerts = list(_alerts(status["alerts"]["items"]))
    foot = [Line(), Line("Ctrl-C leaves this view, and not the run.", "dim")]
    room = height - len(head) - _rows(alerts, width) - len(foot)
    results = [
        Line(f"  {row['execution']}  {row['label']}  {number(row['value'])} {row['unit']}")
        for row in status["results"]
    ]
    steps, at = _steps(status, width)
    kept = min(len(results), _LEAST) + 2 if results else 0
    shown = _around(steps, at, max(_LEAST, room - kept))
    if results:
        left = max(_LEAST, room - len(shown) - 2)
        shown += [Line(), Line("results", "bold"), *_around(results, len(results) - 1, left)]
    return [*head, *shown, *alerts, *foot]


def _rows(lines: Sequence[Line], width: int) -> int:
    """Return how many lines of the terminal these take."""
    return sum(1 if line.cut else max(1, -(-len(line.text) // width)) for line in lines)


def _steps(status: Status, width: int) -> tuple[list[Line], int]:
    """Return the lines of the steps with what is running below its step, and which of them is to be seen."""
    found: list[Line] = []
    at = 0
    active = status["monitoring"]["active_step"]
    for step in status["steps"]:
        is_active = step["step_id"] == active
        seconds = step["duration_s"]
        if step["state"] == "running":
            seconds = seconds_since(step["began_at"], parse_utc(status["at"]))
        text = (
            f"{'>' if is_active else ' '} {step['step_id']:<24} {step['state']:<10}"
            f" {'' if seconds is None else span(seconds):>9}  {summary.why(step)}"
        )
        found.append(Line(text.rstrip(), _style(step["state"])))
        if is_active:
            found += _running(status, width)
        if is_active or step["state"] != "pending":
            at = len(found) - 1
    return found, at


def _running(status: Status, width: int) -> Iterator[Line]:
    """Yield what the active step does: its execution with a bar, or its task; and its heartbeat if that is old."""
    progress = status["progress"]
    if progress:
        place = _place(status, progress["execution"])
        yield Line(f"    {progress['execution']}{place}")
        if progress["percent"] is not None:
            yield Line(f"    {bar(progress['percent'], width - 60)} {progress['percent']:.0f} %", "cyan")
        yield Line(f"    {_progress_text(progress)}")
    elif status["position"] and status["position"]["task"]:
        yield Line(f"    {status['position']['task']}", "dim")
    for beat in status["monitoring"]["heartbeats"]:
        if beat["step"] != status["monitoring"]["active_step"]:
            continue
        age = "never came" if beat["age_s"] is None else f"is {span(beat['age_s'])} old"
        if beat["state"] == "stale":
            yield Line(f"    stalled: the heartbeat {age}", "bold yellow")
        elif progress:
            yield Line(f"    the heartbeat {age}", "dim")


def _place(status: Status, execution: str) -> str:
    """Return which of how many executions of its adapter one is."""
    own = [one for one in status["executions"] if one["execution"] == execution]
    of = [one for one in status["executions"] if own and one["adapter"] == own[0]["adapter"]]
    counted = [one["execution"] for one in of if not one["superseded"] and one["state"] != "not_needed"]
    if len(counted) < 2 or execution not in counted:
        return ""
    return f" ({counted.index(execution) + 1} of {len(counted)})"


def _progress_text(progress: Mapping[str, Any]) -> str:
    """Return how far an execution is, how long it has run, and how long it still takes."""
    parts = [summary.progress_text({**progress, "elapsed_s": None}), f"{span(progress['elapsed_s'])} so far"]
    if progress["left_s"] is not None:
        parts.append(f"about {span(progress['left_s'])} left, {BY[progress['left_by']]}")
    return ", ".join(part for part in parts if part)


def _many(statuses: Sequence[Status], width: int, height: int) -> list[Line]:
    """Return a line for each run, and what needs a person."""
    rows = []
    names = max(len(str(status["host"])) for status in statuses)
    for status in statuses:
        position, progress = status["position"], status["progress"]
        text = (
            f"{status['host'] or '-':<{names}}  {status['state']:<11} {span(status['elapsed_s'] or 0.0):>9}"
        )
        if position:
            text += f"  {position['number']} of {position['of']} {position['step']}"
        if progress and progress["percent"] is not None:
            text += f"  {bar(progress['percent'], width - len(text) - 20)} {progress['percent']:.0f} %"
        if progress and progress["left_s"] is not None:
            text += f", about {span(progress['left_s'])} left"
        rows.append(Line(text, _style(status["state"])))
    ended = sum(status["exit_status"] is not None for status in statuses)
    alerts = [
        line
        for status in statuses
        if (primary := status["alerts"]["primary"])
        for line in _alerts([{**primary, "message": f"{status['host']}: {primary['message']}"}])
    ]
    head = [Line(f"{len(statuses)} runs, {ended} ended", "bold"), Line()]
    foot = [Line(), Line("Ctrl-C leaves this view, and not the runs.", "dim")]
    room = height - len(head) - len(foot) - _rows(alerts, width)
    return [*head, *_around(rows, 0, max(_LEAST, room)), *alerts, *foot]


def _alerts(items: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
    for item in items:
        for index, text in enumerate(summary.alert_text(item)):
            if index == 0:
                yield Line()
            # What is to be pasted must be there as a whole.
            yield Line(text, "" if index else "bold red", cut=False)


def _around(lines: Sequence[Line], at: int, room: int) -> list[Line]:
    """Return at most `room` lines (3 or more), those around the one at `at`, and how many more there are."""
    if len(lines) <= room:
        return list(lines)
    # The two lines that say how many are not shown count too.
    begin = min(max(0, at - (room - 2) + 1), len(lines) - (room - 2))
    end = begin + room - 2
    above, below = lines[:begin], lines[end:]
    return [
        Line(f"  {len(above)} lines above" if above else "", "dim"),
        *lines[begin:end],
        Line(f"  {len(below)} lines below" if below else "", "dim"),
    ]


def _style(state: str) -> str:
    return STATE_STYLES.get(state, "dim" if state == "pending" else "")


def bar(percent: float, width: int) -> str:
    """Return a bar that is filled so far; its width stays within sensible bounds."""
    signs = min(max(width, _BAR.start), _BAR.stop - 1)
    filled = int(signs * min(100.0, max(0.0, percent)) / 100)
    return f"[{'#' * filled}{'.' * (signs - filled)}]"
