# SPDX-License-Identifier: Apache-2.0
"""Bundles that the stage step has to make: on the controller or on the host, as the benchmark's repository allows."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from rackbench.models.journal import JournalRecord
from rackbench.models.run_documents import LiveBeat, RunManifest, Status

from tests.integration import made_up
from tests.lab.at_work import finish, wait_for

if TYPE_CHECKING:
    from tests.integration.harness import LabProject, Run

pytestmark = pytest.mark.full

ONLY = ("-e", "lab_benchmarks=made-up")
STAGE = (*ONLY, "-e", "lab_phases=stage")
TOML = """
[bundle]
name = "made-up"
version = "1.0.0"

[build]
command = ["sh", "build.sh"]
needs = [{ command = "%s", package = "some-package" }]
"""
# A command of administrators: the PATH of a plain user lacks it, and the one of a build on the host does not.
ON_HOST_ONLY = "chroot"
PLAIN_PATH = os.pathsep.join((str(Path(sys.executable).parent), "/usr/bin", "/bin"))
NEEDS_SBIN = pytest.mark.skipif(
    shutil.which(ON_HOST_ONLY, path=PLAIN_PATH) is not None
    or shutil.which(ON_HOST_ONLY, path="/usr/sbin:/sbin") is None,
    reason=f"{ON_HOST_ONLY} is not in /usr/sbin alone on this machine",
)
INSTALL = 'mkdir "$BUNDLE_OUT/bin"; cp program.py "$BUNDLE_OUT/bin/run"; chmod 755 "$BUNDLE_OUT/bin/run"\n'


def add(project: LabProject, script: str, command: str = "sh") -> Path:
    """Add the made-up benchmark with a repository that has to build its program; return the repository."""
    made_up.add(project, families=[made_up.family()])
    for path in (project.root / "dist").glob("made-up-*"):
        path.unlink()
    repo = project.root / "benchmarks/made-up"
    (repo / "bin/run").rename(repo / "program.py")
    (repo / "bundle.toml").write_text(TOML % command)
    (repo / "build.sh").write_text(f"set -e\n{script}")
    return repo


def packaging(run: Run) -> list[dict[str, Any]]:
    """Return the run's records of packaging: preflight's, and those of stage."""
    return run.records("packaging")


def failure(run: Run) -> dict[str, Any]:
    """Return the failure of the stage step."""
    (ended,) = [record for record in run.records("step.ended") if record["step"] == "made-up.stage"]
    told: dict[str, Any] = ended["failure"]
    return told


def beating(project: LabProject, label: str) -> bool:
    """Return whether the stage step of the only real run beats with this label."""
    for run in project.runs():
        live = run.path / "state/live/made-up.stage.json"
        if live.is_file() and json.loads(live.read_text())["label"] == label:
            return True
    return False


def dry_run(project: LabProject) -> str:
    """Do a dry run and return what its tasks said."""
    project.environment["ANSIBLE_STDOUT_CALLBACK"] = "ansible.builtin.default"
    done = project.playbook(*STAGE, "--check", "-v")
    del project.environment["ANSIBLE_STDOUT_CALLBACK"]
    assert done.rc == 0, done.said
    return done.said


def check_documents(run: Run) -> None:
    """Assert that journal, status, manifest and live beat fit their models."""
    for record in run.journal:
        JournalRecord.model_validate(record)
    Status.model_validate(run.status)
    RunManifest.model_validate(run.document("run_manifest.json"))
    LiveBeat.model_validate(run.document("state/live/made-up.stage.json"))


def test_a_builder_that_takes_long_beats_and_the_next_run_builds_nothing(
    project: LabProject, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    add(project, f"echo building now\nwhile [ ! -e {go} ]; do sleep 0.1; done\n{INSTALL}")

    assert "made-up/bundle.toml on the controller" in dry_run(project)
    assert not list((project.root / "dist").glob("made-up-*"))

    process = project.start("ansible-playbook", "run.yml", "-l", "local", *ONLY)
    wait_for(lambda: beating(project, "building"), process)
    wait_for(lambda: project.run().records("step.beat"), process)
    status = json.loads(project.rackbench("status", "--run-dir", project.run().path, "--json").stdout)
    (beat,) = status["monitoring"]["heartbeats"]
    assert (beat["step"], beat["interval_s"]) == ("made-up.stage", 5.0)
    go.touch()
    done = finish(process)
    assert done.rc == 0, done.said

    run = project.run()
    check_documents(run)
    before, after = packaging(run)
    assert before["decision"] == after["decision"]
    assert (after["decision"]["basis"], before["made"]) == ("builder", None)
    made = after["made"]
    (tarball,) = (project.root / "dist").glob("made-up-*.tar.gz")
    assert made["path"] == str(tarball)
    (upload,) = [each for each in run.records("transfer") if each["direction"] == "upload"]
    assert upload["sha256"] == made["sha256"]
    command = run.records("command")[0]
    assert (command["argv"], command["where"], command["rc"]) == (["sh", "build.sh"], "controller", 0)
    assert "building now" in (run.path / command["log"]).read_text()
    row = run.status["packaging"]["made-up"]
    assert (row["path"], row["sidecar"]) == (made["path"], f"{made['path']}.json")
    assert row["builder"].endswith("benchmarks/made-up/bundle.toml")
    manifest = run.document("run_manifest.json")["packaging"]["made-up"]
    assert manifest["made"] == made
    assert {"reason", "basis", "cost"} <= set(manifest["candidates"][0])
    exported = json.loads((run.path / "exports/results.json").read_text())
    assert exported["executions"][0]["bundle"]["sha256"] == made["sha256"]

    go.unlink()  # a second build would wait for ever
    again = project.playbook(*STAGE)
    assert again.rc == 0, again.said
    second = project.runs()[-1]
    assert packaging(second)[-1]["decision"]["chosen"]["source"] == "dist"
    assert not second.records("command")
    assert [each["reused"] for each in second.records("transfer")] == [True]


@pytest.mark.parametrize("runs_on", ["target", "controller"])
def test_a_builder_that_takes_long_keeps_the_lease_of_the_host_and_goes_on_without_it(
    project: LabProject, tmp_path: Path, runs_on: str
) -> None:
    go = tmp_path / "go"
    add(project, f"while [ ! -e {go} ]; do sleep 0.1; done\n{INSTALL}")
    path = project.root / "roles/made_up/adapter.yml"
    adapter = yaml.safe_load(path.read_text())
    adapter["bundle"]["runs_on"] = runs_on
    path.write_text(yaml.safe_dump(adapter))
    # It renews ten minutes later otherwise.
    plugin = project.root / "plugins/plugin_utils/_lease.py"
    plugin.write_text(plugin.read_text().replace("RENEW_S = 600.0", "RENEW_S = 0.0"))
    lease = project.home / "lease/lease.json"
    process = project.start("ansible-playbook", "run.yml", "-l", "local", *STAGE)
    wait_for(lambda: beating(project, "building"), process)
    long_ago = time.time() - 1000
    os.utime(lease, (long_ago, long_ago))
    wait_for(lambda: time.time() - lease.stat().st_mtime < 900, process)

    # A host that does not answer as it should costs a renewal and nothing else: a file with two names is not touched.
    live = project.run().path / "state/live/made-up.stage.json"

    def beat() -> float:
        return float(json.loads(live.read_text())["elapsed_s"])

    second = project.home / "second-name"
    second.hardlink_to(lease)
    for _each in range(2):
        before = beat()
        wait_for(lambda before=before: beat() > before, process)  # type: ignore[misc]
    second.unlink()
    assert project.run().records("lease")[0]["state"] == "taken"

    eve = {"lease_id": "eve-1", "run_id": "eve", "owner": "eve@cafe", "purpose": "latency", "ttl_s": 1800}
    second.write_text(json.dumps({"schema": "rackbench.lease/1.0", "taken_at": None, **eve}))
    second.replace(lease)
    go.touch()
    done = finish(process)
    assert done.rc == 0, done.said
    taken, lost = project.run().records("lease")
    assert (taken["state"], lost["state"]) == ("taken", "lost")
    assert "eve@cafe" in lost["reason"]
    assert project.run().states["made-up.stage"] == "completed"
    assert json.loads(lease.read_text())["run_id"] == "eve"


def test_a_builder_that_fails_keeps_its_log_in_the_run_and_leaves_nothing_in_dist(
    project: LabProject,
) -> None:
    add(project, "echo no such header >&2\nexit 3\n")
    done = project.playbook(*STAGE)
    assert done.rc == 2, done.said
    run = project.run()
    told = failure(run)
    assert told["code"] == "build_failed"
    assert "no such header" in told["detail"]
    assert "no such header" in (run.path / told["next_path"]).read_text()
    assert [each["rc"] for each in run.records("command")] == [3]
    assert not list((project.root / "dist").glob("made-up-*"))


def test_a_single_program_is_packed_and_run(project: LabProject, tmp_path: Path) -> None:
    add(project, "exit 1\n")
    program = tmp_path / "measure.py"
    program.write_text(made_up.PROGRAM)
    program.chmod(0o755)
    done = project.playbook(*ONLY, "-e", json.dumps({"lab_benchmark_repos": {"made-up": str(program)}}))
    assert done.rc == 0, done.said
    record = packaging(project.run())[-1]
    assert record["decision"]["basis"] == "runner"
    assert Path(record["made"]["path"]).parent == project.root / ".rackbench/made"


@NEEDS_SBIN
def test_what_the_controller_cannot_build_is_built_on_the_host_and_captured_for_the_next_run(
    project: LabProject,
) -> None:
    project.environment["PATH"] = PLAIN_PATH
    add(project, f"echo building there\ncommand -v {ON_HOST_ONLY}\n{INSTALL}", ON_HOST_ONLY)
    assert "would build the bundle of made-up on local" in dry_run(project)

    done = project.playbook(*ONLY)
    assert done.rc == 0, done.said
    run = project.run()
    check_documents(run)
    decisions = packaging(run)
    assert [each["decision"] for each in decisions] == [decisions[0]["decision"]] * len(decisions)
    assert decisions[0]["decision"]["basis"] == "source"
    made = decisions[-1]["made"]
    assert Path(made["path"]).parent == project.root / ".rackbench/captured"
    sidecar = json.loads(Path(f"{made['path']}.json").read_text())
    assert sidecar["provenance"]["captured_from"]["host"] == "local"
    command = run.records("command")[0]
    assert (command["argv"], command["where"], command["rc"]) == (["sh", "build.sh"], "target", 0)
    assert "building there" in (run.path / command["log"]).read_text()
    assert [each["execution"] for each in run.records("execution.began")] == ["made-up.only.1"]
    assert run.records("step.beat")

    again = project.playbook(*STAGE)
    assert again.rc == 0, again.said
    second = project.runs()[-1]
    chosen = packaging(second)[-1]["decision"]["chosen"]
    assert (chosen["source"], chosen["sha256"]) == ("captured", made["sha256"])
    assert not second.records("command")
    assert [each["reused"] for each in second.records("transfer")] == [True]


@NEEDS_SBIN
def test_a_source_that_does_not_compile_on_the_host_keeps_the_words_and_captures_nothing(
    project: LabProject,
) -> None:
    project.environment["PATH"] = PLAIN_PATH
    add(project, "echo main.c:3: expected something else >&2\nexit 5\n", ON_HOST_ONLY)
    done = project.playbook(*STAGE)
    assert done.rc == 2, done.said
    run = project.run()
    told = failure(run)
    assert told["code"] == "source_build_failed"
    assert "expected something else" in told["detail"]
    assert "expected something else" in (run.path / told["next_path"]).read_text()
    assert not list((project.root / ".rackbench/captured").glob("*.tar.gz"))
