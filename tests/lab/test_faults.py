# SPDX-License-Identifier: Apache-2.0
"""What goes wrong on the way to a host and on it, in whole runs: each says where and why, and leaves a valid ledger."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import yaml

from tests.integration import made_up
from tests.integration.harness import ROOT
from tests.lab.at_work import check_left_behind, failure_of, finish, make_lab_project, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from subprocess import Popen

    from tests.integration.harness import Done, LabProject, Run
    from tests.lab.conftest import LabControl

# A run that was cut off has left its lease, and the next test need not wait for its end.
ONLY = ("--benchmarks", "made-up", "--steal", "--reason", "an earlier test is over")
EXECUTION = "made-up.only.1"
# Long enough for a busy machine to bring all hosts of a run to work before the first one is done.
SECONDS = 40
VARIABLE = "RACKBENCH_TEST_NOT_SET"
BEHIND_FRONT = ("behind0", "behind1", "behind2")
# Each file takes a page of the disk, whatever it holds.
MANY = 40


class Blocked(NamedTuple):
    """What a run on blocked hosts said and left, how many passwords thor refused, and what is on the full disk."""

    done: Done
    project: LabProject
    failed_logins: int
    left_on_full_disk: list[str]


def host_key(host: str) -> str:
    """Return the host key of a host of the lab."""
    lines = [line.split(None, 1) for line in (ROOT / ".lab/run/known_hosts").read_text().splitlines()]
    return next(key for name, key in lines if name == host)


def change_lab(project: LabProject, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the lab file of a checkout."""
    path = project.root / "inventories/lab/lab.yml"
    document = yaml.safe_load(path.read_text())
    change(document)
    path.write_text(yaml.safe_dump(document))


def try_once(document: dict[str, Any]) -> None:
    """Let the way to a host be tried once, so that tests need not wait for more attempts of the same."""
    document["defaults"]["retry"] = {"attempts": 1, "backoff_s": 0, "connect_timeout_s": 10}


@pytest.fixture(scope="module")
def checkout(lab: LabControl, tmp_path_factory: pytest.TempPathFactory) -> LabProject:
    """A checkout that reaches the lab, with a made-up benchmark that takes a while."""
    project = make_lab_project(tmp_path_factory.mktemp("faults"))
    made_up.add(project, families=[made_up.family(seconds=SECONDS)])
    change_lab(project, try_once)
    return project


@contextlib.contextmanager
def mended(lab: LabControl) -> Iterator[None]:
    """Make the lab whole afterwards."""
    try:
        yield
    finally:
        lab("clear")
        lab("up")


def start_run(project: LabProject, *hosts: str) -> Popen[str]:
    """Start a run on hosts and return when the benchmark is at work on all of them."""
    before = {host: len(project.runs(host)) for host in hosts}
    process = project.start("rackbench", "run", "--host", ",".join(hosts), *ONLY)
    for host in hosts:
        wait_for(lambda host=host: len(project.runs(host)) > before[host], process)  # type: ignore[misc]
        beat = project.runs(host)[-1].path / f"state/live/{EXECUTION}.json"
        wait_for(beat.exists, process)
    return process


def job_is_over(lab: LabControl, run: Run, home: str) -> bool:
    """Say whether the benchmark has ended on the target, whatever the controller knows of it."""
    host = str(run.status["host"])
    state = f"{home}/.rackbench/jobs/{run.status['run_id']}/{EXECUTION}/state.json"
    return '"ended"' in lab("exec", host, "cat", state)


# Blocked from the beginning: one call for hosts of which each has a trouble of its own.


def add_many_small_files(project: LabProject) -> None:
    """Let the made-up bundle take more room on a disk than it has bytes."""
    folder = project.root / "benchmarks/made-up"
    (folder / "share").mkdir()
    for number in range(MANY):
        (folder / f"share/{number}").write_text(str(number))
    text = (folder / "bundle.toml").read_text()
    (folder / "bundle.toml").write_text(text.replace('["bin/run"]', '["bin/run", "share/*"]'))
    built = project.rackbench("bundle", "build", "benchmarks/made-up")
    assert built.rc == 0, built.said


def leave_little_room(lab: LabControl, host: str) -> None:
    """Leave 64 KiB in a host's /home."""
    lab("exec", host, "dd", "if=/dev/zero", "of=/home/room", "bs=65536", "count=1", "status=none")
    lab("fill", host)
    lab("exec", host, "rm", "/home/room")


@pytest.fixture(scope="module")
def blocked(lab: LabControl, tmp_path_factory: pytest.TempPathFactory) -> Blocked:
    """A run on hosts of which each has a trouble of its own; only thor is well."""
    project = make_lab_project(tmp_path_factory.mktemp("blocked"))
    made_up.add(project, families=[made_up.family()])
    add_many_small_files(project)

    def change(document: dict[str, Any]) -> None:
        try_once(document)
        document["auth_refs"]["unset"] = {"type": "password_env", "variable": VARIABLE}
        document["auth_refs"]["wrong"] = {"type": "command", "command": ["echo", "certainly-wrong"]}
        document["hops"]["front"] = {
            **document["hops"]["thor"],
            "auth_ref": "wrong",
            "host_key": host_key("thor"),
        }
        loki = {"hostname": "10.77.2.11", "user": "hop", "port": 2202, "host_key": host_key("loki")}
        behind_thor = {"type": "jump_chain", "hops": ["thor"]}
        behind_front = {"type": "jump_chain", "hops": ["front"]}
        document["hosts"].update(
            refused={**loki, "transport": behind_thor, "port": 9},
            nosecret={**loki, "transport": behind_thor, "auth_ref": "unset"},
            changed={**loki, "transport": behind_thor, "host_key": host_key("thor")},
            **{name: {**loki, "transport": behind_front} for name in BEHIND_FRONT},
        )

    change_lab(project, change)
    with mended(lab):
        lab("cut", "skadi")
        lab("hide-python", "loki")
        lab("exec", "turind8", "rm", "-rf", "/home/deploy/.rackbench")
        leave_little_room(lab, "turind8")
        before = lab.failed_logins("thor")
        done = project.rackbench("run", "--host", "lab", *ONLY)
        left = lab("exec", "turind8", "find", "/home/deploy/.rackbench", "-type", "f")
        return Blocked(done, project, lab.failed_logins("thor") - before, left.split())


@pytest.mark.full
@pytest.mark.parametrize(
    ("host", "code", "where", "words"),
    [
        ("skadi", "host_unreachable", "skadi", "10.77.3.30 port 2222"),
        ("loki", "target_python_missing", "loki", "python3"),
        ("refused", "host_unreachable", "refused", "Connection refused"),
        ("changed", "host_key_changed", "changed", "host key"),
        ("nosecret", "missing_secret", "nosecret", VARIABLE),
        *((name, "auth_refused", "front", "Permission denied") for name in BEHIND_FRONT),
    ],
)
def test_a_host_that_cannot_be_used_is_named_with_its_cause(
    blocked: Blocked, host: str, code: str, where: str, words: str
) -> None:
    run = check_left_behind(blocked.project, blocked.project.run(host).path)
    failure = failure_of(run, "host.discover")
    assert (failure["code"], failure["where"]) == (code, where)
    assert words in failure["message"]
    assert where in failure["message"]
    assert run.status["exit_status"] == 3
    assert run.states["made-up.stage"] == "skipped"


@pytest.mark.full
def test_a_run_with_blocked_hosts_exits_with_3_and_says_each_code(blocked: Blocked) -> None:
    said = blocked.done.said
    assert blocked.done.rc == 3, said
    for code in (
        "host_unreachable",
        "target_python_missing",
        "host_key_changed",
        "missing_secret",
        "auth_refused",
    ):
        assert f"[{code}]" in said


@pytest.mark.full
def test_a_wrong_password_is_one_failed_login_for_all_hosts_behind_the_jump_box(blocked: Blocked) -> None:
    assert blocked.failed_logins == 1


@pytest.mark.full
def test_a_full_disk_fails_the_stage_step_and_leaves_nothing_half_on_the_host(blocked: Blocked) -> None:
    run = check_left_behind(blocked.project, blocked.project.run("turind8").path)
    failure = failure_of(run, "made-up.stage")
    assert (failure["code"], failure["where"]) == ("target_disk_full", "turind8")
    assert run.states["made-up.execute"] == "skipped"
    assert run.status["exit_status"] == 3
    assert blocked.left_on_full_disk == []


@pytest.mark.full
def test_a_host_among_hosts_in_trouble_runs_to_its_end(blocked: Blocked) -> None:
    run = check_left_behind(blocked.project, blocked.project.run("thor").path)
    assert run.status["exit_status"] == 0
    assert run.states["made-up.collect"] == "completed"


# In the middle of the benchmark.


@pytest.fixture(scope="module")
def cut_off(lab: LabControl, checkout: LabProject) -> tuple[Done, dict[str, Run]]:
    """A run on three hosts: one's cable is cut and mended, one's stays cut, one's disk fills up."""
    with mended(lab):
        process = start_run(checkout, "turind8", "skadi", "loki")
        runs = {host: checkout.runs(host)[-1] for host in ("turind8", "skadi", "loki")}
        lab("cut", "turind8")
        lab("cut", "skadi")
        lab("fill", "loki")
        wait_for(lambda: job_is_over(lab, runs["turind8"], "/home/deploy"), process)
        lab("heal", "turind8")
        done = finish(process)
        wait_for(lambda: job_is_over(lab, runs["skadi"], "/home/ops"))
    return done, runs


def test_a_benchmark_goes_on_behind_a_cut_cable_and_its_result_comes_when_it_is_mended(
    checkout: LabProject, cut_off: tuple[Done, dict[str, Run]]
) -> None:
    run = check_left_behind(checkout, cut_off[1]["turind8"].path)
    assert run.status["exit_status"] == 0, run.status["alerts"]
    assert [row["outcome"] for row in run.status["executions"]] == ["passed"]
    assert run.status["results"]
    # It was not run a second time: its job has one beginning, and lasted as long as it was asked to.
    (ended,) = run.records("execution.ended")
    assert ended["duration_s"] >= SECONDS


@pytest.mark.full
def test_a_cable_that_stays_cut_ends_the_run_and_not_the_benchmark(
    checkout: LabProject, cut_off: tuple[Done, dict[str, Run]]
) -> None:
    done, runs = cut_off
    assert done.rc == 3, done.said
    run = check_left_behind(checkout, runs["skadi"].path)
    failure = failure_of(run, "made-up.execute")
    assert (failure["code"], failure["where"]) == ("host_unreachable", "skadi")
    assert f"{EXECUTION} was running and goes on there" in failure["message"]
    assert "rackbench validate --host skadi" in failure["next_command"]
    assert run.status["exit_status"] == 3


@pytest.mark.full
def test_a_disk_that_fills_up_fails_the_benchmark_and_is_named(
    checkout: LabProject, cut_off: tuple[Done, dict[str, Run]]
) -> None:
    run = check_left_behind(checkout, cut_off[1]["loki"].path)
    failure = failure_of(run, "made-up.execute")
    assert (failure["code"], failure["where"]) == ("execution_failed", "loki")
    assert "the disk of the job directory is full" in failure["message"]
    (ended,) = run.records("execution.ended")
    assert ended["outcome"] == "failed"


@pytest.fixture(scope="module")
def rebooted(lab: LabControl, checkout: LabProject) -> tuple[Done, dict[str, Run]]:
    """A run on two hosts: one loses its power for a moment, and the jump box of both reboots."""
    with mended(lab):
        process = start_run(checkout, "turind8", "skadi")
        runs = {host: checkout.runs(host)[-1] for host in ("turind8", "skadi")}
        lab("kill", "skadi")
        lab("reboot", "thor")
        lab("start", "skadi")
        done = finish(process)
    return done, runs


@pytest.mark.full
def test_a_jump_box_that_reboots_costs_the_benchmark_nothing(
    checkout: LabProject, rebooted: tuple[Done, dict[str, Run]]
) -> None:
    run = check_left_behind(checkout, rebooted[1]["turind8"].path)
    assert run.status["exit_status"] == 0, run.status["alerts"]
    assert [row["outcome"] for row in run.status["executions"]] == ["passed"]


@pytest.mark.full
def test_a_target_that_lost_its_power_is_told_from_one_that_cannot_be_reached(
    checkout: LabProject, rebooted: tuple[Done, dict[str, Run]]
) -> None:
    done, runs = rebooted
    assert done.rc == 1, done.said
    run = check_left_behind(checkout, runs["skadi"].path)
    failure = failure_of(run, "made-up.execute")
    assert (failure["code"], failure["where"]) == ("target_rebooted", "skadi")
    (ended,) = run.records("execution.ended")
    assert ended["outcome"] == "lost"
    # What the benchmark had written until then is kept.
    assert (run.path / f"benchmarks/made-up/{EXECUTION}/progress.ndjson").exists()


@pytest.mark.full
def test_a_jump_box_that_dies_is_named_for_every_host_behind_it(
    broken_lab: LabControl, checkout: LabProject
) -> None:
    hosts = ("turind8", "skadi")
    before = {host: len(checkout.runs(host)) for host in hosts}
    process = checkout.start("rackbench", "run", "--host", ",".join(hosts), *ONLY)
    for host in hosts:
        wait_for(lambda host=host: len(checkout.runs(host)) > before[host], process)  # type: ignore[misc]
        journal = checkout.runs(host)[-1].path / "events.jsonl"
        # The directory is there a moment before its journal.
        wait_for(lambda journal=journal: journal.exists() and '"platform"' in journal.read_text(), process)  # type: ignore[misc]
    broken_lab("kill", "thor")
    done = finish(process)
    assert done.rc == 3, done.said
    for host in hosts:
        run = check_left_behind(checkout, checkout.runs(host)[-1].path)
        assert run.status["exit_status"] == 3
        primary = run.status["alerts"]["primary"]
        assert primary["code"] == "hop_unreachable", primary
        assert "thor" in primary["message"]
