# SPDX-License-Identifier: Apache-2.0
"""Builds the in-tree benchmark latency as the bundle builder does, runs it, and reads what it leaves."""

from __future__ import annotations

import csv
import json
import math
import os
import subprocess
import time
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
BENCH = ROOT / "benchmarks" / "latency"
PATIENCE_S = 300
CPUS = sorted(os.sched_getaffinity(0))
# A size at which the whole curve takes a moment.
SMALL_CACHES = {"l1_bytes": 4096, "llc_bytes": 65536}
NO_CPU = 8191
FLAGS = ["-std=c11", "-O2", "-pthread", "-D_GNU_SOURCE"]
FILES = {"result.json", "progress.ndjson", "core_to_core.csv", "memory_latency.csv"}


def build(source: Path, into: Path) -> Path:
    """Build as the bundle builder does; the program's path."""
    command = tomllib.loads((source / "bundle.toml").read_text())["build"]["command"]
    environment = {
        "BUNDLE_OUT": str(into),
        "SOURCE_DATE_EPOCH": "0",
        "LC_ALL": "C",
        "TZ": "UTC",
        "PATH": os.environ["PATH"],
    }
    done = subprocess.run(
        command, cwd=source, env=environment, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return into / "bin" / "run"


def build_changed(objects: Path, tmp_path: Path, name: str, old: str, new: str) -> Path:
    """Build the program with one text of one file changed."""
    text = (objects / name).read_text()
    assert text.count(old) == 1
    changed = tmp_path / name
    changed.write_text(text.replace(old, new))
    others = sorted(str(path) for path in objects.glob("*.o") if path.stem != changed.stem)
    program = tmp_path / "changed"
    command = ["cc", *FLAGS, "-I", str(objects), "-o", str(program), str(changed), *others, "-lm"]
    subprocess.run(command, check=True, timeout=PATIENCE_S)
    return program


def job(**changes: Any) -> dict[str, Any]:
    """A job that passes on any machine, however busy: the limits are far away."""
    parameters = {"mode": "smoke", "pair_time_limit_s": PATIENCE_S, **SMALL_CACHES}
    parameters |= changes.pop("parameters", {})
    return {
        "schema": "rackbench.job/1.0",
        "run_id": "r",
        "execution_id": "e",
        "adapter": "latency",
        "family": "smoke",
        "repeat": 1,
        "parameters": parameters,
        "cpus": CPUS[:2],
        "time_limit_s": PATIENCE_S,
    } | changes


def prepare(program: Path, directory: Path, document: object) -> tuple[list[str], Path]:
    directory.mkdir(exist_ok=True)
    out = directory / "out"
    out.mkdir(exist_ok=True)
    config = directory / "job.json"
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    config.write_bytes(text)
    return [str(program), "--config", str(config), "--out", str(out)], out


def run(program: Path, directory: Path, document: object) -> tuple[subprocess.CompletedProcess[str], Path]:
    command, out = prepare(program, directory, document)
    done = subprocess.run(
        command,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=PATIENCE_S,
    )
    return done, out


def refuse_constant(name: str) -> float:
    raise ValueError(name)


def strict(text: str) -> Any:
    return json.loads(text, parse_constant=refuse_constant)


def result_of(out: Path) -> dict[str, Any]:
    """The result, after checking all that the contract says about every result."""
    result: dict[str, Any] = strict((out / "result.json").read_text())
    assert set(result) == {
        "schema", "benchmark", "status", "started_at", "duration_s", "metrics", "checks", "skipped", "facts",
    }  # fmt: skip
    bundle = tomllib.loads((BENCH / "bundle.toml").read_text())["bundle"]
    assert result["schema"] == "rackbench.result/1.0"
    assert result["benchmark"] == {"name": bundle["name"], "version": bundle["version"]}
    time.strptime(result["started_at"], "%Y-%m-%dT%H:%M:%SZ")
    assert result["duration_s"] >= 0
    for metric in result["metrics"]:
        assert set(metric) == {"name", "unit", "direction", "samples", "labels"}
        assert (metric["unit"], metric["direction"]) == ("ns", "lower")
        assert len(metric["samples"]) > 1
        assert all(math.isfinite(value) and value > 0 for value in metric["samples"])
    for check in result["checks"]:
        assert set(check) == {"name", "ok", "detail"}
    for skipped in result["skipped"]:
        assert skipped["name"]
        assert skipped["reason"]
    assert {path.name for path in out.iterdir()} == FILES
    return result


def progress_of(out: Path) -> list[dict[str, Any]]:
    lines = [strict(line) for line in (out / "progress.ndjson").read_text().splitlines()]
    for line in lines:
        assert set(line) == {"at", "done", "total", "unit", "label"}
        time.strptime(line["at"][:-5], "%Y-%m-%dT%H:%M:%S")
        assert line["at"].endswith("Z")
    assert [line["done"] for line in lines] == list(range(1, len(lines) + 1))
    assert len({line["total"] for line in lines}) <= 1
    return lines


def rows_of(out: Path, name: str) -> list[dict[str, str]]:
    with (out / name).open(newline="") as file:
        return list(csv.DictReader(file))


def checks_of(result: dict[str, Any]) -> dict[str, bool]:
    """The checks but for `vm`, which is about the machine that the tests run on."""
    return {check["name"]: check["ok"] for check in result["checks"] if check["name"] != "vm"}


def metrics_of(result: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [metric for metric in result["metrics"] if metric["name"] == name]


def reasons_of(result: dict[str, Any]) -> dict[str, str]:
    return {skipped["name"]: skipped["reason"] for skipped in result["skipped"]}
