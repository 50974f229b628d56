# SPDX-License-Identifier: Apache-2.0
"""The controller's disk fills up in the middle of a run; when there is room again the run goes on."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.faults import aftermath
from tests.integration import made_up
from tests.integration.harness import LIMIT_S, make_project
from tests.integration.test_faults import small_file_system

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(os.geteuid() != 0, reason="Only root can mount the small file system of this test."),
]


def fill(folder: Path) -> None:
    """Leave no free byte on a file system."""
    with (folder / "filler").open("wb", buffering=0) as stream:
        for size in (65536, 4096, 1):
            while True:
                try:
                    stream.write(bytes(size))
                except OSError:
                    break


@pytest.mark.parametrize("step", ["host.preflight", "made-up.stage", "made-up.execute", "made-up.collect"])
def test_a_disk_of_the_controller_that_fills_up(tmp_path: Path, step: str) -> None:
    project = make_project(tmp_path)
    count = str(project.home / "count")
    made_up.add(project, families=[made_up.family("one", seconds=3, count=count)])
    runs = project.root / "automation-runs"
    mark = f'"kind":"step.began","step":"{step}"'
    with small_file_system(runs, "-o", "size=4m"):
        process = project.start(
            "ansible-playbook", "run.yml", "-l", "local", "-e", "lab_benchmarks=made-up",
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + LIMIT_S
        while not any(mark in path.read_text() for path in runs.glob("*/local/*/events.jsonl")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        fill(runs)
        assert process.wait(LIMIT_S) != 0
        (runs / "filler").unlink()
        run = project.run()
        status = aftermath.put_right(project, run, "resume")
        assert status["state"] == "completed", status["alerts"]
        aftermath.check(project, run, aftermath.local_target(project), count, 1)
