# SPDX-License-Identifier: Apache-2.0
"""What the corpus knows by name: benchmarks, their queries, platforms. The data is in `known.json`."""

from __future__ import annotations

import functools
import json
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_BETWEEN = re.compile(r"[\s_-]+")
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
        platforms=frozenset(map(platform_id, content["platforms"])),
        own=frozenset(content["rackbench"]),
        queries=_sets(benchmarks, "queries"),
        pairs=_sets(benchmarks, "in_two_parts"),
        tables=_sets(benchmarks, "tables"),
        cache_receipts=frozenset(map(platform_id, content["platforms_with_cache_receipts"])),
    )


def platform_id(name: str) -> str:
    """Return what all spellings of a platform's name have in common: `PG DuckDB` and `pg_duckdb` are `pg-duckdb`."""
    return _BETWEEN.sub("-", unicodedata.normalize("NFKC", name).casefold().strip())


def _sets(benchmarks: Mapping[str, Mapping[str, list[str]]], field: str) -> dict[str, frozenset[str]]:
    return {name: frozenset(entry[field]) for name, entry in benchmarks.items() if field in entry}
