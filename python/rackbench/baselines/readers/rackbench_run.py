# SPDX-License-Identifier: Apache-2.0
"""A whole run directory of Rackbench: every metric with a better direction is a scenario, repeats taken together."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from rackbench.baselines.fingerprint import fingerprint
from rackbench.baselines.numbers import MICROSECONDS, Results
from rackbench.baselines.readers.series import TIMES, gathered, in_microseconds, positive, refused, scenario
from rackbench.compare.runs import problem_remarks, read_run, verdict_remarks
from rackbench.files import read_regular
from rackbench.ledger import documents, rundir
from rackbench.publish.refusal import refusals

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from rackbench.baselines.numbers import Scenario
    from rackbench.compare.runs import Execution, Key
    from rackbench.ledger.state import RunState

NAME = "rackbench-run"


def read(run_dir: Path, execution: str | None = None) -> Results:
    """Return the results of a run that came to a good end, or of one execution of it. Warm-ups do not count.

    What was suspect or partial, and what gave no number, is in the remarks.

    Raises `RackbenchError`: not_a_run_directory, results_refused, results_unreadable.
    """
    # Of very many label sets the median of all would hide what happened to each.
    run = read_run(run_dir, together=False)
    state = documents.load(run_dir).state
    executions = [each for each in run.executions if execution in {None, each.name}]
    problems = [each for each in run.problems if execution is None or each.startswith(f"{execution}: ")]
    reasons = list(_bad_end(state))
    reasons += refusals(state, {each.name: {"simulated": each.simulated} for each in executions})
    reasons += [
        f"{each.name} was disturbed, and its verdict is void."
        for each in executions
        if each.verdict == "void"
    ]
    if reasons:
        raise refused(run_dir, reasons)
    used = replace(run, executions=tuple(executions), problems=tuple(problems))
    return Results(
        gathered(_scenarios(executions, run_dir), run_dir),
        NAME,
        run_dir,
        fingerprint=machine(run_dir, state),
        run_id=run.run_id,
        commit=_commit(state),
        remarks=(*verdict_remarks([used]), *problem_remarks([used])),
    )


def scenario_name(key: Key) -> str:
    """Return what a metric of a family is called: `ADAPTER:FAMILY METRIC (LABELS)`."""
    labels = f" ({key.labels_text})" if key.labels_text else ""
    return f"{key.adapter}:{key.family} {key.metric}{labels}"


def machine(run_dir: Path, state: RunState) -> str | None:
    """Return the fingerprint of the machine that a run measured, as far as the run found it out."""
    try:
        topology = json.loads(read_regular(run_dir / rundir.TOPOLOGY))
    except (OSError, ValueError, RecursionError):
        topology = {}
    if not isinstance(topology, dict):
        topology = {}
    return fingerprint(
        run_dir,
        architecture=state.platform.get("machine"),
        model=topology.get("model"),
        sockets=len(topology.get("sockets") or ()),
        cores=len(topology.get("cores") or ()),
        cpus=len(topology.get("cpus") or ()) or state.platform.get("cpus"),
        memory_bytes=state.platform.get("memory_bytes"),
    )


def converted(
    name: str,
    unit: str,
    direction: str,
    samples: Iterable[float],
    path: Path,
    executions: tuple[int, ...] = (),
) -> Scenario:
    """Return a scenario with its times in microseconds. Raises `RackbenchError("results_unreadable")`."""
    values = tuple(positive(sample, f"a sample of {name!r}", path) for sample in samples)
    if unit in TIMES:
        unit, values = MICROSECONDS, in_microseconds(values, unit)
    return replace(scenario(name, unit, direction, values), executions=executions)


def _bad_end(state: RunState) -> Iterator[str]:
    """Yield in a sentence that a run is not over, or how it ended when that was not well."""
    if state.closed is None:
        yield "The run is not closed: it still goes on, or it broke off."
    elif (how := state.closed.get("outcome")) != "completed":
        steps = ", ".join(map(str, state.closed.get("failed_steps") or ()))
        yield f"The run did not come to a good end, it {how or 'broke off'}{f' in {steps}' if steps else ''}."


def _scenarios(executions: Iterable[Execution], run_dir: Path) -> Iterable[Scenario]:
    samples: dict[Key, list[tuple[float, ...]]] = {}
    for execution in executions:
        for key, values in execution.values.items():
            if key.direction != "none":
                samples.setdefault(key, []).append(values)
    for key, found in sorted(samples.items(), key=lambda item: item[0].order):
        sizes = tuple(map(len, found)) if len(found) > 1 else ()
        yield converted(scenario_name(key), key.unit, key.direction, chain(*found), run_dir, sizes)


def _commit(state: RunState) -> str | None:
    project = (state.resumed[-1] if state.resumed else state.opened).get("project") or state.opened.get(
        "project"
    )
    commit = (project or {}).get("commit")
    return f"{commit}-dirty" if commit and (project or {}).get("dirty") else commit
