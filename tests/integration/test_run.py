# SPDX-License-Identifier: Apache-2.0
"""The main job through its front door: the real adapters on this machine."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.integration.harness import Done, LabProject, make_project

if TYPE_CHECKING:
    from pathlib import Path

LAYOUT = {
    "run_manifest.json",
    "status.json",
    "events.jsonl",
    "command_ledger.jsonl",
    "transfer_ledger.jsonl",
    "artifact_manifest.json",
    "publish_ledger.json",
    "recovery_summary.md",
    "host_inventory_snapshot.json",
    "state/steps",
    "state/live",
    "control",
    "publish-staging",
    "publish-worktrees",
    "logs",
    "preflight",
    "benchmarks/system-info",
    "benchmarks/latency",
    "exports/results.json",
    "exports/results.csv",
    "exports/results.md",
}
PHASES = ("stage", "execute", "collect", "publish")


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> tuple[LabProject, list[Done]]:
    """Run everything on this machine two times."""
    project = make_project(tmp_path_factory.mktemp("twice"))
    return project, [project.playbook(), project.playbook()]


def test_a_run_on_this_machine_ends_well_and_names_its_directory_last(
    twice: tuple[LabProject, list[Done]],
) -> None:
    project, (first, _second) = twice
    assert first.rc == 0, first.said
    assert re.fullmatch(r"run_dir: automation-runs/\d{4}-\d\d-\d\d/local/\d{8}T\d{6}Z", first.last_line)
    run = project.runs()[0]
    assert first.last_line == f"run_dir: {run.path.relative_to(project.root)}"
    assert {name for name in LAYOUT if not (run.path / name).exists()} == set()


def test_every_step_of_a_run_is_completed_in_the_order_of_the_design(
    twice: tuple[LabProject, list[Done]],
) -> None:
    run = twice[0].runs()[0]
    began = [record["step"] for record in run.records("step.began")]
    adapters = [f"{name}.{phase}" for name in ("latency", "system-info") for phase in PHASES]
    assert began[:2] == ["host.discover", "host.preflight"]
    assert sorted(began[2:-1]) == sorted(adapters)
    assert began[-1] == "host.finalize"
    assert set(run.states.values()) == {"completed"}
    assert run.journal[-1]["kind"] == "run.closed"
    assert run.journal[-1]["outcome"] == "completed"


def test_the_status_on_disk_has_the_results_and_the_overhead_by_phase(
    twice: tuple[LabProject, list[Done]],
) -> None:
    status = twice[0].runs()[0].status
    assert status["exit_status"] == 0
    assert status["overhead"]
    assert any("latency" in str(row) for row in status["results"])


def test_the_second_run_moves_no_bundle_bytes(twice: tuple[LabProject, list[Done]]) -> None:
    project, (_first, second) = twice
    assert second.rc == 0, second.said
    uploads = [
        [line for line in run.lines("transfer_ledger.jsonl") if line["direction"] == "upload"]
        for run in project.runs()
    ]
    assert [sum(line["bytes"] for line in lines) > 0 for lines in uploads] == [True, False]
    assert all(line["reused"] for line in uploads[1])
    assert len(uploads[1]) >= 2


def test_every_artifact_of_the_manifest_is_there_with_its_digest(
    twice: tuple[LabProject, list[Done]],
) -> None:
    run = twice[0].runs()[0]
    artifacts = run.document("artifact_manifest.json")["artifacts"]
    assert {"benchmarks/latency", "benchmarks/system-info", "exports"} <= {
        "/".join(artifact["path"].split("/")[:2]) if artifact["path"].startswith("bench") else "exports"
        for artifact in artifacts
    }
    for artifact in artifacts:
        content = (run.path / artifact["path"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (artifact["bytes"], artifact["sha256"])


def test_nothing_is_left_running_or_changed_on_the_target_but_our_own_directory(
    twice: tuple[LabProject, list[Done]],
) -> None:
    home = twice[0].home
    # The lease's directory is here for the tests only; nobody has the lease any more.
    assert {path.name for path in home.iterdir()} <= {".rackbench", ".ansible", "lease"}
    assert not (home / "lease/lease.json").exists()
    assert not list(home.glob(".rackbench/uploads/*"))


def test_an_unknown_benchmark_is_refused_with_the_nearest_name_before_anything_is_touched(
    project: LabProject,
) -> None:
    done = project.playbook("-e", "lab_benchmarks=latencie")
    assert done.rc == 2
    assert "unknown_benchmark" in done.said
    assert "latency" in done.said
    assert "system-info" in done.said
    assert not list(project.home.glob(".rackbench/*"))
    assert not list(project.root.glob("automation-runs/*"))


def test_an_unknown_family_is_refused_before_anything_is_touched(project: LabProject) -> None:
    done = project.playbook("-e", "lab_families=smokey")
    assert done.rc == 2
    assert "unknown_family" in done.said
    assert not list(project.root.glob("automation-runs/*"))


@pytest.mark.full
def test_an_export_format_that_we_do_not_have_is_refused_before_anything_is_touched(
    project: LabProject,
) -> None:
    done = project.playbook("-e", "lab_export_formats=json,xlsx")
    assert done.rc == 2
    assert "xlsx" in done.said
    assert not list(project.root.glob("automation-runs/*"))


def test_a_run_without_a_limit_asks_for_one(project: LabProject) -> None:
    done = project.command("ansible-playbook", "run.yml", "-i", "inventories/local")
    assert done.rc == 2
    assert "no_limit" in done.said
    assert "-l local" in done.said
    assert not list(project.root.glob("automation-runs/*"))


def test_an_unknown_host_in_the_limit_runs_nothing(project: LabProject) -> None:
    done = project.playbook(host="nosuchhost")
    assert done.rc != 0
    assert "nosuchhost" in done.said
    assert not project.runs("nosuchhost")


@pytest.mark.parametrize("inventory", ["missing.yml", "broken.yml"])
def test_a_missing_or_broken_inventory_runs_nothing(project: LabProject, inventory: str) -> None:
    (project.root / "broken.yml").write_text("all: [unclosed")
    done = project.playbook("-i", inventory)
    assert done.rc != 0
    assert inventory in done.said
    assert not list(project.root.glob("automation-runs/*"))


def test_a_play_without_our_callback_fails_in_its_first_task(project: LabProject) -> None:
    project.environment["ANSIBLE_CALLBACKS_ENABLED"] = "ansible.builtin.oneline"
    done = project.playbook()
    assert done.rc == 2
    assert "ledger_missing" in done.said
    assert not list(project.root.glob("automation-runs/*"))


def test_preflight_alone_runs_the_host_steps_and_nothing_else(project: LabProject) -> None:
    done = project.playbook("-e", "lab_benchmarks=preflight")
    assert done.rc == 0, done.said
    assert list(project.run().states) == ["host.discover", "host.preflight", "host.finalize"]


@pytest.mark.full
def test_a_run_limited_to_phases_stops_after_them(project: LabProject) -> None:
    done = project.playbook("-e", "lab_benchmarks=system-info", "-e", "lab_phases=preflight,stage")
    assert done.rc == 0, done.said
    states = project.run().states
    assert states["system-info.stage"] == "completed"
    assert states.get("system-info.execute", "skipped") == "skipped"
    assert not list(project.home.glob(".rackbench/jobs/*"))


def test_a_dry_run_decides_everything_and_changes_nothing(project: LabProject) -> None:
    done = project.playbook("--check")
    assert done.rc == 0, done.said
    assert not project.runs()
    assert not list(project.home.glob(".rackbench/*"))
    (report,) = project.root.glob("automation-runs/dry-runs/local/*")
    assert done.last_line == f"run_dir: {report.relative_to(project.root)}"
    states = {
        record["step"]: record["state"]
        for record in map(json.loads, (report / "events.jsonl").read_text().splitlines())
        if record["kind"] == "step.ended"
    }
    assert states["latency.stage"] == "completed"
    assert states["latency.execute"] == "skipped"
    assert "dry run" in done.said


@pytest.mark.full
def test_the_rackbench_command_goes_the_same_way(project: LabProject) -> None:
    done = project.rackbench("run", "--host", "local", "--benchmarks", "system-info")
    assert done.rc == 0, done.said
    run = project.run()
    assert set(run.states.values()) == {"completed"}
    assert f"run_dir: {run.path.relative_to(project.root)}" in done.stdout
    status = project.rackbench("status", "--run-dir", run.path, "--json")
    assert status.rc == 0, status.said
    assert json.loads(status.stdout)["run_id"] == run.status["run_id"]


@pytest.mark.full
def test_the_directory_of_a_run_can_be_somewhere_else(project: LabProject, tmp_path: Path) -> None:
    done = project.playbook("-e", "lab_benchmarks=preflight", "-e", f"lab_runs_dir={tmp_path / 'elsewhere'}")
    assert done.rc == 0, done.said
    assert len(list(tmp_path.glob("elsewhere/*/local/*/events.jsonl"))) == 1
