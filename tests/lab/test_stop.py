# SPDX-License-Identifier: Apache-2.0
"""Stopping a run on a host behind the jump box: nothing of it is left there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration import made_up
from tests.integration.test_stop import check_cancelled, killed_on_failure, seconds_between
from tests.lab.at_work import finish, make_lab_project, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.harness import LabProject
    from tests.lab.conftest import LabControl

pytestmark = pytest.mark.full

HOST = "turind8"
# No other process of the lab sleeps so long: the benchmark's own, a child of it, and one that left for a session of
# its own.
MARK = "917"
PROGRAM = f"""#!/usr/bin/env python3
import subprocess, time
subprocess.Popen(["sh", "-c", "sleep {MARK} & sleep {MARK}"])
subprocess.Popen(["sleep", "{MARK}"], start_new_session=True)
time.sleep({MARK})
"""


@pytest.fixture
def checkout(lab: LabControl, tmp_path: Path) -> LabProject:
    """A checkout that reaches the lab, with a benchmark of a quarter of an hour."""
    project = make_lab_project(tmp_path)
    made_up.add(project, families=[made_up.family(time_limit_s=1000)], program=PROGRAM)
    return project


def processes(lab: LabControl, project: LabProject) -> list[str]:
    """Return the command lines of the benchmark's and the supervisor's processes on the host."""
    names = [f"{run.path.name}-{HOST}" for run in project.runs(HOST)]
    lines = lab("exec", HOST, "ps", "-eo", "args").splitlines()
    return [line for line in lines if line.endswith(f"sleep {MARK}") or any(name in line for name in names)]


def test_a_stop_behind_the_jump_box_leaves_no_process_there(lab: LabControl, checkout: LabProject) -> None:
    process = checkout.start("rackbench", "run", "--host", HOST, "--benchmarks", "made-up")
    with killed_on_failure(process):
        # The supervisor and the benchmark, a shell, and three that sleep.
        wait_for(lambda: len(processes(lab, checkout)) >= 6, process)
        run = checkout.run(HOST)
        stop = checkout.rackbench("stop", "--run-dir", run.path, "--reason", "needed elsewhere")
        assert stop.rc == 0, stop.said
        assert processes(lab, checkout) == []
        done = finish(process)
    assert done.rc == 130, done.said
    check_cancelled(checkout, run, "made-up.execute", "made-up.collect", "made-up.publish")
    (ended,) = run.records("execution.ended")
    assert (ended["outcome"], ended["signal"]) == ("cancelled", "SIGTERM")
    print(f"stopped {seconds_between(run):.1f} s after the request")
