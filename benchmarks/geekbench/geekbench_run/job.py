# SPDX-License-Identifier: Apache-2.0
"""Reads and checks job.json."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCHEMA = "rackbench.job/1."
SECTIONS = ("all", "single", "multi")


class JobError(Exception):
    """The job description cannot be used."""


@dataclass(frozen=True)
class Job:
    """What was asked for.

    `source` is a directory that holds Geekbench, `sha256` the digest of the archive that it was unpacked from (None for
    an install of the host), `licence` the preferences file of an unlocked install (None without one), and `private` the
    directory that only the owner may enter and that is gone after the job.
    """

    source: Path
    sha256: str | None
    version: int | None
    upload: bool
    section: str
    licence: Path | None
    private: Path
    time_limit_s: float
    cpus: list[int] | None


def read_job(path: Path) -> Job:
    """Reads `path`. Raises JobError when it is unreadable, no JSON, or a field is missing or of a wrong type."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise JobError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise JobError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise JobError(f"{path} holds no JSON object")
    if not str(document.get("schema")).startswith(SCHEMA):
        raise JobError(f"schema is {document.get('schema')!r}, and this program reads {SCHEMA}x")
    parameters = document.get("parameters")
    if not isinstance(parameters, dict):
        raise JobError("parameters must be an object")
    section = parameters.get("section", "all")
    if section not in SECTIONS:
        raise JobError(f"parameters.section must be one of {', '.join(SECTIONS)}")
    upload = parameters.get("upload", True)
    if not isinstance(upload, bool):
        raise JobError("parameters.upload must be true or false")
    limit = document.get("time_limit_s")
    if isinstance(limit, bool) or not isinstance(limit, (int, float)) or not limit > 0:
        raise JobError("time_limit_s must be a number of seconds above 0")
    private = path.resolve().parent / "private"
    licence = private / "licence"
    attached = _attached(document)
    return Job(
        source=_source(parameters, attached),
        sha256=attached.get("sha256"),
        version=_version(parameters.get("version")),
        upload=upload,
        section=section,
        licence=licence if licence.is_file() else None,
        private=private,
        time_limit_s=float(limit),
        cpus=_cpus(document.get("cpus")),
    )


def _attached(document: dict[str, Any]) -> dict[str, Any]:
    attachments = document.get("attachments") or {}
    attached = attachments.get("archive") if isinstance(attachments, dict) else None
    return attached if isinstance(attached, dict) else {}


def _source(parameters: dict[str, Any], attached: dict[str, Any]) -> Path:
    place = attached.get("path") or parameters.get("install")
    if not isinstance(place, str) or not place:
        raise JobError("neither attachments.archive nor parameters.install says where Geekbench is")
    return Path(place).expanduser()


def _version(value: Any) -> int | None:
    if value is None:
        return None
    text = str(value)
    if isinstance(value, bool) or text not in ("5", "6", "7"):
        raise JobError(f"parameters.version must be 5, 6 or 7, and is {value!r}")
    return int(text)


def _cpus(cpus: Any) -> list[int] | None:
    if cpus is None:
        return None
    if isinstance(cpus, list) and cpus and all(isinstance(c, int) and not isinstance(c, bool) for c in cpus):
        return cpus
    raise JobError("cpus must be null or a list of CPU numbers")
