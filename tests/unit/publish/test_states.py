# SPDX-License-Identifier: Apache-2.0
"""The states of publishing, and the page that shows them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rackbench.errors import FAILURES
from rackbench.ledger import alerts
from rackbench.ledger.publish_states import FIELDS, STATE_OF_CODE, STATES, WITHHELD_CODES, state_of

PAGE = Path(__file__).resolve().parents[3] / "docs/reference/publish.md"


def test_the_page_shows_every_state_as_it_is() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (.+) \| (`[^`]+`|nothing) \| `([^`]+)` \|$", PAGE.read_text(), re.MULTILINE
    )
    assert [(name, words, following.strip("`"), look) for name, words, following, look in rows] == [
        (name, state.meaning, state.next or "nothing", state.diagnostic) for name, state in STATES.items()
    ]


def test_every_field_of_the_ledger_is_on_the_page() -> None:
    shown = PAGE.read_text()
    assert [name for name in FIELDS if f"`{name}`" not in shown and name != "state"] == []


@pytest.mark.parametrize("name", STATES)
def test_the_commands_of_a_state_are_known(name: str) -> None:
    state = STATES[name]
    assert state.diagnostic in alerts.COMMANDS
    assert state.next is None or state.next in alerts.COMMANDS


def test_every_code_of_publishing_has_a_failure_and_leaves_a_state() -> None:
    for code in {*STATE_OF_CODE, *WITHHELD_CODES.values(), *alerts.PUBLISH_CODES}:
        assert code in FAILURES
        assert state_of(code) in STATES
    assert set(WITHHELD_CODES) <= set(STATES)
