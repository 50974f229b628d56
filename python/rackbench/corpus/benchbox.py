# SPDX-License-Identifier: Apache-2.0
"""The checks of a result bundle of BenchBox 2.x. They read one parsed object and nothing else."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from rackbench.corpus.checks import listed, shown
from rackbench.corpus.known import known, platform_id
from rackbench.corpus.shape import plain
from rackbench.corpus.strict_json import is_number

if TYPE_CHECKING:
    from rackbench.corpus.shape import Look

QUERY_LIMIT_MS = 2 * 3600 * 1000
RUN_LIMIT_MS = 24 * 3600 * 1000
_VERSION = re.compile(r"2\.\d{1,4}(?:\.\d{1,4})?")
_ID = re.compile(r"[0-9a-f]{8}")
_VERSION_KEYS = ("result_schema_version", "version", "schema_version")
_PARTS = ("run", "benchmark", "platform", "summary")
_QUERY = re.compile(r"(?:query_?|q(?=\d))?\s*(.*?)(?:\.[a-z]+)?", re.IGNORECASE | re.DOTALL)
_KEYS: dict[str, frozenset[str]] = {
    "the bundle": frozenset(
        {
            "benchmark",
            "config",
            "cost",
            "cost_usd",
            "environment",
            "errors",
            "execution",
            "export",
            "normalized_cost",
            "phases",
            "platform",
            "provenance",
            "queries",
            "result_schema_version",
            "run",
            "schema_version",
            "summary",
            "tables",
            "version",
        }
    ),
    "run": frozenset({"id", "iterations", "query_time_ms", "streams", "timestamp", "total_duration_ms"}),
    "benchmark": frozenset({"compliance_class", "id", "name", "scale_factor", "test_type"}),
    "summary": frozenset({"data", "queries", "timing", "tpc_metrics", "validation"}),
    "summary.queries": frozenset({"failed", "passed", "skipped", "total"}),
}
# What the machine says of itself stands twice in a bundle.
_TWICE = ("arch", "cpu_count", "cpu_model", "cpu_vendor", "memory_gb", "os", "python")
_ARM = frozenset({"aarch64", "arm64"})
_X86_VENDORS = frozenset({"amd", "intel"})
_ROW_STATUS = frozenset({"PASSED", "FAILED", "SKIPPED", "ERROR"})
_COST_TEXTS = (
    "cost_model_version",
    "cost_model_source",
    "cost_scope",
    "cost_status",
    "billing_unit",
    "pricing_region",
)


def is_ours_to_read(document: dict[str, Any]) -> bool:
    """Say whether a document looks like a result of BenchBox, of whatever version and however incomplete."""
    return any(key in document for key in _VERSION_KEYS) or len(document.keys() & {*_PARTS, "queries"}) >= 3


def check(look: Look) -> dict[str, Any]:
    """Check a bundle and return what the corpus records of it (see `read.Seen.facts`)."""
    document = look.document
    version = _version(look)
    look.lacks(document, "the bundle", (*_PARTS, "queries"))
    look.typos(document, "the bundle", _KEYS["the bundle"])
    run, benchmark, platform, summary = (
        look.part(document, key, key, needed=key in document) for key in _PARTS
    )
    run_id, timestamp = _run(look, run)
    name, scale = _benchmark(look, benchmark)
    platform_name = _platform(look, platform)
    passed = _summary(look, summary)
    rows = _queries(look, version)
    _outcome(look, summary, rows, passed=passed)
    _coverage(look, name.strip().casefold(), rows)
    _translation(look)
    _tables(look, name.strip().casefold())
    _environment(look, platform)
    _cost(look)
    return {
        "kind": "benchbox",
        "id": run_id,
        "benchmark": name,
        "scale": None if scale is None else _scale_text(scale),
        "platform": platform_name,
        "version": plain(platform["version"]) if type(platform.get("version")) is str else None,
        "measured_at": timestamp,
    }


def _is_there(look: Look, key: str) -> bool:
    """Say whether a part of the bundle is an object, be it an empty one; of others it is told that they are not."""
    return type(look.document.get(key)) is dict


def _scale_text(scale: float) -> str:
    """Return the scale exactly: 1 and 1.0 are one, and 1.0000001 is another."""
    if abs(scale) >= 10**15:
        return "very large"
    return str(int(scale)) if scale == int(scale) else repr(scale)


def _version(look: Look) -> tuple[int, ...]:
    """Return the version of the bundle's schema as numbers; empty when it is none that we read."""
    values = {key: look.document[key] for key in _VERSION_KEYS if key in look.document}
    if not values:
        look.add("key_missing", where="the bundle", keys=_VERSION_KEYS[0])
        return ()
    texts = {value.strip() if type(value) is str else shown(value) for value in values.values()}
    if len(texts) > 1:
        look.add("schema_conflict", values=listed([f"{key} {shown(value)}" for key, value in values.items()]))
        return ()
    value = next(iter(values.values()))
    if type(value) is not str or not _VERSION.fullmatch(value.strip()):
        look.add("schema_unsupported", value=shown(value), accepted="2.x")
        return ()
    return tuple(int(part) for part in value.strip().split("."))


def _run(look: Look, run: dict[str, Any]) -> tuple[str, str]:
    if _is_there(look, "run"):
        look.lacks(run, "run", ("id", "timestamp", "total_duration_ms"))
        look.typos(run, "run", _KEYS["run"])
    total = look.number(run, "total_duration_ms", "run")
    if total is not None and total < 0:
        look.add("timing_negative", where="run.total_duration_ms", value=total)
    elif total is not None and total > RUN_LIMIT_MS:
        look.add("timing_unusual", where="run.total_duration_ms", value=total)
    run_id, timestamp = look.text(run, "id", "run"), look.text(run, "timestamp", "run")
    if run_id and not _ID.fullmatch(run_id):
        look.add(
            "wrong_type", where="run.id", value=run_id, wanted="eight hexadecimal digits in small letters"
        )
    look.time(timestamp, "run.timestamp")
    return run_id, timestamp


def _benchmark(look: Look, benchmark: dict[str, Any]) -> tuple[str, float | None]:
    if _is_there(look, "benchmark"):
        look.lacks(benchmark, "benchmark", ("id", "scale_factor"))
        look.typos(benchmark, "benchmark", _KEYS["benchmark"])
    name = look.text(benchmark, "id", "benchmark")
    if name and name not in known().benchmarks:
        look.add("unknown_benchmark", value=shown(name))
    scale = look.number(benchmark, "scale_factor", "benchmark")
    if "scale_factor" in benchmark and benchmark["scale_factor"] is None:
        look.add("wrong_type", where="benchmark.scale_factor", value=None, wanted="a finite number")
    if scale is not None and scale <= 0:
        look.add("wrong_type", where="benchmark.scale_factor", value=scale, wanted="greater than 0")
    compliance = benchmark.get("compliance_class")
    if compliance is not None and compliance != "official":
        look.add("not_official", value=shown(compliance))
    return name, scale


def _platform(look: Look, platform: dict[str, Any]) -> str:
    if _is_there(look, "platform"):
        look.lacks(platform, "platform", ("name",))
    name = look.text(platform, "name", "platform")
    spelt = platform_id(name)
    if name and spelt not in known().platforms:
        look.add("unknown_platform", value=shown(name))
    look.part(platform, "config", "platform.config")
    compute = look.part(platform, "compute", "platform.compute")
    receipt = compute.get("cache_control")
    if receipt is None:
        if compute.get("result_cache_enabled") and spelt in known().cache_receipts:
            look.add("cache_not_off", what="it is on, and there is no receipt that it was switched off")
    elif type(receipt) is not dict:
        look.add("wrong_type", where="platform.compute.cache_control", value=receipt, wanted="an object")
    elif receipt.get("validated") is not True:
        look.add("cache_not_off", what="nobody confirmed that it is off (validated is not true)")
    elif receipt.get("cache_disabled") is not True:
        look.add("cache_not_off", what="it is on")
    return name


def _status(value: Any) -> str:
    """Return a status in small letters; it may stand as a text or as an object with one."""
    if type(value) is dict:
        value = value.get("status")
    return value.strip().lower() if type(value) is str else ""


def _summary(look: Look, summary: dict[str, Any]) -> bool:
    """Check the summary and say whether it claims that the run passed."""
    look.typos(summary, "summary", _KEYS["summary"])
    claim = summary.get("validation")
    passed = _status(claim) == "passed"
    if _is_there(look, "summary") and not passed:
        if claim is None:
            look.add("key_missing", where="summary", keys="validation")
        else:
            look.add("not_passed", where="summary.validation", value=shown(claim))
    timing = look.part(summary, "timing", "summary.timing")
    for key in timing if look.is_small(timing, "summary.timing") else ():
        value = timing[key]
        if not (value is None or is_number(value)):
            look.add(
                "wrong_type", where=f"summary.timing.{plain(key)}", value=value, wanted="a finite number"
            )
        elif value is not None and value < 0:
            look.add("timing_negative", where=f"summary.timing.{plain(key)}", value=value)
    least: Any = timing.get("min_ms")
    most: Any = timing.get("max_ms")
    if is_number(least) and is_number(most) and least > most:
        look.add(
            "counts_contradict",
            where="summary.timing.min_ms and max_ms",
            what=f"{shown(least)} > {shown(most)}",
        )
    return passed


def _queries(look: Look, version: tuple[int, ...]) -> list[dict[str, Any]]:
    """Check each query and return the rows that can be used further."""
    queries = look.document.get("queries")
    if type(queries) is not list:
        if "queries" in look.document:
            look.add("wrong_type", where="queries", value=queries, wanted="a list")
        return []
    if not look.is_small(queries, "queries"):
        return []
    rows = []
    for index, row in enumerate(queries):
        if type(row) is not dict:
            look.add("wrong_type", where=f"queries[{index}]", value=row, wanted="an object")
            continue
        rows.append(row)
        if "id" not in row or "ms" not in row:
            look.lacks(row, f"queries[{index}]", ("id", "ms"))
            continue
        _took(look, f"queries[{index}].ms", row["ms"])
        if "row_count_validation" in row:
            _row_counts(look, f"queries[{index}]", row, version)
    measured = [row for row in rows if _is_measurement(row)]
    if rows and not any(is_number(row.get("ms")) and row["ms"] > 0 for row in measured):
        look.add("timings_zero")
    return measured


def _took(look: Look, where: str, ms: Any) -> None:
    """Check how long a query took."""
    if ms is None:
        return
    if not is_number(ms):
        look.add("wrong_type", where=where, value=ms, wanted="a finite number")
    elif ms < 0:
        look.add("timing_negative", where=where, value=ms)
    elif ms > QUERY_LIMIT_MS:
        look.add("timing_unusual", where=where, value=ms)


def _is_measurement(row: dict[str, Any]) -> bool:
    kind = row.get("run_type")
    return not kind or kind == "measurement" or (type(kind) is str and kind.strip().lower() == "measurement")


def _row_counts(look: Look, where: str, row: dict[str, Any], version: tuple[int, ...]) -> None:
    """Check the evidence that a query returned as many rows as it should."""
    evidence = row["row_count_validation"]
    what = ""
    if type(evidence) is not dict:
        what = "row_count_validation is no object"
    elif version and version < (2, 2):
        what = "row_count_validation is there only since version 2.2"
    elif type(evidence.get("status")) is not str or evidence["status"] not in _ROW_STATUS:
        what = f"row_count_validation.status is {shown(evidence.get('status'))}"
    elif not {"expected", "actual"} <= evidence.keys():
        what = "row_count_validation lacks expected or actual"
    elif not all(_is_count(value) for value in (evidence["expected"], evidence["actual"], row.get("rows"))):
        what = "the numbers of rows are not all whole numbers of 0 or more"
    elif evidence["actual"] != row.get("rows"):
        what = (
            f"row_count_validation.actual is {shown(evidence['actual'])}, and rows {shown(row.get('rows'))}"
        )
    elif evidence["status"] == "PASSED" and (
        evidence["expected"] is None or evidence["expected"] != evidence["actual"]
    ):
        what = "row_count_validation says PASSED, and the numbers differ"
    elif evidence["status"] != "PASSED":
        look.add("failure_hidden", what=f"{where}.row_count_validation.status is {shown(evidence['status'])}")
    if what:
        look.add("row_counts_invalid", where=where, what=what)


def _is_count(value: Any) -> bool:
    return value is None or (type(value) is int and value >= 0)


def _outcome(look: Look, summary: dict[str, Any], rows: list[dict[str, Any]], *, passed: bool) -> None:
    """Compare the claim of the summary with what was measured."""
    counts = look.part(summary, "queries", "summary.queries")
    look.typos(counts, "summary.queries", _KEYS["summary.queries"])
    number: dict[str, float] = {}
    for key in ("total", "passed", "failed", "skipped"):
        value = look.number(counts, key, "summary.queries")
        if value is not None:
            number[key] = value
    if not rows and passed and type(look.document.get("queries")) is list:
        look.add("nothing_ran", what="there is no measured query")
    elif passed and "total" not in counts:
        look.add("key_missing", where="summary.queries", keys="total")
    elif passed and number.get("total") == 0:
        look.add("nothing_ran", what="summary.queries.total is 0")
    elif passed and number.get("passed") == 0:
        look.add("nothing_ran", what="summary.queries.passed is 0")
    if {"total", "passed", "failed"} <= number.keys():
        together = number["passed"] + number["failed"] + number.get("skipped", 0)
        if together != number["total"]:
            what = f"total is {shown(number['total'])}, and all others together {shown(together)}"
            look.add("counts_contradict", where="summary.queries", what=what)
    if passed:
        empty = [key for key in ("total", "passed", "failed") if counts.get(key) is None]
        if "total" in counts and empty:
            look.add("key_missing", where="summary.queries", keys=listed(empty))
        _as_measured(look, number)
        _timing_as_measured(look, summary, rows)
        _nothing_hidden(look, rows, number.get("failed", 0))


def _as_measured(look: Look, said: dict[str, float]) -> None:
    """Compare the numbers of queries with the rows. BenchBox counts each measured row, of every stream, and no warm-up.

    Rows of its older versions do not all say what they are; then there are at most as many as rows.
    """
    queries = look.document.get("queries")
    rows = [row for row in queries if type(row) is dict] if type(queries) is list else []
    measured = [row for row in rows if _is_measurement(row)]
    is_exact = all(row.get("run_type") for row in rows)
    went_well = sum(_status(row) == "success" or row.get("status") is None for row in measured)
    for key, count in (("total", len(measured)), ("passed", went_well)):
        if key in said and (said[key] != count if is_exact else said[key] > count):
            what = f"it is {shown(said[key])}, and {count} measured rows are like that"
            look.add("counts_contradict", where=f"summary.queries.{key} and queries", what=what)


def _timing_as_measured(look: Look, summary: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Tell of a summary that says that nothing took any time, while the rows say otherwise."""
    timing = summary.get("timing")
    said = [value for value in timing.values() if is_number(value)] if type(timing) is dict else []
    longest: float = max((row["ms"] for row in rows if is_number(row.get("ms"))), default=0)
    if said and not any(said) and longest >= 1:
        what = f"it has only zeros, and the longest query took {shown(longest)} ms"
        look.add("counts_contradict", where="summary.timing and queries", what=what)


def _nothing_hidden(look: Look, rows: list[dict[str, Any]], said: float) -> None:
    """Tell what contradicts the claim that a run passed; `said` is the number of failed queries in its summary."""
    failed = [row for row in rows if row.get("status") is not None and not _went_well(row["status"])]
    if said > 0:
        look.add("failure_hidden", what=f"summary.queries.failed is {shown(said)}")
    elif failed:
        names = listed([shown(row.get("id")) for row in failed], 4)
        look.add("failure_hidden", what=f"these queries did not end well: {names}")
    if "phases" in look.document:
        phases = look.part(look.document, "phases", "phases", needed=True)
        phase = phases.get("validation")
        if _status(phase) != "passed" or type(phase) is not dict:
            value = phase.get("status") if type(phase) is dict else phase
            look.add("failure_hidden", what=f"phases.validation.status is {shown(value)}")


def _went_well(status: Any) -> bool:
    return status == "SUCCESS" or (type(status) is str and status.upper() in {"SUCCESS", "SKIPPED"})


def _coverage(look: Look, benchmark: str, rows: list[dict[str, Any]]) -> None:
    """Tell which of the queries that make up a benchmark nobody measured."""
    wanted = known().queries.get(benchmark)
    if not wanted or not rows:
        return
    names = {_query_id(row.get("id")) for row in rows}
    for base in known().pairs.get(benchmark, ()):
        names.discard(base)
        if {base + "a", base + "b"} <= names:
            names.add(base)
    if missing := wanted - names:
        order = sorted(missing, key=lambda name: [int(part) for part in name.split(".")])
        look.add(
            "queries_missing",
            covered=len(wanted) - len(missing),
            total=len(wanted),
            benchmark=benchmark,
            missing=listed(order),
        )


def _query_id(value: Any) -> str:
    """Return the number of a query: `Q1`, `query_1` and `1.sql` are `1`; of the variant `1_v3` too."""
    if type(value) is not str or len(value) > 80:
        return ""
    if value.replace(".", "").isdigit():
        return value
    match = _QUERY.fullmatch(value.strip())
    return match[1].strip().lower().split("_v")[0] if match else ""


def _translation(look: Look) -> None:
    execution = look.document.get("execution")
    if type(execution) is not dict or execution.get("translation") is None:
        return
    status = _status(execution["translation"])
    if not status or status in {"fallback", "failed"}:
        look.add("translation_not_clean", value=shown(status or None))


def _tables(look: Look, benchmark: str) -> None:
    """Check the numbers of rows that were loaded, and that what a benchmark reads was loaded at all."""
    tables = look.part(look.document, "tables", "tables")
    loaded = set()
    if not look.is_small(tables, "tables"):
        return
    for name, table in tables.items():
        where = f"tables.{plain(name)}"
        if type(table) is not dict:
            look.add("wrong_type", where=where, value=table, wanted="an object")
            continue
        for key in ("rows", "load_ms"):
            value = look.number(table, key, where)
            if value is not None and value < 0:
                look.add("wrong_type", where=f"{where}.{key}", value=value, wanted="0 or more")
        if table.get("rows") != 0:
            loaded.add(name.lower())
    for name in sorted(known().tables.get(benchmark, frozenset()) - loaded):
        look.add("tables_not_loaded", table=name)


def _environment(look: Look, platform: dict[str, Any]) -> None:
    """Compare what a bundle says twice of its machine."""
    environment = look.part(look.document, "environment", "environment")
    client = look.part(environment, "client_host", "environment.client_host")
    _client_link(look, environment)
    for key in _TWICE:
        one, other = environment.get(key), client.get(key)
        if one is not None and other is not None and one != other:
            _contradict(look, f"environment.{key}", one, f"environment.client_host.{key}", other)
    for key in ("cpu_count", "memory_gb"):
        value = look.number(environment, key, "environment")
        if value is not None and value <= 0:
            look.add("wrong_type", where=f"environment.{key}", value=value, wanted="greater than 0")
    arch, vendor = environment.get("arch"), environment.get("cpu_vendor")
    if type(arch) is str and type(vendor) is str and arch.lower() in _ARM and vendor.lower() in _X86_VENDORS:
        _contradict(look, "environment.arch", arch, "environment.cpu_vendor", vendor)
    execution = look.document.get("execution")
    if type(execution) is dict:
        one, other = execution.get("driver_version_actual"), platform.get("driver_actual_version")
        if one is not None and other is not None and one != other:
            _contradict(look, "execution.driver_version_actual", one, "platform.driver_actual_version", other)


def _client_link(look: Look, environment: dict[str, Any]) -> None:
    """Check what a bundle says of the way between client and database."""
    where = "environment.client_link"
    link = look.part(environment, "client_link", where)
    if type(environment.get("client_link")) is dict:
        look.lacks(link, where, ("collection_status",))
    for key in ("collection_status", "source", "client_region", "client_cloud"):
        if type(link.get(key, "")) is not str and not (key != "collection_status" and link[key] is None):
            look.add("wrong_type", where=f"{where}.{key}", value=link[key], wanted="a text")
    overhead = look.part(link, "statement_overhead_ms", f"{where}.statement_overhead_ms")
    for key in ("samples", "min", "median"):
        value = look.number(overhead, key, f"{where}.statement_overhead_ms")
        if value is not None and value < 0:
            look.add(
                "wrong_type", where=f"{where}.statement_overhead_ms.{key}", value=value, wanted="0 or more"
            )


def _contradict(look: Look, one: str, first: Any, other: str, second: Any) -> None:
    look.add("environment_contradicts", one=one, first=shown(first), other=other, second=shown(second))


def _cost(look: Look) -> None:
    """Check that every total of costs is one that BenchBox itself computed."""
    document = look.document
    cost = look.part(document, "cost", "cost")
    normalized = document.get("normalized_cost")
    for inner in (cost.get("normalized_cost"), cost.get("normalized")):
        normalized = normalized if type(normalized) is dict else inner
    totals = {f"cost.{key}": cost[key] for key in ("total_usd", "total_cost") if key in cost}
    if "cost_usd" in document:
        totals["cost_usd"] = document["cost_usd"]
    if type(normalized) is not dict:
        for where in totals:
            look.add("cost_unproven", where=where, what="there is no normalized_cost that it could come from")
        return
    _normalized(look, normalized)
    amount = _decimal(normalized.get("normalized_cost_usd"))
    for where, value in totals.items():
        if value is not None and (_decimal(value) is None or _decimal(value) != amount):
            look.add("cost_unproven", where=where, what="it is not what normalized_cost says")


def _normalized(look: Look, normalized: dict[str, Any]) -> None:
    """Check how BenchBox says that it computed the costs."""
    for key in _COST_TEXTS:
        if type(normalized.get(key)) is not str or not normalized[key]:
            look.add("cost_unproven", where=f"normalized_cost.{key}", what="it is no text")
    status, amount = normalized.get("cost_status"), _decimal(normalized.get("normalized_cost_usd"))
    if normalized.get("normalized_cost_usd") is not None and (amount is None or amount < 0):
        look.add(
            "cost_unproven", where="normalized_cost.normalized_cost_usd", what="it is no amount of 0 or more"
        )
    if type(status) is not str or status not in {"normalized", "not_applicable_local", "unavailable"}:
        look.add("cost_unproven", where="normalized_cost.cost_status", what=f"it is {shown(status)}")
    elif (amount is None) != (status == "unavailable") or (status == "not_applicable_local" and amount != 0):
        look.add(
            "cost_unproven", where="normalized_cost.normalized_cost_usd", what=f"the cost_status is {status}"
        )
    if normalized.get("cost_model_source") != "benchbox.core.cost.pricing":
        look.add("cost_unproven", where="normalized_cost.cost_model_source", what="it is not BenchBox's own")
    if normalized.get("cost_scope") not in ("compute_only", "compute_plus_storage"):
        look.add("cost_unproven", where="normalized_cost.cost_scope", what="it is none that BenchBox knows")
    deployment = look.part(normalized, "deployment", "normalized_cost.deployment")
    nodes = deployment.get("node_count")
    if not _is_count(nodes):
        look.add(
            "wrong_type", where="normalized_cost.deployment.node_count", value=nodes, wanted="a whole number"
        )


def _decimal(value: Any) -> Decimal | None:
    """Return an amount of money that is finite; None for anything else."""
    if type(value) not in {str, int, float} or len(str(value)[:80]) == 80:
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None
