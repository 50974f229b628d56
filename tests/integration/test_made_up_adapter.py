# SPDX-License-Identifier: Apache-2.0
"""Adding a benchmark touches one adapter directory; what it brings is seen everywhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.integration import made_up

if TYPE_CHECKING:
    from tests.integration.harness import LabProject

ONLY = ("-e", "lab_benchmarks=made-up")


def test_an_extra_adapter_is_seen_in_run_status_help_and_summary(project: LabProject) -> None:
    made_up.add(project)

    listing = project.rackbench("adapters", "list")
    assert "made-up" in listing.stdout
    assert "Turns of a made-up wheel." in listing.stdout
    shown = project.rackbench("adapters", "show", "made-up")
    for expected in ("short", "long", "made-up-results", "python3"):
        assert expected in shown.stdout

    done = project.rackbench("run", "--host", "local", "--benchmarks", "made-up")
    assert done.rc == 0, done.said
    run = project.run()
    assert [record["execution"] for record in run.records("execution.ended")] == [
        "made-up.short.1",
        "made-up.long.1",
    ]
    assert "turn rate" in done.stdout
    assert "44" in done.stdout

    status = project.rackbench("status", "--run-dir", run.path)
    assert "turn rate" in status.stdout
    document = json.loads(project.rackbench("status", "--run-dir", run.path, "--json").stdout)
    assert "turn rate" in json.dumps(document["results"])

    exported = (run.path / "exports/results.csv").read_text()
    assert "turn_rate" in exported
    artifacts = {row["path"]: row for row in run.document("artifact_manifest.json")["artifacts"]}
    table = artifacts["benchmarks/made-up/made-up.short.1/turns.csv"]
    assert (table["kind"], table["publishable"]) == ("table", True)
    assert run.document("publish_ledger.json")["adapters"][0]["state"] == "not_configured"


@pytest.mark.full
def test_a_configured_publish_target_fails_its_step_and_keeps_the_results(project: LabProject) -> None:
    made_up.add(project, families=[made_up.family()])
    done = project.playbook(
        *ONLY, "-e", json.dumps({"lab_publish_targets": {"made-up-results": {"repo": "x"}}})
    )
    assert done.rc == 2
    assert "publish_not_a_repository" in done.said
    run = project.run()
    assert run.states["made-up.publish"] == "failed"
    assert run.states["made-up.collect"] == "completed"
    assert (run.path / "benchmarks/made-up/made-up.only.1/result.json").exists()


def test_a_role_without_the_tasks_of_a_phase_is_refused_before_a_run_begins(project: LabProject) -> None:
    made_up.add(project)
    (project.root / "roles/made_up/tasks/collect.yml").unlink()
    done = project.rackbench("run", "--host", "local", "--benchmarks", "made-up")
    assert done.rc == 2, done.said
    assert "has no tasks for the phase collect" in done.said
    assert project.runs() == []


@pytest.mark.full
@pytest.mark.parametrize(
    ("act", "code"),
    [
        ("crash", "execution_failed"),
        ("partial", "execution_failed"),
        ("missing", "result_missing"),
        ("truncated", "result_unreadable"),
        ("nan", "result_invalid"),
        ("wrong_types", "result_invalid"),
    ],
)
def test_a_benchmark_with_a_bad_end_is_named_and_keeps_what_it_left(
    project: LabProject, act: str, code: str
) -> None:
    made_up.add(project, families=[made_up.family("bad", act=act), made_up.family("good")])
    done = project.rackbench("run", "--host", "local", "--benchmarks", "made-up")
    assert done.rc == 1, done.said
    assert code in done.said
    run = project.run()
    assert run.states["made-up.collect" if code.startswith("result") else "made-up.execute"] == "failed"
    assert run.states["host.finalize"] == "completed"
    assert "made-up says" in (run.path / "benchmarks/made-up/made-up.bad.1/stdout").read_text()
    # The family that went well has lost nothing.
    assert (run.path / "benchmarks/made-up/made-up.good.1/result.json").exists()
    assert [record["execution"] for record in run.records("result") if record["status"] == "passed"] == [
        "made-up.good.1"
    ]
    status = project.rackbench("status", "--run-dir", run.path, "--json")
    document = json.loads(status.stdout)
    assert document["exit_status"] == 1
    assert document["alerts"]["primary"]["code"] == code


@pytest.mark.full
def test_a_benchmark_over_its_time_limit_is_ended(project: LabProject) -> None:
    made_up.add(project, families=[made_up.family("endless", time_limit_s=2, seconds=3000)])
    done = project.playbook(*ONLY)
    assert done.rc == 2
    assert "execution_timed_out" in done.said
    (ended,) = project.run().records("execution.ended")
    assert ended["outcome"] == "timeout"


@pytest.mark.full
def test_heartbeats_of_the_benchmark_reach_the_journal(project: LabProject) -> None:
    made_up.add(project, families=[made_up.family("slow", seconds=8)])
    done = project.playbook(*ONLY)
    assert done.rc == 0, done.said
    beats = project.run().records("execution.beat")
    assert beats
    assert all(beat["unit"] == "turns" for beat in beats if beat.get("unit"))


@pytest.mark.full
def test_repeats_run_each_family_that_often(project: LabProject) -> None:
    made_up.add(project, families=[made_up.family()])
    done = project.playbook(*ONLY, "-e", "lab_repeats=3")
    assert done.rc == 0, done.said
    assert [record["execution"] for record in project.run().records("execution.ended")] == [
        f"made-up.only.{number}" for number in (1, 2, 3)
    ]


@pytest.mark.full
def test_an_adapter_yml_with_an_unknown_field_is_refused_with_file_and_field(project: LabProject) -> None:
    made_up.add(project, headlines=[])
    done = project.playbook()
    assert done.rc == 2
    assert "adapter_invalid" in done.said
    assert "roles/made_up/adapter.yml" in done.said
    assert "headlines" in done.said


@pytest.mark.full
def test_a_missing_runtime_command_skips_the_adapter_with_the_install_command(project: LabProject) -> None:
    needs = {
        "commands": [
            {"command": "no-such-tool", "packages": {"default": "no-such-package"}, "required": True}
        ]
    }
    made_up.add(project, families=[made_up.family()], requirements=needs)
    done = project.playbook("-e", "lab_benchmarks=made-up,system-info")
    assert done.rc == 2
    assert "runtime_missing" in done.said
    assert "no-such-package" in done.said
    states = project.run().states
    assert states["made-up.stage"] == "skipped"
    assert states["system-info.collect"] == "completed"


@pytest.mark.full
def test_a_bundle_whose_bytes_changed_is_not_run(project: LabProject) -> None:
    made_up.add(project, families=[made_up.family()])
    (bundle,) = project.root.glob("dist/made-up-*.tar.gz")
    content = bytearray(bundle.read_bytes())
    content[len(content) // 2] ^= 1
    bundle.write_bytes(content)
    # Nothing can be made in its place either.
    nothing = {"lab_benchmark_repos": {"made-up": "benchmarks/nothing"}}
    done = project.playbook(*ONLY, "-e", json.dumps(nothing))
    assert done.rc == 2
    assert "packaging_blocked" in done.said
    (packaging,) = project.run().records("packaging")
    assert [each["reason"] for each in packaging["decision"]["candidates"]] == ["checksum", "missing"]
    assert bundle.name in done.said
    assert not list(project.home.glob(".rackbench/jobs/*"))


def test_nothing_of_a_failed_no_log_task_and_no_templated_name_reaches_a_file(project: LabProject) -> None:
    made_up.add(project, families=[made_up.family()])
    tasks = project.root / "roles/made_up/tasks/stage.yml"
    tasks.write_text(
        tasks.read_text()
        + """
- name: "Hand over {{ canary_name }}"
  ansible.builtin.fail:
    msg: "the token is CANARY-IN-MESSAGE"
  no_log: true
"""
    )
    targets = {"made-up-results": {"url": "https://me:CANARY-IN-TARGET@example.org/results.git"}}
    extra = json.dumps({"canary_name": "CANARY-IN-NAME", "lab_publish_targets": targets})
    done = project.playbook(*ONLY, "-e", extra)
    assert done.rc == 2
    run = project.run()
    assert run.states["made-up.stage"] == "failed"
    assert "CANARY-IN-MESSAGE" not in done.said
    for path in run.path.rglob("*"):
        if path.is_file():
            assert b"CANARY" not in path.read_bytes(), path


@pytest.mark.full
def test_a_failed_task_that_is_not_ours_leaves_its_message(project: LabProject) -> None:
    made_up.add(project, families=[made_up.family()])
    tasks = project.root / "roles/made_up/tasks/stage.yml"
    tasks.write_text(
        tasks.read_text() + "\n- name: Give up\n  ansible.builtin.fail:\n    msg: the fan is loud\n"
    )
    done = project.rackbench("run", "--host", "local", "--benchmarks", "made-up")
    assert done.rc == 1
    assert project.run().status["alerts"]["primary"]["code"] == "task_failed"
    assert "the fan is loud" in project.run().status["alerts"]["primary"]["message"]


@pytest.mark.full
def test_a_bundle_configured_for_an_unknown_benchmark_is_refused(project: LabProject) -> None:
    done = project.playbook("-e", json.dumps({"lab_bundles": {"latncy": "somewhere.tar.gz"}}))
    assert done.rc == 2
    assert "Did you mean latency?" in done.said
    assert not project.runs()


@pytest.mark.full
def test_a_number_of_repeats_that_is_no_number_is_refused(project: LabProject) -> None:
    done = project.rackbench("run", "--host", "local", "-e", "lab_repeats=abc")
    assert done.rc == 2
    assert "unknown_option" in done.said
