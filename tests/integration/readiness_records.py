# SPDX-License-Identifier: Apache-2.0
"""What a run said about readiness and bundles, without what may differ between a dry run and a live one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.integration.harness import Run

# The journal's numbering and times; what only a live probe can know; what the stage step made.
MAY_DIFFER = frozenset(
    {"seq", "at", "mono", "step", "kind", "validated_readiness_status", "readiness_basis", "made"}
)


def comparable(records: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the last `readiness` or `packaging` record of each adapter, without the fields that may differ."""
    return {
        record["adapter"]: {name: value for name, value in record.items() if name not in MAY_DIFFER}
        for record in records
    }


def comparable_report(run: Run) -> dict[str, Any]:
    """Return the report of a preflight, without the fields that may differ, free space among them."""
    report: dict[str, Any] = run.document("preflight/summary.json")
    for probe in (report["probe"], report["controller_probe"]):
        if probe:
            del probe["free_bytes"]
    return {**report, "readiness": comparable(report["readiness"])}


def states(records: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return state and basis of each adapter as status prints them: `ready (configured)`."""
    return {each["adapter"]: f"{each['status']} ({each['status_basis']})" for each in records}
