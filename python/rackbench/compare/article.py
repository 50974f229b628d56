# SPDX-License-Identifier: Apache-2.0
"""The table of an article: the numbers of several runs, put together only where they are of the same thing.

The same runs give the same rows, in whatever order they are named.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from rackbench.compare import runs as reading
from rackbench.compare.statistics import summary
from rackbench.errors import RackbenchError
from rackbench.ledger import index

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rackbench.compare.runs import Difference, Execution, Key, Run
    from rackbench.compare.statistics import Summary


@dataclass(frozen=True, slots=True)
class Row:
    """One number of one thing: measured on one host, in one state, under one label, by one program.

    `state` is the digest of the host's state; None, and then the row is of one run alone, when it is not known.
    `status` is partial if one of its executions was, `verdict` the worst of theirs.
    """

    key: Key
    host: str
    label: str | None
    state: str | None
    benchmark_version: str | None
    bundle_version: str | None
    bundle_sha256: str | None
    adapter_digest: str | None
    simulated: bool
    status: str
    verdict: str | None
    summary: Summary
    runs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunsDifference:
    """Why the numbers of two runs of one host are not put together."""

    before: str
    after: str
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Article:
    """The whole table; `remarks` are sentences that a reader of it has to know, the worst first."""

    runs: tuple[Run, ...]
    rows: tuple[Row, ...]
    differences: tuple[RunsDifference, ...]
    remarks: tuple[str, ...]


def article(given: Iterable[Run]) -> Article:
    """Return the table of these runs. One that is named twice counts once.

    Raises `RackbenchError("no_results")` when none of them has a number.
    """
    # A run and its copy elsewhere are the same run.
    named = {
        (run.run_id, run.opened_at): run for run in sorted(given, key=lambda run: str(run.run_dir.resolve()))
    }
    runs = [named[name] for name in sorted(named, key=str)]
    groups: dict[tuple[object, ...], list[tuple[Run, Execution, Key]]] = {}
    for run in runs:
        for execution in run.executions:
            for key in execution.values:
                groups.setdefault(_group(run, execution, key), []).append((run, execution, key))
    if not groups:
        raise no_results(runs)
    rows = sorted((_row(members) for members in groups.values()), key=_order)
    remarks = chain(reading.verdict_remarks(runs), reading.state_remarks(runs), reading.problem_remarks(runs))
    return Article(tuple(runs), tuple(rows), tuple(_differences(runs)), tuple(remarks))


def no_results(runs: Sequence[Run]) -> RackbenchError:
    """Return the failure of runs that have no number that counts."""
    why = [f"{run.run_id} is a dry run." for run in runs if run.check]
    why += list(reading.problem_remarks(runs))
    names = ", ".join(run.run_id for run in runs)
    return RackbenchError(
        "no_results",
        f"{names}: there is no result that counts.",
        where=str(runs[0].run_dir),
        detail=" ".join(why) or None,
        next_command=shlex.join(["rackbench", "status", "--run-dir", str(runs[0].run_dir)]),
    )


def _group(run: Run, execution: Execution, key: Key) -> tuple[object, ...]:
    """Return what is the same for all executions whose numbers are put together."""
    return (
        key,
        run.host,
        run.label,
        run.state.digest or run.run_dir,
        execution.benchmark_version,
        execution.bundle_sha256,
        run.adapters.get(execution.adapter),
        execution.setup,
        execution.simulated,
    )


def _row(members: Sequence[tuple[Run, Execution, Key]]) -> Row:
    run, execution, key = members[0]
    statuses = {each.status for _run, each, _key in members}
    return Row(
        key=key,
        host=run.host,
        label=run.label,
        state=run.state.digest,
        benchmark_version=execution.benchmark_version,
        bundle_version=execution.bundle_version,
        bundle_sha256=execution.bundle_sha256,
        adapter_digest=run.adapters.get(execution.adapter),
        simulated=execution.simulated,
        status=reading.PARTIAL if reading.PARTIAL in statuses else execution.status,
        verdict=index.worst(each.verdict for _run, each, _key in members),
        summary=summary([each.values[key] for _run, each, _key in members]),
        runs=tuple(dict.fromkeys(each.run_id for each, _execution, _key in members)),
    )


def _order(row: Row) -> tuple[object, ...]:
    return (row.key.order, row.host, row.label or "", row.runs, row.bundle_sha256 or "", row.simulated)


def _differences(runs: Sequence[Run]) -> Iterable[RunsDifference]:
    """Yield for each host how its runs differ from the first of them; runs that differ in the same way once."""
    first: dict[str, Run] = {}
    told = set()
    for run in runs:
        base = first.setdefault(run.host, run)
        found = tuple(reading.differences(base, run))
        if found and (base.run_id, found) not in told:
            told.add((base.run_id, found))
            yield RunsDifference(base.run_id, run.run_id, found)
