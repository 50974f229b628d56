# SPDX-License-Identifier: Apache-2.0
"""Writing the report: the one of a run at its end, and those that a person asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rackbench.compare import compare, read_run
from rackbench.files import write_atomic
from rackbench.ledger.rundir import REPORT
from rackbench.report import source
from rackbench.report.page import render

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from rackbench.errors import RackbenchError


def write_at_its_end(
    run_dir: Path, records: Iterable[Mapping[str, object]], failure: RackbenchError | None
) -> Path:
    """Write `report.html` of a run whose last step is at work and will hand over `records`, and return its path.

    `failure` is what that step will fail with. Raises `OSError`.
    """
    path = run_dir / REPORT
    write_atomic(path, render(source.read_at_its_end(run_dir, records, failure)))
    return path


def write(path: Path, run_dir: Path, others: Sequence[Path] = ()) -> None:
    """Write the report of a run as it stands to `path`, compared with other runs if there are any.

    Raises `OSError`, and `RackbenchError`: not_a_run_directory, ledger_unreadable, simulated_and_real.
    """
    comparison = compare([read_run(each) for each in (run_dir, *others)]) if others else None
    write_atomic(path, render(source.read(run_dir), comparison))
