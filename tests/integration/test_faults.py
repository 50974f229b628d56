# SPDX-License-Identifier: Apache-2.0
"""Kill the controller, fill its disk, take its permissions: the run directory stays true."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration import made_up
from tests.integration.harness import LabProject, make_project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="Only root can mount the small file systems of this test."
)
ENDS = {"completed", "failed", "skipped", "cancelled"}


@pytest.fixture(scope="module")
def killable(tmp_path_factory: pytest.TempPathFactory) -> LabProject:
    """Return a checkout whose made-up benchmark runs for a second per family."""
    project = make_project(tmp_path_factory.mktemp("killable"))
    made_up.add(project, families=[made_up.family("one", seconds=1), made_up.family("two", seconds=1)])
    return project


def lines_of(path: Path) -> tuple[list[Any], bytes]:
    """Return the whole records of a journal and the bytes of a torn last line."""
    whole, _newline, torn = path.read_bytes().rpartition(b"\n")
    return [json.loads(line) for line in whole.splitlines()], torn


def kill_when_journal_has(project: LabProject, count: int, extra_s: float) -> Path:
    """Run the playbook and end its whole process group by SIGKILL after `count` records and a moment more."""
    # The run that was killed before this one still has the lease.
    shutil.rmtree(project.home / "lease", ignore_errors=True)
    before = set(project.root.glob("automation-runs/*/local/*"))
    process = project.start(
        "ansible-playbook", "run.yml", "-l", "local", "-e", "lab_benchmarks=made-up",
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 300
    while process.poll() is None and time.monotonic() < deadline:
        new = set(project.root.glob("automation-runs/*/local/*/events.jsonl"))
        journals = [path for path in new if path.parent not in before]
        if journals and journals[0].read_bytes().count(b"\n") >= count:
            break
        time.sleep(0.01)
    time.sleep(extra_s)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=60)
    (run_dir,) = set(project.root.glob("automation-runs/*/local/*")) - before
    return run_dir


@pytest.mark.full
@pytest.mark.parametrize("seed", range(10))
def test_sigkill_at_a_random_moment_leaves_a_true_run_directory(killable: LabProject, seed: int) -> None:
    chance = random.Random(seed)
    run_dir = kill_when_journal_has(killable, chance.randint(1, 60), chance.random() / 5)
    for path in run_dir.rglob("*.json"):
        json.loads(path.read_text())
    records, _torn = lines_of(run_dir / "events.jsonl")
    for name in ("command_ledger.jsonl", "transfer_ledger.jsonl"):
        if (run_dir / name).exists():
            lines_of(run_dir / name)

    done = killable.rackbench("status", "--run-dir", run_dir, "--json")
    status = json.loads(done.stdout)
    steps = {step["step_id"]: step for step in status["steps"]}
    ended = {record["step"]: record["state"] for record in records if record["kind"] == "step.ended"}
    assert {name: steps[name]["state"] for name in ended} == ended
    begun = [record["step"] for record in records if record["kind"] == "step.began"]
    open_steps = [step for step in begun if step not in ended]
    assert [name for name, step in steps.items() if step["state"] == "running"] == open_steps
    assert {name for name, step in steps.items() if step["state"] in ENDS} == ended.keys()
    if open_steps:
        assert status["position"]["step"] == open_steps[-1]
    if not any(record["kind"] == "run.closed" for record in records):
        assert status["state"] == "interrupted"
    executions = [record["execution"] for record in records if record["kind"] == "execution.ended"]
    assert set(executions) <= {row["execution_id"] for row in status["executions"] if row["outcome"]}


@contextlib.contextmanager
def small_file_system(path: Path, *options: str) -> Iterator[None]:
    """Mount a tmpfs at `path`."""
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", str(path)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


@pytest.mark.full
@needs_root
@pytest.mark.parametrize("size_kb", [16, 48, 96, 128])
def test_a_full_disk_stops_the_run_with_a_clear_error_and_whole_documents(
    project: LabProject, size_kb: int
) -> None:
    made_up.add(project, families=[made_up.family()])
    runs = project.root / "automation-runs"
    with small_file_system(runs, "-o", f"size={size_kb}k"):
        done = project.playbook("-e", "lab_benchmarks=made-up")
        assert done.rc not in {0, 250}, done.said
        assert any(code in done.said for code in ("ledger_write_failed", "run_directory_failed")), done.said
        assert "No space left on device" in done.said
        for path in runs.rglob("*.json"):
            json.loads(path.read_text())
        for path in runs.rglob("events.jsonl"):
            records, _torn = lines_of(path)
            assert not any(
                record["kind"] == "run.closed" and record["outcome"] == "completed" for record in records
            )


@pytest.mark.full
@needs_root
def test_a_read_only_directory_for_runs_is_said_before_the_host_is_touched(project: LabProject) -> None:
    runs = project.root / "automation-runs"
    with small_file_system(runs, "-o", "ro"):
        done = project.rackbench("run", "--host", "local", "--benchmarks", "system-info")
        assert done.rc == 4, done.said
        assert "run_directory_failed" in done.said
        assert "Read-only file system" in done.said
    assert not list(project.home.glob(".rackbench/*"))


@pytest.mark.full
@needs_root
def test_a_target_whose_disk_is_full_is_known_before_anything_is_brought_there(project: LabProject) -> None:
    made_up.add(project, families=[made_up.family()])
    store = project.home / ".rackbench"
    with small_file_system(store, "-o", "size=8k"):
        (store / "filler").write_bytes(b"x" * 8192)
        done = project.rackbench("run", "--host", "local", "--benchmarks", "made-up")
        assert done.rc == 3, done.said
        assert "target_disk_full" in done.said
        run = project.run()
        (readiness,) = run.records("readiness")
        assert (readiness["status"], readiness["status_basis"]) == ("packaging_blocked", "disk")
        assert run.states["host.preflight"] == "failed"
        assert run.states["made-up.stage"] == "skipped"
        assert [path.name for path in store.iterdir()] == ["filler"]


def test_a_bundle_that_needs_a_compiler_says_which_package_when_there_is_none(project: LabProject) -> None:
    tools = project.root / "few-tools"
    tools.mkdir()
    for name in ("python3", "sh", "env", "git"):
        found = subprocess.run(["/usr/bin/which", name], capture_output=True, text=True).stdout.strip()
        if found:
            (tools / name).symlink_to(found)
    for path in (project.root / "dist").iterdir():
        path.unlink()
    command = project.command("which", "rackbench").stdout.strip()
    project.environment["PATH"] = str(tools)
    done = project.command(command, "bundle", "build", "benchmarks/latency")
    assert done.rc == 1, done.said
    assert "build_tool_missing" in done.said
    assert "gcc" in done.said


@needs_root
def test_a_directory_of_bundles_that_cannot_be_written_is_named(project: LabProject) -> None:
    for path in (project.root / "dist").iterdir():
        path.unlink()
    (project.root / "dist").rmdir()
    with small_file_system(project.root / "dist", "-o", "ro"):
        done = project.rackbench("bundle", "build")
        assert done.rc == 4, done.said
        assert "cache_unwritable" in done.said
        assert "dist" in done.said
