# SPDX-License-Identifier: Apache-2.0
"""What must be true after any fault, once the run was resumed or recovered as its status says."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rackbench.errors import FAILURES
from rackbench.ledger import journal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.harness import LabProject, Run

OVER = {"completed", "failed", "cancelled"}
# A run that was put right needs one `resume`, and a second one where the first met the end of the fault.
MOST_ATTEMPTS = 3


@dataclass
class Target:
    """The machine that benchmarks run on: `read` returns a file's text or nothing, `processes` all command lines."""

    read: Callable[[str], str]
    processes: Callable[[], list[str]]
    home: str
    lease_dir: str


def local_target(project: LabProject) -> Target:
    """Return this machine, as the inventory `local` reaches it."""

    def read(path: str) -> str:
        try:
            return Path(path).read_text()
        except FileNotFoundError:
            return ""

    return Target(read, local_processes, str(project.home), str(project.home / "lease"))


def local_processes() -> list[str]:
    """Return the command lines of the processes of this machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return found


def status_of(project: LabProject, run: Run) -> Any:
    """Return what `rackbench status --json` says of a run."""
    done = project.rackbench("status", "--run-dir", run.path, "--json")
    assert done.stdout, done.said
    return json.loads(done.stdout)


def put_right(project: LabProject, run: Run, verb: str) -> Any:
    """Resume or recover a run until it is over and asks for nothing that this verb mends; return its status."""
    status = status_of(project, run)
    for _attempt in range(MOST_ATTEMPTS):
        done = project.rackbench(verb, "--run-dir", run.path, *(["--yes"] if verb == "resume" else []))
        assert "Traceback" not in done.said, done.said
        status = status_of(project, run)
        if status["state"] in OVER and (verb == "recover" or status["state"] == "completed"):
            break
    return status


def check(project: LabProject, run: Run, target: Target, count: str, expected: int) -> None:
    """Assert that nothing was lost, done twice or left behind.

    `count` is a file of the target to which every execution adds its name when it begins; `expected` is how many
    executions a complete run has.
    """
    read = journal.read(run.path / "events.jsonl")
    assert read.bad_lines == []
    assert not read.torn
    assert [record["seq"] for record in read.records] == list(range(1, len(read.records) + 1))
    status = status_of(project, run)
    begun = target.read(count).split()
    assert len(begun) == len(set(begun)), f"begun twice: {begun}"
    superseded = {row["execution"] for row in status["executions"] if row["superseded"]}
    if status["state"] == "completed":
        counted = [row for row in status["executions"] if not row["superseded"]]
        assert {row["execution"] for row in counted} <= set(begun)
        assert len(counted) == expected
        assert {row["outcome"] for row in counted} == {"passed"}
        assert len({row["execution"] for row in status["results"]}) == expected
        assert not {row["execution"] for row in status["results"]} & superseded
    else:
        # Ended for a reason that has a name, and never silently.
        assert status["state"] in OVER
        codes = {step["code"] for step in status["steps"]} - {None}
        assert status["state"] == "cancelled" or (codes and codes <= set(FAILURES)), status["steps"]
    assert_completed_once(read.records)
    assert_nothing_left(run, target)


def assert_completed_once(records: list[dict[str, Any]]) -> None:
    """Assert that no step of an adapter began again after it was completed, unless its bundle or machine changed."""
    completed: set[str] = set()
    for record in records:
        if record["kind"] == "run.resumed" and any(
            one["effect"] == "starts_again" for one in record["differences"]
        ):
            completed.clear()
        elif record["kind"] == "step.ended" and record["state"] == "completed":
            completed.add(record["step"])
        elif record["kind"] == "step.began" and not record["step"].startswith("host."):
            assert record["step"] not in completed, f"{record['step']} was completed and began again"


def assert_nothing_left(run: Run, target: Target) -> None:
    """Assert that no process of the run, no lease and no noise setting is left on the target."""
    run_id = f"{run.path.name}-{run.path.parent.name}"
    jobs = f"{target.home}/.rackbench/jobs/{run_id}"
    left = [line for line in target.processes() if jobs in line]
    assert left == [], shlex.join(left)
    assert target.read(f"{target.lease_dir}/lease.json").strip("\0 \n") == ""
    assert target.read(f"{target.home}/.rackbench/noise/{run_id}.json") == ""
