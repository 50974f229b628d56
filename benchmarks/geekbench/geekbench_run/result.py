# SPDX-License-Identifier: Apache-2.0
"""Builds and writes what a run leaves: progress lines, result.json, and the link of the claim for its owner."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from geekbench_run import NAME, VERSION

if TYPE_CHECKING:
    from pathlib import Path

    from geekbench_run.output import Output

RESULT_SCHEMA = "rackbench.result/1.0"
PASSED, PARTIAL, FAILED = "passed", "partial", "failed"


@dataclass
class Findings:
    """What came of a run. `failure` is the code and the words of what went wrong, None if nothing did.

    `scores` are by section, `workload_scores` as (section, workload, score); `facts` go into result.json as they are.
    """

    output: Output
    failure: tuple[str, str] | None = None
    scores: dict[str, int] = field(default_factory=dict)
    workload_scores: list[tuple[str, str, int]] = field(default_factory=list)
    checks: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    simulated: bool = False

    def check(self, name: str, detail: str, *, ok: bool) -> bool:
        """Notes a check, and returns whether it held."""
        self.checks.append({"name": name, "ok": ok, "detail": detail})
        return ok

    def fail(self, code: str, words: str) -> None:
        """Notes what went wrong; the first counts."""
        self.failure = self.failure or (code, words)

    @property
    def status(self) -> str:
        """Passed when nothing went wrong; partial when workloads were run nevertheless."""
        if self.failure is None:
            return PASSED
        return PARTIAL if self.output.begun else FAILED


def document(found: Findings, started_at: str, duration_s: float) -> dict[str, Any]:
    """Returns result.json; the time is in seconds."""
    metrics = [
        _metric("score", "points", "higher", score, {"section": section})
        for section, score in sorted(found.scores.items())
    ]
    metrics += [
        _metric("subscore", "points", "higher", score, {"section": section, "workload": workload})
        for section, workload, score in found.workload_scores
    ]
    metrics += [
        _metric("workloads_begun", "count", "none", len(names), {"section": section})
        for section, names in sorted(found.output.workloads.items())
    ]
    result = {
        "schema": RESULT_SCHEMA,
        "benchmark": {"name": NAME, "version": VERSION},
        "status": found.status,
        "started_at": started_at,
        "duration_s": round(duration_s, 6),
        "metrics": metrics,
        "checks": found.checks,
        "skipped": found.skipped,
        "facts": found.facts,
        "simulated": found.simulated or found.output.simulated,
    }
    if found.failure:
        result["failure"] = {"code": found.failure[0], "message": found.failure[1]}
    return result


def _metric(name: str, unit: str, direction: str, value: int, labels: dict[str, str]) -> dict[str, Any]:
    return {"name": name, "unit": unit, "direction": direction, "samples": [value], "labels": labels}


class Progress:
    """Appends to progress.ndjson, one write per workload. How many there are, no edition says beforehand."""

    def __init__(self, path: Path) -> None:
        """Opens `path`. Raises OSError when that fails."""
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def add(self, done: int, label: str) -> None:
        """Says what was begun after so many. A full disk may cut the line, which readers tolerate."""
        now = time.time()
        line = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03d}Z",
            "done": done,
            "total": None,
            "unit": "workloads",
            "label": label,
        }
        with contextlib.suppress(OSError):
            os.write(self._file, (json.dumps(line) + "\n").encode())

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)


def write_text(path: Path, text: str, mode: int = 0o644) -> None:
    """Replaces `path` in one step by a file of this mode. Raises OSError; no stray file is left then."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Replaces `path` in one step. Raises OSError, and ValueError for NaN."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def keep_claim(out: Path, url: str) -> None:
    """Writes the link that makes its reader the owner of the result, for the owner of the files only. Raises OSError.

    A key has six digits, so that a digest of the link alone would tell it: the second line is there against that.
    """
    place = out / "private"
    place.mkdir(mode=0o700)
    write_text(place / "claim_url.txt", f"{url}\n# {secrets.token_hex(16)}\n", 0o600)
