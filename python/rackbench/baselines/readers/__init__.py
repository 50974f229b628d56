# SPDX-License-Identifier: Apache-2.0
"""Reading results of any format that we know, with their times in microseconds. One module per format.

A module has `NAME`, `EXPECTED` (the shape, in words), `matches(content)` and `read(content, path)`.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Protocol

from rackbench import strict_json
from rackbench.baselines.given import content_of
from rackbench.baselines.numbers import NUMBERS
from rackbench.baselines.readers import (
    benchbox,
    benchee,
    collected,
    hyperfine,
    pytest_benchmark,
    rackbench_result,
    rackbench_run,
)
from rackbench.baselines.readers.series import unreadable
from rackbench.errors import RackbenchError
from rackbench.ledger import rundir

if TYPE_CHECKING:
    from pathlib import Path

    from rackbench.baselines.numbers import Results


class _Reader(Protocol):
    NAME: str
    EXPECTED: str

    def matches(self, content: Any) -> bool: ...

    def read(self, content: Any, path: Path) -> Results: ...


READERS: tuple[_Reader, ...] = (
    collected,
    rackbench_result,
    benchee.LIST,
    benchee.MAP,
    pytest_benchmark,
    hyperfine,
    benchbox,
)


def read(path: Path) -> Results:
    """Return the results in a file or in a run directory.

    Raises `RackbenchError`: input_missing; results_unreadable for what cannot be read, for a shape that is none of
    ours, and for numbers that are none (NaN, infinity, zero, negative); results_refused for what is no measurement:
    dry and disturbed runs, stand-ins, and runs with the tag smoke, dry or simulated.
    """
    if path.is_dir():
        if not rundir.is_run_directory(path):
            raise unreadable(path, f"the directory holds no run, and {_expected()}")
        return _checked(rackbench_run.read(path))
    try:
        content = _json(content_of(path), path)
    except FileNotFoundError as error:
        raise RackbenchError("input_missing", f"There is no results file {path}.", where=str(path)) from error
    except OSError as error:
        raise unreadable(path, f"it cannot be read: {error.strerror}") from error
    for reader in READERS:
        if reader.matches(content):
            return _checked(reader.read(content, path))
    raise unreadable(path, f"its shape is none that is known; {_expected()}")


def _expected() -> str:
    shapes = "; ".join(f"{reader.NAME}: {reader.EXPECTED}" for reader in READERS)
    return f"expected is a run directory of Rackbench or one of: {shapes}"


def _checked(results: Results) -> Results:
    """Return results that have numbers, all of which a baseline can hold, and texts that can be written."""
    if not results.scenarios:
        raise unreadable(
            results.path, f"it is of the format {results.source}, and holds no number to compare"
        )
    for scenario in results.scenarios.values():
        for name in NUMBERS:
            _check_number(f"{name} of {scenario.name!r}", getattr(scenario, name), results.path)
        for sample in scenario.samples:
            _check_number(f"a sample of {scenario.name!r}", sample, results.path)
        _check_text("the name of a scenario", scenario.name, results.path)
        _check_text(f"the unit of {scenario.name!r}", scenario.unit, results.path)
    for what in ("fingerprint", "run_id", "commit"):
        _check_text(f"its {what}", getattr(results, what), results.path)
    return results


def _check_number(what: str, value: float | None, path: Path) -> None:
    """Raise `RackbenchError("results_unreadable")` for what a change of unit made infinite or zero."""
    if value is not None and not 0 < value < math.inf:
        raise unreadable(
            path, f"{what} is {value:g} after it was converted, which is no finite number above 0"
        )


def _check_text(what: str, value: str | None, path: Path) -> None:
    """Raise `RackbenchError("results_unreadable")` for half of a surrogate pair, which JSON can escape."""
    try:
        (value or "").encode()
    except UnicodeEncodeError as error:
        raise unreadable(path, f"{what} is {value!r}, which cannot be written as UTF-8") from error


def _json(content: bytes, path: Path) -> Any:
    if not content.strip():
        raise unreadable(path, "the file is empty")
    try:
        return strict_json.loads(content)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise unreadable(path, f"it is not whole JSON: {where}: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise unreadable(path, f"it is not usable JSON: {error}") from error
