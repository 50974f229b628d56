# SPDX-License-Identifier: Apache-2.0
"""Runs the in-tree benchmark system-info as a target does, and reads what it leaves."""

from __future__ import annotations

import contextlib
import importlib
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[3]
BENCH = ROOT / "benchmarks" / "system-info"
RECORDED = ROOT / "tests" / "data" / "system-info" / "amponed8"
# Generous: it only bounds a test that would otherwise never end.
PATIENCE_S = 300


@contextlib.contextmanager
def imported() -> Iterator[Callable[[str], Any]]:
    """Imports modules of the benchmark, which is no part of our own package."""
    sys.path.insert(0, str(BENCH))
    yield lambda name: importlib.import_module(f"system_info.{name}")
    sys.path.remove(str(BENCH))
    for name in [name for name in sys.modules if name.partition(".")[0] == "system_info"]:
        del sys.modules[name]


def job(**changes: Any) -> dict[str, Any]:
    document = {
        "schema": "rackbench.job/1.0",
        "run_id": "run",
        "execution_id": "execution",
        "adapter": "system-info",
        "family": "default",
        "repeat": 1,
        # Far above what a capture needs, so that a slow machine changes no outcome.
        "parameters": {"redact": "none", "capture_time_limit_s": PATIENCE_S},
        "cpus": None,
        "time_limit_s": 2 * PATIENCE_S,
    }
    return {**document, **changes}


def parameters(
    *, redact: object = "none", captures: str = "default", limit_s: float = PATIENCE_S
) -> dict[str, Any]:
    return {"redact": redact, "captures": captures, "capture_time_limit_s": limit_s}


def command(tmp_path: Path, document: Any, python: str = sys.executable) -> list[str]:
    config, out = tmp_path / "job.json", tmp_path / "out"
    config.write_text(document if isinstance(document, str) else json.dumps(document))
    out.mkdir()
    return [python, str(BENCH / "bin" / "run"), "--config", str(config), "--out", str(out)]


def run(
    tmp_path: Path, document: Any, *, path: str | None = None, python: str = sys.executable
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": os.environ["PATH"] if path is None else path}
    return subprocess.run(
        command(tmp_path, document, python),
        cwd=BENCH,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


def load(path: Path) -> Any:
    return json.loads(path.read_text())


def captures(tmp_path: Path) -> dict[str, dict[str, Any]]:
    return {entry["name"]: entry for entry in load(tmp_path / "out" / "manifest.json")["captures"]}


def fake_tools(directory: Path, **scripts: str) -> str:
    """Puts shell scripts with these bodies first on the PATH and returns that PATH."""
    directory.mkdir()
    for name, body in scripts.items():
        tool = directory / name
        tool.write_text(f"#!/bin/sh\n{body}\n")
        tool.chmod(0o755)
    return f"{directory}{os.pathsep}{os.environ['PATH']}"


def assert_obeys_the_contract(result: dict[str, Any]) -> None:
    assert result["schema"] == "rackbench.result/1.0"
    assert result["benchmark"] == {"name": "system-info", "version": "1.1.0"}
    assert result["status"] in ("passed", "partial", "failed")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", result["started_at"])
    assert result["duration_s"] >= 0
    for metric in result["metrics"]:
        assert set(metric) == {"name", "unit", "direction", "samples", "labels"}
        assert re.fullmatch(r"[a-z][a-z0-9_]*", metric["name"])
        assert metric["direction"] == "none"
        assert metric["samples"]
        assert all(math.isfinite(sample) for sample in metric["samples"])
    for check in result["checks"]:
        assert set(check) == {"name", "ok", "detail"}
        assert isinstance(check["ok"], bool)
    for item in result["skipped"]:
        assert set(item) == {"name", "reason"}
        assert item["reason"]
