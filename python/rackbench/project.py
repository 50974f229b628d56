# SPDX-License-Identifier: Apache-2.0
"""Where the project is: the directory with the ``ansible.cfg`` and ``run.yml`` that a run starts from."""

from __future__ import annotations

import os
import shlex
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


def newest_run(project: Path, host: str | None = None) -> Path:
    """Return the run directory with the latest stamp, of this host if one is given.

    Raises `RackbenchError("not_a_run_directory")` when there is none.
    """
    from rackbench.ledger.rundir import is_run_directory

    runs = [
        path
        for path in (project / RUNS).glob("????-??-??/*/*")
        if host in {None, path.parent.name} and is_run_directory(path)
    ]
    if not runs:
        raise RackbenchError(
            "not_a_run_directory",
            "There is no run yet." if host is None else f"There is no run of {host} yet.",
            where=str(project / RUNS),
            next_step="Start one.",
            next_command=shlex.join(["rackbench", "run", "--host", host or "local"]),
        )
    return max(runs, key=lambda path: path.name)


def _is_project(directory: Path) -> bool:
    return all((directory / mark).is_file() for mark in MARKS)
