# SPDX-License-Identifier: Apache-2.0
"""The audit trail beside baseline files: one line of JSON for each time that the gate of one was armed."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from rackbench.baselines.document import unwritable
from rackbench.errors import RackbenchError
from rackbench.files import sync_directory
from rackbench.models.baseline import AuditLine
from rackbench.models.common import check

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rackbench.baselines.numbers import Baseline

NAME = "baseline.audit.jsonl"


def path_of(baseline: Path) -> Path:
    """Return the audit trail of a baseline file: `baseline.audit.jsonl` beside it, for all that are there."""
    return baseline.with_name(NAME)


def append(path: Path, line: Mapping[str, Any]) -> None:
    """Add a line that is on the disk afterwards. Raises `RackbenchError("baseline_unwritable")`."""
    text = json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        # Unbuffered, so that a line is one write: another baseline beside this one may be armed at the same time.
        with path.open("ab+", buffering=0) as stream:
            if stream.tell():
                stream.seek(-1, os.SEEK_END)
                # A line that broke off, when the disk was full for instance, does not spoil ours.
                text = text if stream.read(1) == b"\n" else f"\n{text}"
            stream.write(text.encode())
            os.fsync(stream.fileno())
        sync_directory(path.parent)
    except OSError as error:
        raise unwritable(path, error) from error


def unarmed(baseline: Baseline) -> str | None:
    """Return a sentence when a baseline is active and its trail does not say who armed it; else None."""
    if not baseline.active:
        return None
    real = baseline.path.resolve()
    try:
        if read(real):
            return None
    except RackbenchError as error:
        return error.message
    return (
        f"The gate is active without a line in {path_of(real).name}: nobody armed it with "
        "`rackbench baseline arm`, which is the only way."
    )


def read(baseline: Path) -> list[dict[str, Any]]:
    """Return the lines about a baseline file, oldest first; none when nobody has armed its gate.

    Raises `RackbenchError("baseline_invalid")` that names the line which is none.
    """
    path = path_of(baseline)
    try:
        # JSON escapes a line feed, and none of the other characters that `splitlines` ends lines at.
        texts = path.read_bytes().decode().split("\n")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise RackbenchError(
            "baseline_invalid", f"{path} cannot be read: {error}.", where=str(path), next_path=str(path)
        ) from error
    found = []
    for number, text in enumerate(texts, 1):
        if not text.strip():
            continue
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise RackbenchError(
                "baseline_invalid", f"{path}: line {number}: {error}.", where=str(path), next_path=str(path)
            ) from error
        line = check(AuditLine, content, path=path, code="baseline_invalid")
        if line.baseline == baseline.name:
            found.append(line.model_dump(mode="json", by_alias=True))
    return found
