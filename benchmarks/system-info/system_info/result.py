# SPDX-License-Identifier: Apache-2.0
"""Builds and writes the documents of a run: progress lines, manifest.json and result.json."""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import TYPE_CHECKING, Any

from system_info import NAME, VERSION
from system_info import virtual as virtual_kinds
from system_info.collect import CAPTURED
from system_info.redact import NONE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from system_info.collect import Outcome, Settings
    from system_info.redact import Redactor
    from system_info.summary import Summary

RESULT_SCHEMA = "rackbench.result/1.0"
MANIFEST_SCHEMA = "rackbench.system-info.manifest/1.0"
PASSED = "passed"
PARTIAL = "partial"
FAILED = "failed"


def utc(at: float, digits: int = 0) -> str:
    """`at` (seconds since the epoch) as UTC text, with `digits` decimals of the second (0 or 3)."""
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))
    return f"{text}.{int(at % 1 * 1000):03d}Z" if digits else f"{text}Z"


class Progress:
    """Appends one line to progress.ndjson for each finished capture."""

    def __init__(self, path: Path, total: int) -> None:
        """Opens `path`. Raises OSError when that fails."""
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._total = total
        self._done = 0

    def add(self, label: str) -> None:
        """Counts one more item. A full disk may cut the line, which readers tolerate; it never ends the run."""
        self._done += 1
        line = {
            "at": utc(time.time(), 3),
            "done": self._done,
            "total": self._total,
            "unit": "captures",
            "label": label,
        }
        with contextlib.suppress(OSError):
            os.write(self._file, (json.dumps(line) + "\n").encode())

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)


def write_text(path: Path, text: str) -> None:
    """Replaces `path` in one step. Raises OSError; the old content and no stray file are left then."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Replaces `path` with `document` in one step. Raises OSError, and ValueError for NaN."""
    write_text(path, json.dumps(document, indent=2, allow_nan=False) + "\n")


def manifest(summary: Summary, outcomes: Sequence[Outcome], settings: Settings) -> dict[str, Any]:
    """The list of all captures with what became of each. `duration_s` is in seconds."""
    return {
        "schema": MANIFEST_SCHEMA,
        "collector_version": VERSION,
        "captured_at": summary.facts["captured_at"],
        "host": summary.facts["host"],
        "redacted": settings.redactor.level != NONE,
        "redaction": settings.redactor.level,
        "capture_time_limit_s": settings.capture_time_limit_s,
        "captures": [_entry(outcome, settings.redactor) for outcome in outcomes],
    }


def _entry(outcome: Outcome, redactor: Redactor) -> dict[str, Any]:
    capture = outcome.capture
    return {
        "name": capture.name,
        "command": redactor.text(capture.command),
        "optional": capture.optional,
        "needs_root": capture.needs_root,
        "status": outcome.status,
        "rc": outcome.rc,
        "duration_s": outcome.duration_s,
        "path": capture.path if outcome.bytes is not None else None,
        "bytes": outcome.bytes,
        "sha256": outcome.sha256,
        "reason": outcome.reason,
    }


def result(
    summary: Summary, outcomes: Sequence[Outcome], *, stopped: bool, started_at: str, duration_s: float
) -> dict[str, Any]:
    """The document result.json.

    Passed: every capture that is not optional was made and the headline facts are known. An optional capture
    that is missing is named in `skipped` and changes nothing else, since no two machines carry the same tools.
    """
    missing = [o for o in outcomes if o.status != CAPTURED]
    done = len(outcomes) - len(missing)
    required = [o.capture.name for o in missing if not o.capture.optional]
    counts = {
        "cpu_logical_count": summary.facts["cpu"]["logical_cores"],
        "cpu_core_count": summary.facts["cpu"]["physical_cores"],
        "socket_count": summary.facts["cpu"]["sockets"],
        "numa_node_count": summary.facts["cpu"]["numa_nodes"],
        "memory_total_bytes": summary.facts["memory"]["total_bytes"],
    }
    unknown = [name for name, value in counts.items() if value is None]
    checks = [
        _check("required_captures", required, f"{len(outcomes)} planned, {done} captured", "missing: "),
        _check("headline_facts", unknown, "all known", "unknown: "),
        _check("captures_understood", summary.problems, "nothing odd found", ""),
        {
            "name": "not_interrupted",
            "ok": not stopped,
            "detail": "stopped by SIGTERM" if stopped else "ran to its end",
        },
    ]
    status = PASSED if all(check["ok"] for check in checks) else PARTIAL if done else FAILED
    checks.append(_machine(summary.facts["virtual"]))
    skipped = [{"name": o.capture.name, "reason": f"{o.status}: {o.reason}"} for o in missing]
    skipped += [{"name": name, "reason": "no capture holds this fact"} for name in unknown]
    measured = {name: value for name, value in counts.items() if value is not None}
    measured.update(captures_done=done, captures_skipped=len(missing))
    return {
        "schema": RESULT_SCHEMA,
        "benchmark": {"name": NAME, "version": VERSION},
        "status": status,
        "started_at": started_at,
        "duration_s": round(duration_s, 6),
        "metrics": [_metric(name, value) for name, value in measured.items()],
        "checks": checks,
        "skipped": skipped,
        "facts": summary.facts,
    }


def _check(name: str, faults: list[str], good: str, prefix: str) -> dict[str, Any]:
    return {"name": name, "ok": not faults, "detail": prefix + ", ".join(faults) if faults else good}


def _machine(virtual: dict[str, Any]) -> dict[str, Any]:
    """Flags a virtual machine. It is no fault and changes no status."""
    kind = virtual["machine"]
    bare = kind in (virtual_kinds.NONE, virtual_kinds.UNKNOWN)
    detail = f"no sign of a virtual machine ({kind})" if bare else f"this is a virtual machine ({kind})"
    return {"name": "vm", "ok": bare, "detail": detail}


def _metric(name: str, value: int) -> dict[str, Any]:
    unit = "bytes" if name.endswith("_bytes") else "count"
    return {"name": name, "unit": unit, "direction": "none", "samples": [value], "labels": {}}
