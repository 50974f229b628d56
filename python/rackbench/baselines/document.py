# SPDX-License-Identifier: Apache-2.0
"""The baseline file: read with the place of every value, so that it can be changed and all else stays to the byte."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from rackbench.baselines.given import content_of
from rackbench.baselines.numbers import (
    MICROSECONDS,
    PERCENTILES,
    Baseline,
    Placeholder,
    Scenario,
    Tolerance,
)
from rackbench.baselines.text import Edits, TextError, Value, parse
from rackbench.errors import RackbenchError
from rackbench.files import write_atomic
from rackbench.models.baseline import BaselineFile, GeneratedBy, ScenarioEntry, ScenarioTolerance

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STATUS, GENERATED_AT, GENERATED_BY = "_status", "_generated_at", "_generated_by"
MISSING_SINCE = "_missing_since"
SCENARIOS = "scenarios"


@dataclass(frozen=True, slots=True)
class BaselineDocument:
    """A baseline file: its exact text, the place of everything in it, and what it says."""

    text: str
    root: Value
    baseline: Baseline

    def edits(self) -> Edits:
        """Return an empty set of changes to this text."""
        return Edits(self.text, self.root)

    @property
    def scenarios(self) -> Value:
        """Return the object that holds the scenarios."""
        return self.root.at([SCENARIOS])


def read(path: Path) -> BaselineDocument:
    """Return the baseline file at `path`.

    Raises `RackbenchError`: input_missing, and baseline_invalid with line and column for text that is no JSON, a name
    that is there twice, a number that is none (NaN, infinity, zero, negative), an unknown `_status`, another
    `_schema_version`, mixed units, and names that mean nothing.
    """
    try:
        content = content_of(path)
    except FileNotFoundError as error:
        raise RackbenchError(
            "input_missing", f"There is no baseline file {path}.", where=str(path)
        ) from error
    except OSError as error:
        raise _invalid(path, f"it cannot be read: {error.strerror}") from error
    return parse_document(content, path)


def parse_document(content: bytes, path: Path) -> BaselineDocument:
    """Return the content of a baseline file, which is called `path`. Raises `RackbenchError("baseline_invalid")`."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise _invalid(path, f"byte {error.start + 1}: it is not UTF-8") from error
    if not text.strip():
        raise _invalid(path, "the file is empty")
    try:
        root = parse(text)
    except TextError as error:
        raise _invalid(path, str(error)) from error
    if root.members is None:
        raise _invalid(
            path, "it should hold an object with _schema_version, _status, tolerance and scenarios"
        )
    try:
        model = BaselineFile.model_validate(root.content)
    except ValidationError as error:
        raise _invalid(path, _explained(error, text, root)) from error
    unknown = sorted(model.tolerance.scenarios.keys() - model.scenarios.keys())
    if unknown:
        place = root.at(["tolerance", SCENARIOS, unknown[0]])
        problem = f"tolerance.scenarios names {unknown[0]!r}, and there is no such scenario"
        raise _invalid(path, str(TextError(problem, text, place.key_start)))
    return BaselineDocument(text, root, _baseline(path, model))


@contextlib.contextmanager
def locked(path: Path) -> Iterator[Path]:
    """Hold the baseline file alone; yield it without symbolic links. Others who want it wait until this is over.

    The file is its own lock, so that none lies about beside it: who waited for a file that was replaced meanwhile looks
    again. Raises `RackbenchError`: input_missing, baseline_invalid, baseline_unwritable.
    """
    try:
        real = _resolved(path)
        if not real.is_file():
            # A pipe would never end.
            raise _invalid(path, "it is no file")
        while True:
            with real.open("r+b") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX)
                if _is_still(real, stream.fileno()):
                    yield real
                    return
    except FileNotFoundError as error:
        raise RackbenchError(
            "input_missing", f"There is no baseline file {path}.", where=str(path)
        ) from error
    except OSError as error:
        raise unwritable(path, error) from error


def _resolved(path: Path) -> Path:
    """Return a path without symbolic links. Raises `OSError`, and `RackbenchError("baseline_invalid")`."""
    try:
        return path.resolve(strict=True)
    except (RuntimeError, OSError) as error:
        # Before Python 3.13 a loop was a RuntimeError.
        if isinstance(error, RuntimeError) or error.errno == errno.ELOOP:
            raise _invalid(path, "it is a symbolic link that leads back to itself") from error
        raise


def write(path: Path, text: str) -> None:
    """Replace the baseline file in one step, under `locked`. Raises `RackbenchError("baseline_unwritable")`."""
    try:
        write_atomic(path, text, mode=path.stat().st_mode & 0o777)
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> RackbenchError:
    """Return the failure of writing the baseline file or what is beside it."""
    return RackbenchError(
        "baseline_unwritable", f"{path} cannot be written: {error.strerror or error}.", where=str(path)
    )


def _is_still(path: Path, handle: int) -> bool:
    there, ours = path.stat(), os.fstat(handle)
    return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)


def _invalid(path: Path, problem: str) -> RackbenchError:
    return RackbenchError(
        "baseline_invalid", f"{path}: {problem}. Nothing was changed.", where=str(path), next_path=str(path)
    )


def _explained(error: ValidationError, text: str, root: Value) -> str:
    """Return the first finding, with line and column of the value that it is about."""
    item = error.errors(include_url=False)[0]
    path = [str(part) for part in item["loc"]]
    message = item["msg"].removeprefix("Value error, ")
    if path == [STATUS] and item["type"] == "literal_error":
        message = f"{item['input']!r} is no status; it is scaffold-placeholder or active"
    elif path == ["_schema_version"] and item["type"] == "string_pattern_mismatch":
        message = f"{item['input']!r} is no version that this program reads; those are 0.x.y and 1.x.y"
    place = ".".join(path) or "the document"
    return str(TextError(f"{place}: {message}", text, root.at(path).start))


def _baseline(path: Path, model: BaselineFile) -> Baseline:
    generated = model.generated_by if isinstance(model.generated_by, GeneratedBy) else GeneratedBy()
    tolerance = _tolerance(Tolerance(), model.tolerance)
    return Baseline(
        path=path,
        schema_version=model.schema_version,
        status=model.status,
        tolerance=tolerance,
        overrides={name: _tolerance(tolerance, own) for name, own in model.tolerance.scenarios.items()},
        scenarios={name: _scenario(name, entry) for name, entry in model.scenarios.items()},
        fingerprint=generated.fingerprint,
        generated_at=model.generated_at,
        generated_by=generated.model_dump() if isinstance(model.generated_by, GeneratedBy) else {},
        vanished=frozenset(name for name, entry in model.scenarios.items() if entry.missing_since),
    )


def _tolerance(general: Tolerance, own: ScenarioTolerance) -> Tolerance:
    given = {
        name: float(value)
        for name in ("p50_max_ratio", "p95_max_ratio", "p99_max_ratio", "ips_min_ratio")
        if (value := getattr(own, name)) is not None
    }
    return replace(general, **given)


def _scenario(name: str, entry: ScenarioEntry) -> Scenario | Placeholder:
    unit = entry.unit or MICROSECONDS
    suffix = "_us" if unit == MICROSECONDS else ""
    percentiles = {key: _number(getattr(entry, f"{key}{suffix}")) for key in PERCENTILES}
    ips = _number(entry.ips)
    if ips is None and not any(percentiles.values()):
        return Placeholder(name)
    return Scenario(
        name=name,
        unit=unit,
        p50=percentiles["p50"],
        p95=percentiles["p95"],
        p99=percentiles["p99"],
        ips=ips,
        direction=entry.direction,
        samples=tuple(entry.samples_us or entry.samples),
        executions=tuple(entry.executions),
    )


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
