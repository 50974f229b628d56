# SPDX-License-Identifier: Apache-2.0
"""PRIVATE. Files of the operator that go to the host beside an adapter's bundle, as the run decided about them."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from rackbench.ledger.state import RunState


def staged(state: RunState, adapter: str) -> dict[str, str]:
    """Return the digests of an adapter's attachments by name."""
    decision = state.packaging.get(adapter) or {}
    return {
        str(each["name"]): str(each["sha256"])
        for each in decision.get("attachments") or []
        if each["accepted"] and each["sha256"]
    }
