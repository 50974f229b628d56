# SPDX-License-Identifier: Apache-2.0
"""Which results never leave the house, whoever asks: publishing, a baseline or a submission. One rule for all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rackbench.ledger.verdict import VOID

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rackbench.ledger.state import RunState

# Numbers of runs with these tags are no measurements.
NOT_MEASURED = frozenset({"smoke", "dry", "simulated"})


def refusals(state: RunState, results: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return why results of a run are refused, in sentences; none: nothing speaks against them.

    `results` holds the content of each result.json that is meant, by the execution that it is of.
    """
    return list(_reasons(state, results))


def _reasons(state: RunState, results: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    if state.check:
        yield "The run was a dry run, and measured nothing."
    for tag in state.tags:
        if tag in NOT_MEASURED:
            yield f"The run has the tag {tag}, and results with it are not given out."
    for execution, result in results.items():
        if result.get("simulated"):
            yield f"A stand-in for the benchmark made the result of {execution}."
        if reasons := _void(state, execution):
            yield f"The result of {execution} is void: {reasons}"


def _void(state: RunState, execution: str) -> str | None:
    """Return in words why an execution that counts is void, or None if it is not."""
    known = state.executions.get(execution)
    if known is None or known.warmup or known.superseded or known.not_needed:
        return None
    verdict = known.verdict or {}
    if verdict.get("verdict") != VOID:
        return None
    return " ".join(str(reason) for reason in verdict.get("reasons") or ()) or "no reason was recorded."
