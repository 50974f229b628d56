# SPDX-License-Identifier: Apache-2.0
"""Reads and checks job.json."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from system_info.captures import DEFAULT, KINDS
from system_info.redact import LEVELS, NONE, SHARED

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = "rackbench.job/1.0"
DEFAULT_CAPTURE_TIME_LIMIT_S = 20.0
# Ten years; it keeps out infinity and whole numbers that no float can hold.
_LONGEST_S = 3650 * 24 * 3600


class JobError(Exception):
    """The job description or the command line cannot be used."""


@dataclass(frozen=True)
class Job:
    """What was asked for: `redact` is a level of redaction, `captures` one of `KINDS`.

    Times are in seconds; `cpus` is None when all allowed CPUs may be used.
    """

    redact: str
    captures: str
    capture_time_limit_s: float
    time_limit_s: float
    cpus: list[int] | None


def read_job(path: Path) -> Job:
    """Reads `path`. Raises JobError when it is unreadable, not JSON, or a field is missing or of a wrong type."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise JobError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise JobError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise JobError(f"{path} holds no JSON object")
    if document.get("schema") != SCHEMA:
        raise JobError(f"schema is {document.get('schema')!r}, and this program reads {SCHEMA!r}")
    for name in ("run_id", "execution_id", "adapter", "family"):
        if not isinstance(document.get(name), str):
            raise JobError(f"{name} must be a string")
    repeat = document.get("repeat")
    if not isinstance(repeat, int) or isinstance(repeat, bool) or repeat < 1:
        raise JobError("repeat must be a whole number of 1 or more")
    parameters = document.get("parameters")
    if not isinstance(parameters, dict):
        raise JobError("parameters must be an object")
    limit = parameters.get("capture_time_limit_s", DEFAULT_CAPTURE_TIME_LIMIT_S)
    cpus = document.get("cpus")
    if cpus is not None and not (
        isinstance(cpus, list) and cpus and all(_is_int(c) and c >= 0 for c in cpus)
    ):
        raise JobError("cpus must be null or a list of CPU numbers")
    return Job(
        redact=_level(parameters.get("redact")),
        captures=_captures(parameters.get("captures")),
        capture_time_limit_s=_seconds(limit, "parameters.capture_time_limit_s"),
        time_limit_s=_seconds(document.get("time_limit_s"), "time_limit_s"),
        cpus=cpus,
    )


def _level(value: Any) -> str:
    # Jobs of version 1.0 said true and false.
    if value is None or isinstance(value, bool):
        return SHARED if value else NONE
    if value in LEVELS:
        return str(value)
    raise JobError(f"parameters.redact must be one of {', '.join(LEVELS)}, or true or false")


def _captures(value: Any) -> str:
    if value is None or value in KINDS:
        return DEFAULT if value is None else str(value)
    raise JobError(f"parameters.captures must be one of {', '.join(KINDS)}")


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _seconds(value: Any, name: str) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= _LONGEST_S:
        return float(value)
    raise JobError(f"{name} must be a number of seconds above 0")
