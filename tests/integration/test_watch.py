# SPDX-License-Identifier: Apache-2.0
"""`rackbench watch` follows a real run: in lines, in documents, and as a view that is left while the run goes on."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

import pexpect
from rackbench.models.run_documents import Status

from tests.integration import made_up
from tests.integration.harness import LIMIT_S

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.integration.harness import LabProject

# Tells that it has done 3 of 10 turns, and waits before it goes on.
TELL = """
with open(out / "progress.ndjson", "w") as stream:
    stream.write('{"at": "2026-11-21T08:00:00.000Z", "done": 3, "total": 10, "unit": "turns", "label": "turn 3"}\\n')
while "until" in"""
PROGRAM = made_up.PROGRAM.replace('while "until" in', TELL.lstrip())


def test_a_run_is_followed_from_its_first_step_to_its_exit_status(project: LabProject) -> None:
    go_on, told_to = project.home / "go-on", project.home / "told"
    family = {**made_up.family(until=str(go_on)), "heartbeat_s": 0.5}
    made_up.add(project, families=[family], program=PROGRAM)
    run = project.start("rackbench", "run", "--host", "local", "--benchmarks", "made-up")
    assert run.stdout
    try:
        # The run's directory is there, and its journal has begun.
        assert "made-up" in run.stdout.readline()
        lines = project.start("rackbench", "watch")
        # Into a file: what nobody reads from a pipe would hold it up.
        with told_to.open("w") as stream:
            documents = project.start("rackbench", "watch", "--host", "local", "--json", stdout=stream)
        assert lines.stdout
        said = []
        for line in lines.stdout:
            said.append(line)
            if "3 of 10 turns" in line:
                break
        _look_and_leave(project)
        _wait_for('"done": 3', told_to)
        assert project.run().records("run.closed") == []
        go_on.touch()
        assert run.wait(LIMIT_S) == 0
        said += _rest(lines)
        _rest(documents)
    finally:
        go_on.touch()
        run.communicate(timeout=LIMIT_S)
    told = [json.loads(line) for line in told_to.read_text().splitlines()]
    text = "".join(said)
    for words in (
        "local: running",
        "run_dir: automation-runs/",
        "step host.preflight: completed",
        "step made-up.execute: running",
        "made-up.only.1: 3 of 10 turns, turn 3, ",
        " left, at the pace so far",
        "execution made-up.only.1: passed",
        "result made-up.only.1: turn rate 44 turns/s",
        "local: completed",
    ):
        assert text.count(words) >= 1, text
    for document in told:
        Status.model_validate(document)
    assert [document["state"] for document in told][-1] == "completed"
    assert any((document["progress"] or {}).get("done") == 3 for document in told)
    assert told[-1]["results"] == project.run().status["results"]


def _look_and_leave(project: LabProject) -> None:
    """Look at the view on a terminal, and leave it with Ctrl-C."""
    command = [sys.executable, "-m", "rackbench", "watch"]
    environment = {**project.environ(), "TERM": "xterm"}
    child = pexpect.spawn(
        command[0], command[1:], cwd=str(project.root), env=environment, dimensions=(30, 80), encoding="utf-8",
        timeout=LIMIT_S,
    )  # fmt: skip
    with child:
        child.expect_exact("> made-up.execute")
        child.expect_exact("3 of 10 turns")
        child.sendintr()
        child.expect_exact("Left the view, and not the run")
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 130


def _wait_for(words: str, path: Path) -> None:
    """Wait until a file has these words."""
    limit = time.monotonic() + LIMIT_S
    while words not in path.read_text():
        assert time.monotonic() < limit, path.read_text()
        time.sleep(0.1)


def _rest(process: subprocess.Popen[str]) -> list[str]:
    """Return the lines that are left of a command that ends well, as its run did."""
    stdout, stderr = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, stderr) == (0, "")
    return (stdout or "").splitlines(keepends=True)
