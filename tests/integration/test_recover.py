# SPDX-License-Identifier: Apache-2.0
"""Delete files and blocks of a real run's directory, kill its controller: recover gives back what there is."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rackbench.ledger import documents, recovery
from rackbench.ledger.alerts import CONNECTIVITY_CODES

from tests.integration import made_up
from tests.integration.harness import LabProject, Run, make_project

if TYPE_CHECKING:
    from collections.abc import Iterator

# Heartbeats of what has ended: nobody reads them any more.
PASSING = "state/live/"
# What a rebuilt journal says otherwise: that it is one, and how its records are numbered.
REBUILT = {"status.json": ("at", "ledger", "last_event", "elapsed_s", "overhead", "alerts")}
LIMIT_S = 120


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> LabProject:
    """A checkout with a finished run of a family that goes well."""
    project = make_project(tmp_path_factory.mktemp("recover"))
    families = [
        made_up.family("good"),
        made_up.family("long", seconds=60),
        made_up.family("longer", seconds=900, time_limit_s=1800),
    ]
    made_up.add(project, families=families)
    done = project.rackbench("run", "--host", "local", "--benchmarks", "made-up", "--families", "good")
    assert done.rc == 0, done.said
    return project


@pytest.fixture(scope="module")
def finished(project: LabProject) -> Path:
    """The directory of the finished run, which tests copy and leave alone."""
    run_dir = project.runs()[0].path
    # The controller wrote the documents while it lived.
    documents.write_all(run_dir)
    return run_dir


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A directory for very many copies: in memory where that can be, since each document that is written is synced."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as name:
        yield Path(name)


def files_of(run_dir: Path) -> list[str]:
    """Return the files of a run directory that last."""
    found = (path.relative_to(run_dir).as_posix() for path in sorted(run_dir.rglob("*")) if path.is_file())
    return [name for name in found if not name.startswith((PASSING, "state/claim"))]


@contextlib.contextmanager
def copy_of(run_dir: Path, root: Path) -> Iterator[Path]:
    """Give a copy of a run directory under its own name."""
    copy = root / "automation-runs" / run_dir.parents[1].name / run_dir.parent.name / run_dir.name
    shutil.copytree(run_dir, copy)
    try:
        yield copy
    finally:
        shutil.rmtree(root / "automation-runs")


def differing(original: Path, copy: Path, lost_journal: bool) -> list[str]:
    """Return the files that are not as they were; times of writing and what names a rebuilt journal do not count."""
    found = []
    for name in files_of(original):
        left_out = REBUILT.get(name, ()) if lost_journal else ("at",)
        if not (copy / name).is_file():
            found.append(name)
        elif lost_journal and name.endswith((".jsonl", "recovery_summary.md")):
            if _lines(original / name, lost_journal) != _lines(copy / name, lost_journal):
                found.append(name)
        elif name.endswith(".json") and not name.startswith(("benchmarks/", "preflight/", "exports/")):
            if _without(original / name, left_out, lost_journal) != _without(
                copy / name, left_out, lost_journal
            ):
                found.append(name)
        elif (original / name).read_bytes() != (copy / name).read_bytes():
            found.append(name)
    return found


def _without(path: Path, names: tuple[str, ...], lost_journal: bool) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text())
    kept = {name: value for name, value in document.items() if name not in names}
    return _without_times(kept) if lost_journal else kept


def _without_times(value: Any) -> Any:
    """Return a value without the times at which its parts were recorded; a step's end stands for them then."""
    if isinstance(value, dict):
        return {name: _without_times(item) for name, item in value.items() if name != "at"}
    return [_without_times(item) for item in value] if isinstance(value, list) else value


def _lines(path: Path, lost_journal: bool) -> list[Any]:
    """Return the lines of a ledger without their numbers; of a rebuilt journal there is nothing to compare."""
    if path.name in {"events.jsonl", "recovery_summary.md"} and lost_journal:
        return []
    return [{**json.loads(line), "seq": 0} for line in path.read_text().splitlines()]


# What may differ when a file is gone together with the journal, which alone repeats it.
ONLY_COPY = {
    "run_manifest.json": {"run_manifest.json"},
    "artifact_manifest.json": {"artifact_manifest.json"},
    "command_ledger.jsonl": {"command_ledger.jsonl"},
    "transfer_ledger.jsonl": {"transfer_ledger.jsonl"},
    "status.json": {"status.json", "recovery_summary.md"},
}


def check(finished: Path, copy: Path, gone: tuple[str, ...], restored: recovery.Restored) -> None:
    """Assert that all is as it was but for what the answer names."""
    lost_journal = "events.jsonl" in gone
    expected = set()
    for name in gone:
        is_artifact = not documents_of_ours(name)
        if is_artifact:
            assert any(name in words for words in restored.not_rebuilt), (name, restored.not_rebuilt)
            expected.add(name)
        elif lost_journal:
            expected |= ONLY_COPY.get(name, set())
            if name.startswith("state/steps/"):
                # Counts of tasks and the like are in no other document; the step itself is in status.json.
                expected |= {name, "run_manifest.json", "artifact_manifest.json", "status.json"}
    found = set(differing(finished, copy, lost_journal))
    assert found <= expected, (gone, found - expected, restored.not_rebuilt)
    if found:
        assert restored.not_rebuilt, gone
    assert {name for name in gone if documents_of_ours(name)} <= set(restored.rebuilt), restored.rebuilt


def documents_of_ours(name: str) -> bool:
    """Return whether a file is computed, and no artifact that a step made."""
    return not name.startswith(("benchmarks/", "preflight/", "exports/", "logs/", "report.html"))


@pytest.mark.full
def test_each_pair_of_files_comes_back_or_is_named(finished: Path, scratch: Path) -> None:
    names = files_of(finished)
    assert len(names) > 20
    for gone in [*((name,) for name in names), *itertools.combinations(names, 2)]:
        with copy_of(finished, scratch) as copy:
            for name in gone:
                (copy / name).unlink()
            check(finished, copy, gone, recovery.restore(copy))


@pytest.mark.full
def test_each_pair_of_status_blocks_comes_back(finished: Path, scratch: Path) -> None:
    status = json.loads((finished / "status.json").read_text())
    with copy_of(finished, scratch) as copy:
        for gone in [*((name,) for name in status), *itertools.combinations(status, 2)]:
            kept = {name: value for name, value in status.items() if name not in gone}
            (copy / "status.json").write_text(json.dumps(kept))
            recovery.restore(copy)
            assert differing(finished, copy, lost_journal=False) == [], gone


def test_without_a_journal_each_status_block_is_filled_from_the_other_documents(
    finished: Path, scratch: Path
) -> None:
    status = json.loads((finished / "status.json").read_text())
    for name in status:
        with copy_of(finished, scratch) as copy:
            (copy / "events.jsonl").unlink()
            kept = {key: value for key, value in status.items() if key != name}
            (copy / "status.json").write_text(json.dumps(kept))
            restored = recovery.restore(copy)
            differs = differing(finished, copy, lost_journal=True)
            assert set(differs) <= {"status.json"}, (name, differs)
            if differs:
                now = json.loads((copy / "status.json").read_text())
                changed = {key for key in status if now[key] != status[key]} - set(REBUILT["status.json"])
                assert changed == {name}, (name, changed)
                assert restored.not_rebuilt


@pytest.mark.full
def test_the_command_brings_each_deleted_file_back_or_names_it(
    project: LabProject, finished: Path, tmp_path: Path
) -> None:
    for name in ("status.json", "events.jsonl", "exports/results.csv", "state/steps/made-up.execute.json",
                 "benchmarks/made-up/made-up.good.1/stdout"):  # fmt: skip
        with copy_of(finished, tmp_path) as copy:
            (copy / name).unlink()
            done = project.rackbench("recover", "--run-dir", copy, "--json")
            answer = json.loads(done.stdout)
            named = bool(answer["not_rebuilt"])
            assert done.rc == int(named), done.said
            assert named == (name in {"events.jsonl", "benchmarks/made-up/made-up.good.1/stdout"}), answer
            assert (name in answer["rebuilt"]) == (copy / name).exists()
            if not named:
                assert differing(finished, copy, lost_journal=False) == []
            again = project.rackbench("recover", "--run-dir", copy, "--json")
            assert json.loads(again.stdout)["rebuilt"] == [], again.said
            assert again.rc == done.rc


def test_status_restores_what_is_missing_and_says_so(
    project: LabProject, finished: Path, tmp_path: Path
) -> None:
    with copy_of(finished, tmp_path) as copy:
        (copy / "run_manifest.json").unlink()
        done = project.rackbench("status", "--run-dir", copy)
        assert done.rc == 0, done.said
        assert "Restored: run_manifest.json." in done.stderr
        assert differing(finished, copy, lost_journal=False) == []
        assert "Restored" not in project.rackbench("status", "--run-dir", copy).said


@pytest.mark.skipif(os.geteuid() != 0, reason="Only root can mount a directory read-only.")
def test_status_of_a_read_only_directory_says_that_it_cannot_be_restored(
    project: LabProject, finished: Path, tmp_path: Path
) -> None:
    with copy_of(finished, tmp_path) as copy:
        (copy / "run_manifest.json").unlink()
        subprocess.run(["mount", "--bind", copy, copy], check=True)
        try:
            subprocess.run(["mount", "-o", "remount,bind,ro", copy], check=True)
            done = project.rackbench("status", "--run-dir", copy)
        finally:
            subprocess.run(["umount", "--lazy", copy], check=True)
        assert done.rc == 0, done.said
        assert "missing or of an older form, and stay so" in done.stderr
        assert "Read-only file system" in done.stderr
        assert not (copy / "run_manifest.json").exists()


def until(condition: Any) -> Any:
    """Return what a condition gives when it is so at last."""
    deadline = time.monotonic() + LIMIT_S
    while not (found := condition()):
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.1)
    return found


def killed_run(project: LabProject, family: str = "long") -> Run:
    """Return a run whose controller was killed while its benchmark ran, and goes on to run."""
    before = {run.path for run in project.runs()}
    process = project.start(
        "ansible-playbook", "run.yml", "-l", "local", "-e", "lab_benchmarks=made-up", "-e", f"lab_families={family}",
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def new() -> list[Run]:
        return [run for run in project.runs() if run.path not in before]

    def works() -> list[Path]:
        jobs = [project.home / f".rackbench/jobs/{run.path.name}-local" for run in new()]
        return [path for job in jobs for path in job.glob(f"made-up.{family}.1/out/progress.ndjson")]

    try:
        until(works)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=60)
    (run,) = new()
    return run


def supervisors(project: LabProject) -> list[str]:
    """Return the command lines of processes that work in the project's home."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if f"{project.home}/.rackbench" in line:
                found.append(line)
    return found


@pytest.mark.full
def test_a_killed_run_is_given_up_in_order(project: LabProject) -> None:
    run = killed_run(project)
    assert project.rackbench("status", "--run-dir", run.path).rc == 130
    assert supervisors(project)
    done = project.rackbench("recover", "--run-dir", run.path, "--json")
    answer = json.loads(done.stdout)
    assert done.rc == 0, done.said
    assert answer["jobs"] == {"made-up.long.1": "cancelled"}
    assert answer["lease"] == "released"
    assert answer["failures"] == []
    until(lambda: not supervisors(project))
    assert not (project.home / "lease/lease.json").exists()
    status = json.loads(project.rackbench("status", "--run-dir", run.path, "--json").stdout)
    assert (status["state"], status["exit_status"]) == ("cancelled", 130)
    states = {step["step_id"]: step["state"] for step in status["steps"]}
    assert states["made-up.execute"] == states["host.finalize"] == "cancelled"
    assert states["made-up.stage"] == "completed"
    journal = (run.path / "events.jsonl").read_bytes()
    again = project.rackbench("recover", "--run-dir", run.path, "--json")
    assert again.rc == 0, again.said
    assert (run.path / "events.jsonl").read_bytes() == journal
    # The host is free: another run takes it at once.
    next_run = project.rackbench("run", "--host", "local", "--benchmarks", "made-up", "--families", "good")
    assert next_run.rc == 0, next_run.said


def left_there(project: LabProject, run: Run) -> bool:
    """Return whether an alert says that something of the run is left on its host."""
    status = json.loads(project.rackbench("status", "--run-dir", run.path, "--json").stdout)
    return "left_behind" in {alert["code"] for alert in status["alerts"]["items"]}


@pytest.mark.full
def test_a_host_on_which_a_job_cannot_be_ended_stays_taken_until_it_can(project: LabProject) -> None:
    run = killed_run(project, "longer")
    lease = (project.home / "lease/lease.json").read_text()
    job_dir = project.home / f".rackbench/jobs/{run.path.name}-local/made-up.longer.1"
    spec = job_dir / "spec.json"
    whole = spec.read_text()
    supervisor = json.loads((job_dir / "state.json").read_text())["pid"]

    def recover(*arguments: str) -> tuple[int, dict[str, Any]]:
        done = project.rackbench("recover", "--run-dir", run.path, "--json", *arguments)
        return done.rc, json.loads(done.stdout)

    def is_kept(rc: int, answer: dict[str, Any], *, reached: bool) -> None:
        assert rc >= 3, answer
        (failure,) = answer["failures"]
        assert (failure["code"] not in CONNECTIVITY_CODES) is reached, failure
        assert answer["jobs"] == {"made-up.longer.1": "unreachable"}
        assert answer["lease"] == "unreachable"
        assert (project.home / "lease/lease.json").read_text() == lease
        assert left_there(project, run)

    try:
        is_kept(*recover("-e", "ansible_python_interpreter=/no/such/python"), reached=False)
        # It can be listed, and not be stopped.
        spec.write_text(json.dumps({**json.loads(whole), "grace_s": "no number"}))
        is_kept(*recover(), reached=True)
        spec.write_text(whole)
        rc, answer = recover()
        assert (rc, answer["jobs"], answer["lease"]) == (0, {"made-up.longer.1": "cancelled"}, "released")
        assert not left_there(project, run)
        until(lambda: not supervisors(project))
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.kill(supervisor, signal.SIGTERM)
        raise


@pytest.mark.full
def test_the_lease_of_another_project_with_the_same_run_id_is_left_alone(project: LabProject) -> None:
    run = killed_run(project)
    path = project.home / "lease/lease.json"
    lease = json.loads(path.read_text())
    another = json.dumps({**lease, "lease_id": f"{lease['run_id']}-another0"})
    path.write_text(another)
    try:
        done = project.rackbench("recover", "--run-dir", run.path, "--json")
        assert json.loads(done.stdout)["lease"] == "another_holder", done.said
        assert path.read_text() == another
    finally:
        path.unlink()


@pytest.mark.full
def test_a_killed_run_without_its_journal_still_gives_the_host_back(project: LabProject) -> None:
    run = killed_run(project)
    (run.path / "events.jsonl").unlink()
    done = project.rackbench("recover", "--run-dir", run.path, "--json")
    answer = json.loads(done.stdout)
    assert done.rc == 1, done.said
    assert answer["lease"] == "released"
    assert answer["jobs"] == {"made-up.long.1": "cancelled"}
    assert answer["status"]["state"] == "cancelled"
    until(lambda: not supervisors(project))


def test_a_run_that_goes_on_is_not_recovered(project: LabProject) -> None:
    before = {run.path for run in project.runs()}
    process = project.start(
        "ansible-playbook", "run.yml", "-l", "local", "-e", "lab_benchmarks=made-up", "-e", "lab_families=long",
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        (run,) = until(
            lambda: [
                run
                for run in project.runs()
                if run.path not in before and (run.path / "status.json").exists()
            ]
        )
        done = project.rackbench("recover", "--run-dir", run.path)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=60)
    assert done.rc == 3, done.said
    assert "run_busy" in done.stderr
    assert not run.records("run.recovered")
    done = project.rackbench("recover", "--run-dir", run.path)
    assert done.rc == 0, done.said
    until(lambda: not supervisors(project))
