# SPDX-License-Identifier: Apache-2.0
"""The checks of a submission bundle of Rackbench: `rackbench.submission-bundle/1.x` (models/submission.py)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rackbench.corpus.checks import listed, shown
from rackbench.corpus.known import known
from rackbench.corpus.strict_json import is_number

if TYPE_CHECKING:
    from rackbench.corpus.shape import Look

KIND = "rackbench.submission-bundle/"
_SCHEMA = re.compile(re.escape(KIND) + r"1\.\d{1,4}")
_PARTS = ("benchmark", "platform", "verdict", "provenance")
_KEYS = frozenset(
    {
        "schema",
        "id",
        "adapter",
        "benchmark",
        "measured_at",
        "duration_s",
        "platform",
        "verdict",
        "headline",
        "executions",
        "simulated",
        "provenance",
    }
)
_TIMES = ("s", "ms", "us", "ns")
_DIRECTIONS = frozenset({"lower", "higher", "none"})


def is_ours_to_read(document: dict[str, Any]) -> bool:
    """Say whether a document says that it is one of ours, of whatever version."""
    schema = document.get("schema")
    return type(schema) is str and schema.startswith(KIND)


def check(look: Look) -> dict[str, Any]:
    """Check a bundle and return what the corpus records of it (see `read.Seen.facts`)."""
    document = look.document
    if not _SCHEMA.fullmatch(document["schema"]):
        look.add("schema_unsupported", value=shown(document["schema"]), accepted=f"{KIND}1.x")
    look.lacks(document, "the bundle", sorted(_KEYS))
    look.typos(document, "the bundle", _KEYS)
    benchmark, platform, verdict, provenance = (
        look.part(document, key, key, needed=key in document) for key in _PARTS
    )
    name = look.text(benchmark, "name", "benchmark")
    if name and name not in known().own:
        look.add("unknown_benchmark", value=shown(name))
    look.text(document, "adapter", "the bundle")
    cpu = look.text(platform, "cpu", "platform")
    for part, where, keys in (
        (benchmark, "benchmark", ("name", "version")),
        (platform, "platform", ("cpu", "machine", "kernel", "os")),
        (provenance, "provenance", ("versions",)),
    ):
        if type(document.get(where)) is dict:
            look.lacks(part, where, keys)
    _verdict(look, verdict)
    _duration(look, document, "the bundle")
    if document.get("simulated") is not False and "simulated" in document:
        look.add("simulated")
    measured_at = look.text(document, "measured_at", "the bundle")
    look.time(measured_at, "measured_at")
    _headline(look)
    _executions(look)
    return {
        "kind": "rackbench",
        "id": look.text(document, "id", "the bundle"),
        "benchmark": name,
        "scale": None,
        "platform": cpu,
        "version": look.text(benchmark, "version", "benchmark") or None,
        "measured_at": measured_at,
    }


def _verdict(look: Look, verdict: dict[str, Any]) -> None:
    value, reasons = verdict.get("verdict"), verdict.get("reasons")
    if value == "suspect":
        texts = [shown(reason) for reason in reasons] if type(reasons) is list else []
        look.add("verdict_suspect", reasons=listed(texts, 4) or "no reason is given")
    elif "verdict" in look.document and value != "valid":
        look.add("verdict_not_valid", value=shown(value))


def _duration(look: Look, outer: dict[str, Any], where: str) -> None:
    value = look.number(outer, "duration_s", where)
    if value is not None and value < 0:
        look.add("timing_negative", where=f"{where}.duration_s", value=value)


def _list(look: Look, outer: dict[str, Any], key: str, where: str) -> list[dict[str, Any]]:
    """Return the objects of a list; what is something else is told."""
    values = outer.get(key)
    if type(values) is not list:
        if key in outer:
            look.add("wrong_type", where=where, value=values, wanted="a list")
        return []
    if not look.is_small(values, where):
        return []
    for index, value in enumerate(values):
        if type(value) is not dict:
            look.add("wrong_type", where=f"{where}[{index}]", value=value, wanted="an object")
    return [value for value in values if type(value) is dict]


def _headline(look: Look) -> None:
    for index, line in enumerate(_list(look, look.document, "headline", "headline")):
        where = f"headline[{index}]"
        look.lacks(line, where, ("label", "value", "unit"))
        if "value" in line and not is_number(line["value"]):
            look.add("wrong_type", where=f"{where}.value", value=line["value"], wanted="a finite number")


def _executions(look: Look) -> None:
    executions = _list(look, look.document, "executions", "executions")
    if not executions and "executions" in look.document:
        look.add("nothing_ran", what="there is no execution")
    every: list[dict[str, Any]] = []
    for index, execution in enumerate(executions):
        where = f"executions[{index}]"
        look.lacks(execution, where, ("family", "status", "verdict", "duration_s", "metrics"))
        if "status" in execution and execution["status"] != "passed":
            look.add("not_passed", where=f"{where}.status", value=shown(execution["status"]))
        verdict = execution.get("verdict")
        if "verdict" in execution and verdict not in ("valid", "suspect"):
            look.add("verdict_not_valid", value=f"{shown(verdict)} in {where}")
        _duration(look, execution, where)
        metrics = _list(look, execution, "metrics", f"{where}.metrics")
        for number, metric in enumerate(metrics):
            _metric(look, metric, f"{where}.metrics[{number}]")
        every += metrics
    if executions and not every:
        look.add("nothing_ran", what="no execution has a metric")
    times = [metric.get("max") for metric in every if metric.get("unit") in _TIMES]
    if times and all(is_number(most) and most == 0 for most in times):
        look.add("timings_zero")


def _metric(look: Look, metric: dict[str, Any], where: str) -> None:
    look.lacks(metric, where, ("name", "unit", "direction", "n", "median", "min", "max"))
    look.text(metric, "name", where)
    if "direction" in metric and (
        type(metric["direction"]) is not str or metric["direction"] not in _DIRECTIONS
    ):
        look.add(
            "wrong_type",
            where=f"{where}.direction",
            value=metric["direction"],
            wanted="lower, higher or none",
        )
    values: dict[str, float] = {}
    for key in ("n", "min", "median", "max"):
        value = metric.get(key)
        if is_number(value):
            values[key] = value
        elif key in metric:
            look.add("wrong_type", where=f"{where}.{key}", value=value, wanted="a finite number")
    if len(values) < 4:
        return
    if values["n"] < 1:
        look.add("nothing_ran", what=f"{where} has no sample")
    if not values["min"] <= values["median"] <= values["max"]:
        what = ", ".join(f"{key} {shown(values[key])}" for key in ("min", "median", "max"))
        look.add("counts_contradict", where=where, what=what)
    if metric.get("unit") in _TIMES and values["min"] < 0 and metric.get("direction") == "lower":
        look.add("timing_negative", where=f"{where}.min", value=values["min"])
