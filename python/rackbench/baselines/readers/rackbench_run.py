# SPDX-License-Identifier: Apache-2.0
"""A whole run directory of Rackbench: every metric with a better direction is a scenario, repeats taken together."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rackbench.baselines.fingerprint import fingerprint
from rackbench.baselines.numbers import MICROSECONDS, Results
from rackbench.baselines.readers.series import TIMES, gathered, in_microseconds, positive, refused, scenario
from rackbench.compare.runs import read_run
from rackbench.ledger import documents, rundir
from rackbench.publish.refusal import refusals

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from rackbench.baselines.numbers import Scenario
    from rackbench.compare.runs import Execution, Key
    from rackbench.ledger.state import RunState

NAME = "rackbench-run"


def read(run_dir: Path, execution: str | None = None) -> Results:
    """Return the results of a run, or of one execution of it. Warm-ups do not count.

    Raises `RackbenchError`: not_a_run_directory, results_refused, results_unreadable.
    """
    run = read_run(run_dir)
    state = documents.load(run_dir).state
    executions = [each for each in run.executions if execution in {None, each.name}]
    reasons = refusals(state, {each.name: {"simulated": each.simulated} for each in executions})
    reasons += [
        f"{each.name} was disturbed, and its verdict is void."
        for each in executions
        if each.verdict == "void"
    ]
    if reasons:
        raise refused(run_dir, reasons)
    return Results(
        gathered(_scenarios(executions, run_dir), run_dir),
        NAME,
        run_dir,
        fingerprint=machine(run_dir, state),
        run_id=run.run_id,
        commit=_commit(state),
    )


def scenario_name(key: Key) -> str:
    """Return what a metric of a family is called: `ADAPTER:FAMILY METRIC (LABELS)`."""
    labels = f" ({key.labels_text})" if key.labels_text else ""
    return f"{key.adapter}:{key.family} {key.metric}{labels}"


def machine(run_dir: Path, state: RunState) -> str | None:
    """Return the fingerprint of the machine that a run measured, as far as the run found it out."""
    try:
        topology = json.loads((run_dir / rundir.TOPOLOGY).read_bytes())
    except (OSError, ValueError, RecursionError):
        topology = {}
    if not isinstance(topology, dict):
        topology = {}
    return fingerprint(
        architecture=state.platform.get("machine"),
        model=topology.get("model"),
        sockets=len(topology.get("sockets") or ()),
        cores=len(topology.get("cores") or ()),
        cpus=len(topology.get("cpus") or ()) or state.platform.get("cpus"),
        memory_bytes=state.platform.get("memory_bytes"),
    )


def converted(name: str, unit: str, direction: str, samples: Iterable[float], path: Path) -> Scenario:
    """Return a scenario with its times in microseconds. Raises `RackbenchError("results_unreadable")`."""
    values = tuple(positive(sample, f"a sample of {name!r}", path) for sample in samples)
    if unit in TIMES:
        return scenario(name, MICROSECONDS, direction, in_microseconds(values, unit))
    return scenario(name, unit, direction, values)


def _scenarios(executions: Iterable[Execution], run_dir: Path) -> Iterable[Scenario]:
    samples: dict[Key, list[float]] = {}
    for execution in executions:
        for key, values in execution.values.items():
            if key.direction != "none":
                samples.setdefault(key, []).extend(values)
    for key, found in sorted(samples.items(), key=lambda item: item[0].order):
        yield converted(scenario_name(key), key.unit, key.direction, found, run_dir)


def _commit(state: RunState) -> str | None:
    project = (state.resumed[-1] if state.resumed else state.opened).get("project") or state.opened.get(
        "project"
    )
    commit = (project or {}).get("commit")
    return f"{commit}-dirty" if commit and (project or {}).get("dirty") else commit
