# SPDX-License-Identifier: Apache-2.0
"""Where the project is: the directory with the ``ansible.cfg`` and ``run.yml`` that a run starts from."""

from __future__ import annotations

import os
from pathlib import Path

from rackbench.errors import RackbenchError

MARKS = ("ansible.cfg", "run.yml")
RUNS = "automation-runs"


def find_project(start: Path | None = None) -> Path:
    """Return the project's root: RACKBENCH_PROJECT if set, else the nearest directory upwards that looks like one.

    Raises `RackbenchError("not_a_project")`.
    """
    configured = os.environ.get("RACKBENCH_PROJECT")
    if configured:
        root = Path(configured).expanduser().resolve()
        if _is_project(root):
            return root
        raise RackbenchError(
            "not_a_project", f"RACKBENCH_PROJECT names {root}, which has no ansible.cfg and run.yml."
        )
    here = (start or Path.cwd()).resolve()
    for directory in (here, *here.parents):
        if _is_project(directory):
            return directory
    raise RackbenchError("not_a_project", f"Neither {here} nor a directory above it is a Rackbench project.")


def newest_run(project: Path) -> Path:
    """Return the run directory with the latest stamp.

    Raises `RackbenchError("not_a_run_directory")` when there is none.
    """
    from rackbench.ledger.rundir import is_run_directory

    runs = [path for path in (project / RUNS).glob("????-??-??/*/*") if is_run_directory(path)]
    if not runs:
        raise RackbenchError(
            "not_a_run_directory",
            "There is no run yet.",
            where=str(project / RUNS),
            next_step="Start one.",
            next_command="rackbench run --host local",
        )
    return max(runs, key=lambda path: path.name)


def _is_project(directory: Path) -> bool:
    return all((directory / mark).is_file() for mark in MARKS)
