# SPDX-License-Identifier: Apache-2.0
"""What the corpus knows by name: benchmarks, their queries, platforms. The data is in `known.json`."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = Path(__file__).with_name("known.json")


@dataclass(frozen=True, slots=True)
class Known:
    """Ids in small letters; `queries` has what a whole run measures, `tables` what it must have loaded."""

    benchmarks: frozenset[str]
    platforms: frozenset[str]
    own: frozenset[str]
    queries: Mapping[str, frozenset[str]]
    pairs: Mapping[str, frozenset[str]]
    tables: Mapping[str, frozenset[str]]
    cache_receipts: frozenset[str]


@functools.cache
def known() -> Known:
    """Return the content of `known.json`, which is read once."""
    content = json.loads(FILE.read_bytes())
    benchmarks = content["benchmarks"]
    return Known(
        benchmarks=frozenset(benchmarks),
        platforms=frozenset(content["platforms"]),
        own=frozenset(content["rackbench"]),
        queries=_sets(benchmarks, "queries"),
        pairs=_sets(benchmarks, "in_two_parts"),
        tables=_sets(benchmarks, "tables"),
        cache_receipts=frozenset(content["platforms_with_cache_receipts"]),
    )


def _sets(benchmarks: Mapping[str, Mapping[str, list[str]]], field: str) -> dict[str, frozenset[str]]:
    return {name: frozenset(entry[field]) for name, entry in benchmarks.items() if field in entry}
