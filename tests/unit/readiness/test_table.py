# SPDX-License-Identifier: Apache-2.0
"""The table of states in the documentation is the table in the code."""

from __future__ import annotations

from pathlib import Path

from rackbench.errors import FAILURES
from rackbench.readiness.states import STATES

PAGE = Path(__file__).resolve().parents[3] / "docs/reference/readiness.md"


def test_the_documentation_has_the_states_in_their_order_with_the_same_words() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and line[2].isdigit()]
    assert rows == [
        f"| {number} | `{state.name}` | {', '.join(f'`{basis}`' for basis in state.bases)} | "
        f"{f'`{state.failure_code}`' if state.failure_code else ''} | {state.when} |".replace("|  |", "| |")
        for number, state in enumerate(STATES, 1)
    ]


def test_what_blocks_has_a_known_code() -> None:
    assert {state.failure_code for state in STATES if state.failure_code} <= FAILURES.keys()
