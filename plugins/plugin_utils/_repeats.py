# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE. What an execution has to do with the repeats of its family: whether it is needed, and what it measured."""

from __future__ import annotations

import time
import typing as t
from pathlib import Path

from ansible_collections.rackbench.lab.plugins.plugin_utils._action import MISSING

if MISSING is None:
    from rackbench.adapters.headline import headlines
    from rackbench.adapters.repeats import Family, metric_of
    from rackbench.adapters.results import parse_result
    from rackbench.errors import RackbenchError

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.rackbench.lab.plugins.plugin_utils._action import LabAction
    from rackbench.adapters.catalog import Adapter

# The callback writes what an item of the loop handed over while the next one begins already. Without it one execution
# too many is made, so this can be long.
LEDGER_S = 60.0
LOOK_S = 0.05


def family_of(action: LabAction, adapter: str, execution: Mapping[str, t.Any]) -> Family | None:
    """Return what the execution finds of its family's earlier ones, when the ledger has them; None for a warm-up."""
    deadline = time.monotonic() + LEDGER_S
    while True:
        family = Family.of(action.state(), adapter, execution)
        if family is None or not family.waits_for_ledger or time.monotonic() > deadline:
            return family
        time.sleep(LOOK_S)


def metric_of_result(text: str | None, adapter: Adapter) -> dict[str, t.Any] | None:
    """Return the number by which repeats are judged; None when `result.json` is not there or does not hold it."""
    if text is None:
        return None
    try:
        result = parse_result(text, Path("result.json"))
    except RackbenchError:
        # The collect step reads it again, and says what is wrong with it.
        return None
    return metric_of(headlines(result.document, adapter.headline[:1]))
