# SPDX-License-Identifier: Apache-2.0
"""Whole runs through the jump box: one host, many hosts at once, and a campaign that two controllers share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration import made_up
from tests.lab.at_work import check_left_behind, failure_of, finish, make_lab_project, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.harness import Done, LabProject, Run
    from tests.lab.conftest import LabControl

HOSTS = ["loki", "skadi", "thor", "turind8"]
ONLY = ("-e", "lab_benchmarks=made-up")
SMOKE = ("-e", "lab_benchmarks=system-info,latency", "-e", "lab_families=smoke")
MOST_REMOTE_CALLS = 40


@pytest.fixture(scope="module")
def checkout(lab: LabControl, tmp_path_factory: pytest.TempPathFactory) -> LabProject:
    """A checkout that reaches the lab, with the made-up benchmark."""
    project = make_lab_project(tmp_path_factory.mktemp("runs"))
    made_up.add(project, families=[made_up.family()])
    return project


@pytest.fixture(scope="module")
def first(checkout: LabProject) -> tuple[Done, Run]:
    """The operators' command, exactly so, from a plain shell: what it printed and what it left."""
    done = checkout.playbook(*SMOKE, host="turind8")
    return done, checkout.runs("turind8")[-1]


def campaign_of(project: LabProject, name: str) -> dict[str, Any]:
    """Return a campaign's record, computed again by the command."""
    done = project.rackbench("campaign", "refresh", name, "--json")
    document: dict[str, Any] = json.loads(done.stdout)
    kept = json.loads((project.root / "automation-runs/campaigns" / name / "campaign.json").read_text())
    assert kept == document
    return document


def test_a_plain_shell_runs_everything_on_a_host_behind_the_jump_box(
    checkout: LabProject, first: tuple[Done, Run]
) -> None:
    done, run = first
    assert done.rc == 0, done.said
    check_left_behind(checkout, run.path)
    assert set(run.states.values()) == {"completed"}
    assert {row["adapter"] for row in run.status["results"]} == {"system-info", "latency"}
    (platform,) = run.records("platform")
    assert platform["hostname"] == "turind8"


def test_a_run_of_two_benchmarks_goes_to_the_host_at_most_forty_times(
    checkout: LabProject, first: tuple[Done, Run]
) -> None:
    overhead = json.loads(checkout.rackbench("status", "--run-dir", first[1].path, "--json").stdout)[
        "overhead"
    ]
    assert 0 < overhead["remote"] <= MOST_REMOTE_CALLS
    assert sum(phase["remote"] for phase in overhead["phases"]) == overhead["remote"]


def test_a_second_run_moves_no_byte_of_a_bundle(checkout: LabProject, first: tuple[Done, Run]) -> None:
    done = checkout.rackbench("run", "--host", "turind8", "--benchmarks", "latency", "--families", "smoke")
    assert done.rc == 0, done.said
    run = check_left_behind(checkout, checkout.runs("turind8")[-1].path)
    assert run.path != first[1].path
    (upload,) = [row for row in run.lines("transfer_ledger.jsonl") if row["direction"] == "upload"]
    assert (upload["bytes"], upload["reused"]) == (0, True)


@pytest.mark.full
def test_an_adapter_that_is_not_ready_is_skipped_with_its_reason_and_the_run_is_not_good(
    lab: LabControl, tmp_path: Path
) -> None:
    project = make_lab_project(tmp_path)
    needs = {"commands": [{"command": "no-such-tool", "packages": {"default": "no-such-package"}}]}
    made_up.add(project, families=[made_up.family()], requirements=needs)
    done = project.rackbench(
        "run",
        "--host",
        "turind8",
        "--benchmarks",
        "made-up,system-info",
        "--phases",
        "discover,preflight,stage",
    )
    assert done.rc == 1, done.said
    run = check_left_behind(project, project.run("turind8").path)
    assert run.states["system-info.stage"] == "completed"
    assert run.states["made-up.stage"] == "skipped"
    failure = failure_of(run, "made-up.stage")
    assert failure["code"] == "runtime_missing"
    assert "no-such-tool" in failure["message"]
    assert "no-such-package" in done.stdout


@pytest.mark.full
def test_a_cut_cable_at_one_host_of_four_costs_the_others_nothing(
    broken_lab: LabControl, checkout: LabProject
) -> None:
    before = {host: len(checkout.runs(host)) for host in HOSTS}
    process = checkout.start("ansible-playbook", "run.yml", "-l", "lab", *ONLY)
    wait_for(lambda: len(checkout.runs("skadi")) > before["skadi"], process)
    broken_lab("cut", "skadi")
    done = finish(process)
    assert done.rc == 2, done.said
    runs = {host: checkout.runs(host)[-1] for host in HOSTS}
    for host, run in runs.items():
        assert len(checkout.runs(host)) == before[host] + 1
        check_left_behind(checkout, run.path)
        assert run.status["exit_status"] == (3 if host == "skadi" else 0), host
    failed = [step for step in runs["skadi"].status["steps"] if step["state"] == "failed"]
    assert failed[0]["code"] == "host_unreachable"
    assert "skadi" in failed[0]["message"]
    # At its own pace: nobody waited for the host that was silent.
    ends = {host: run.records("run.closed")[0]["mono"] for host, run in runs.items()}
    assert max(ends, key=lambda host: ends[host]) == "skadi"

    names = {run.document("run_manifest.json")["parent"] for run in runs.values()}
    assert len(names) == 1
    document = campaign_of(checkout, names.pop())
    assert [run["host"] for run in document["runs"]] == HOSTS
    assert document["counts"] == {"completed": 3, "failed": 1}
    assert document["exit_status"] == 3


@pytest.mark.full
def test_two_controllers_at_once_share_a_campaign_and_run_each_host_once(checkout: LabProject) -> None:
    before = {host: len(checkout.runs(host)) for host in HOSTS}
    # A run that was cut off has left its lease.
    steal = json.dumps({"lab_steal": True, "lab_steal_reason": "an earlier test is over"})
    workers = [
        checkout.start(
            "ansible-playbook", "run.yml", "-l", "lab", "-e", "lab_benchmarks=preflight",
            "-e", steal, "-e", "lab_parent=shared", "-e", f"lab_worker_group_id={number} lab_worker_group_count=2",
        )
        for number in (0, 1)
    ]  # fmt: skip
    for done in [finish(worker) for worker in workers]:
        assert done.rc == 0, done.said
    groups = {}
    for host in HOSTS:
        assert len(checkout.runs(host)) == before[host] + 1
        run = check_left_behind(checkout, checkout.runs(host)[-1].path)
        groups[host] = run.document("run_manifest.json")["worker"]["group_id"]
    assert sorted(groups.values()) == [0, 0, 1, 1]
    document = campaign_of(checkout, "shared")
    assert [run["host"] for run in document["runs"]] == HOSTS
    assert document["counts"] == {"completed": 4}
    assert document["exit_status"] == 0
