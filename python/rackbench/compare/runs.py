# SPDX-License-Identifier: Apache-2.0
"""Runs as they are compared: the executions that count, with all that decides whether their numbers belong together."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rackbench.adapters.export import enrich
from rackbench.adapters.results import Metric, series_of
from rackbench.errors import RackbenchError
from rackbench.ledger import documents, host_state, index

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from rackbench.ledger.host_state import HostState
    from rackbench.ledger.state import RunState

# What a planned execution says of itself alone; the rest of it is what its family does.
_OF_ONE = frozenset(
    {"execution_id", "family", "repeat", "warmup", "until_percent", "time_limit_s", "heartbeat_s"}
)
PARTIAL = "partial"


@dataclass(frozen=True, slots=True)
class Key:
    """What a number is: the metric of a family. One with very many label sets is one number of them all `together`."""

    adapter: str
    family: str
    metric: str
    labels: tuple[tuple[str, str | int], ...]
    unit: str
    direction: str
    together: bool

    @property
    def order(self) -> tuple[Any, ...]:
        """Return what keys are sorted by; labels may be numbers or texts."""
        labels = tuple((name, isinstance(value, str), value) for name, value in self.labels)
        return (self.adapter, self.family, self.metric, labels, self.unit, self.direction, self.together)

    @property
    def labels_text(self) -> str:
        """Return the labels in one line."""
        if self.together:
            return "all together"
        return ", ".join(f"{name} {value}" for name, value in self.labels)


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution that counts. `setup` is what its family did, as a text; `values` are its samples."""

    name: str
    adapter: str
    family: str
    status: str
    verdict: str | None
    simulated: bool
    benchmark_version: str | None
    bundle_version: str | None
    bundle_sha256: str | None
    setup: str
    values: Mapping[Key, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Run:
    """One run. `adapters` are the digests of its adapters, `verdict` the worst of its executions'.

    `problems` say what was planned and gave no number that counts.
    """

    run_dir: Path
    run_id: str
    host: str
    label: str | None
    opened_at: str | None
    closed: bool
    check: bool
    state: HostState
    verdict: str | None
    adapters: Mapping[str, str]
    executions: tuple[Execution, ...]
    problems: tuple[str, ...]

    @property
    def keys(self) -> set[Key]:
        """Return the numbers that the run has."""
        return {key for execution in self.executions for key in execution.values}

    def of(self, key: Key) -> list[Execution]:
        """Return the executions that gave a number."""
        return [execution for execution in self.executions if key in execution.values]


def read_run(run_dir: Path, *, together: bool = True) -> Run:
    """Return a run with what was measured in it. Warm-ups and superseded executions do not count.

    With `together`, a metric with more label sets than anybody reads is one number of them all.

    A result that cannot be read is one of `problems`. Raises `RackbenchError("not_a_run_directory")`, also when the
    journal does not tell which run it was.
    """
    state = documents.load(run_dir).state
    if state.run_id is None or state.host is None:
        raise RackbenchError(
            "not_a_run_directory",
            f"The journal of {run_dir} does not tell which run this was.",
            where=str(run_dir),
            next_step="Let its journal be rebuilt from what is left of the run.",
            next_command=shlex.join(["rackbench", "recover", "--run-dir", str(run_dir)]),
        )
    last = state.resumed[-1] if state.resumed else state.opened
    identity = last.get("identity") or {}
    executions, problems = _executions(run_dir, state, together=together)
    return Run(
        run_dir=run_dir,
        run_id=state.run_id,
        host=state.host,
        label=state.label,
        opened_at=state.opened_at,
        closed=state.closed is not None,
        check=state.check,
        state=host_state.of_run(run_dir, state),
        verdict=index.worst(execution.verdict for execution in executions),
        adapters={str(name): str(digest) for name, digest in (identity.get("adapters") or {}).items()},
        executions=tuple(executions),
        problems=tuple(problems),
    )


def _executions(run_dir: Path, state: RunState, *, together: bool) -> tuple[list[Execution], list[str]]:
    setups = {
        str(entry.get("execution_id")): json.dumps(
            {name: value for name, value in entry.items() if name not in _OF_ONE}, sort_keys=True
        )
        for planned in state.planned_executions.values()
        for entry in planned
    }
    found, problems = [], []
    for row in enrich(run_dir, state)["executions"]:
        if row["warmup"] or state.executions[row["execution"]].superseded:
            continue
        problem = row["problem"]
        if problem is None and row["status"] not in {"passed", PARTIAL}:
            problem = f"By its own account it {row['status']}."
        values: dict[Key, tuple[float, ...]] = {}
        if problem is None:
            try:
                values = _values(row, together=together)
            except OverflowError:
                problem = "A sample is too large for a number."
        if problem is not None:
            problems.append(f"{row['execution']}: {problem}")
            continue
        bundle = row["bundle"] or {}
        found.append(
            Execution(
                name=row["execution"],
                adapter=row["adapter"],
                family=row["family"] or "",
                status=row["status"],
                verdict=row["verdict"],
                simulated=row["simulated"],
                benchmark_version=row["benchmark"]["version"],
                bundle_version=bundle.get("version"),
                bundle_sha256=bundle.get("sha256"),
                setup=setups.get(row["execution"], ""),
                values=values,
            )
        )
    return found, problems


def _values(row: Mapping[str, Any], *, together: bool) -> dict[Key, tuple[float, ...]]:
    """Return the samples by what they are of. Raises `OverflowError`."""
    metrics = [
        Metric(
            entry["name"],
            entry["unit"],
            entry["direction"],
            tuple(float(sample) for sample in entry["samples"]),
            entry.get("labels") or {},
        )
        for entry in row["metrics"]
    ]
    values: dict[Key, tuple[float, ...]] = {}
    for metric, series in series_of(metrics) if together else ((metric, 1) for metric in metrics):
        labels = tuple(sorted(metric.labels.items()))
        key = Key(
            row["adapter"],
            row["family"] or "",
            metric.name,
            labels,
            metric.unit,
            metric.direction,
            series > 1,
        )
        # Nothing forbids a result to have the same series in two pieces.
        values[key] = values.get(key, ()) + metric.samples
    return values


@dataclass(frozen=True, slots=True)
class Difference:
    """Something in which two runs are not alike. `what` is host, label, state, bundle, benchmark, adapter or family.

    `name` says which one; None in `before` or `after` is what nobody knows, or what is not there.
    """

    what: str
    name: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        """Return the difference in words."""
        of = f"{self.what} {self.name}".strip()
        return f"{of}: {self.before or 'none'} -> {self.after or 'none'}"


def differences(before: Run, after: Run) -> list[Difference]:
    """Return why numbers of two runs are not those of the same thing: host, label, state, and what ran."""
    found = [
        Difference(what, "", old, new)
        for what, old, new in (("host", before.host, after.host), ("label", before.label, after.label))
        if old != new
    ]
    found += [
        Difference(
            "state", each.name, _known(each.before, each.before_reason), _known(each.after, each.after_reason)
        )
        for each in host_state.differences(before.state.facts, after.state.facts)
    ]
    ours, theirs = dict(_programs(before)), dict(_programs(after))
    for what, name in sorted(ours.keys() & theirs.keys()):
        if ours[what, name] != theirs[what, name]:
            found.append(Difference(what, name, ours[what, name], theirs[what, name]))
    return found


def _known(value: str | None, reason: str | None) -> str | None:
    return f"unknown ({reason})" if value is None and reason is not None else value


def _programs(run: Run) -> Iterator[tuple[tuple[str, str], str | None]]:
    """Yield what ran: bundle and version of each benchmark, digest of its adapter, and what each family does."""
    for execution in run.executions:
        name = execution.adapter
        if execution.bundle_sha256:
            text = f"{execution.bundle_version or '?'} ({execution.bundle_sha256[:12]})"
            yield ("bundle", name), text
        yield ("benchmark", name), execution.benchmark_version
        if run.adapters.get(name):
            yield ("adapter", name), run.adapters[name][:12]
        yield ("family", f"{name}.{execution.family}"), execution.setup


def state_remarks(runs: Iterable[Run]) -> Iterator[str]:
    """Yield what is to be known of the runs' states: those that nobody knows, and those that changed within a run."""
    for run in runs:
        if run.state.problem is not None:
            yield f"{run.run_id}: the state of its host is not known, so it is like no other. {run.state.problem}"
        changes = run.state.changes
        if changes:
            told = "; ".join(map(str, changes))
            yield f"{run.run_id}: its host was changed before the run was resumed ({told})."


def verdict_remarks(runs: Iterable[Run]) -> Iterator[str]:
    """Yield which executions were disturbed, the void ones first."""
    for verdict in ("void", "suspect"):
        for run in runs:
            names = [execution.name for execution in run.executions if execution.verdict == verdict]
            if names:
                yield f"{run.run_id}: {verdict}, because something disturbed it: {shortened(names)}."


def problem_remarks(runs: Iterable[Run]) -> Iterator[str]:
    """Yield what gave no number that counts, and what is partial."""
    for run in runs:
        partial = [execution.name for execution in run.executions if execution.status == PARTIAL]
        if partial:
            yield f"{run.run_id}: partial: {shortened(partial)}."
        if not run.closed:
            yield f"{run.run_id}: it is not closed, so more may come."
        if run.problems:
            yield f"{run.run_id}: without a result that counts: {shortened(run.problems, ' ')}"


def shortened(texts: Sequence[str], separator: str = ", ", most: int = 5) -> str:
    """Return the first of the texts, and how many more there are."""
    more = f"{separator}and {len(texts) - most} more" if len(texts) > most else ""
    return separator.join(texts[:most]) + more
