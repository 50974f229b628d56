# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules bundle, job and collect as real processes on this machine, in a home directory of their own."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rackbench.models.job import JobSpec, JobState, JobStop

from tests.unit.plugins.target import NEVER_S, PATIENCE_S, REPOSITORY, RUN_ID, Target, code

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

pytestmark = pytest.mark.slow


def test_a_bundle_is_asked_for_uploaded_and_found_again(target: Target) -> None:
    found = target.call("target_bundle", sha256=target.sha256)
    assert (found["present"], found["changed"]) == (False, False)
    assert Path(found["upload"]).parent == target.root / "uploads"
    placed = target.stage()
    assert (placed["present"], placed["changed"], placed["files"]) == (True, True, 2)
    assert target.files() == {
        f"bundles/{target.sha256}/{name}" for name in (".complete", "bin/run", "share/table.csv")
    }
    assert os.access(Path(placed["path"]) / "bin/run", os.X_OK)
    again = target.call("target_bundle", sha256=target.sha256)
    assert (again["present"], again["changed"], again["path"]) == (True, False, placed["path"])


def test_an_upload_whose_bytes_changed_is_refused_and_removed(target: Target) -> None:
    upload = Path(target.call("target_bundle", sha256=target.sha256)["upload"])
    upload.write_bytes(target.uploads.read_bytes()[:-1])
    assert code(target.unpack(str(upload))) == "bundle_digest_mismatch"
    assert target.files() == set()


def test_a_bundle_with_more_bytes_than_declared_is_refused(target: Target) -> None:
    upload = target.call("target_bundle", sha256=target.sha256)["upload"]
    shutil.copy(target.uploads, upload)
    assert code(target.unpack(upload, sidecar={**target.sidecar, "unpacked_size": 9})) == "archive_unsafe"
    assert target.files() == set()


def test_half_an_upload_can_be_discarded(target: Target) -> None:
    upload = Path(target.call("target_bundle", sha256=target.sha256)["upload"])
    upload.write_bytes(b"half")
    arguments = {"state": "discarded", "sha256": target.sha256, "upload": str(upload)}
    assert target.call("target_bundle", check=True, **arguments)["changed"]
    assert upload.exists()
    assert target.call("target_bundle", **arguments)["changed"]
    assert not target.call("target_bundle", **arguments)["changed"]
    assert code(target.call("target_bundle", **{**arguments, "upload": "/etc/hostname"})) == "internal_error"


@pytest.mark.parametrize("change", ["changed", "removed", "added", "linked"])
def test_an_unpacked_bundle_that_changed_is_refused_by_name(target: Target, change: str) -> None:
    place = Path(target.stage()["path"])
    table = place / "share/table.csv"
    if change == "added":
        (place / "share/extra").write_bytes(b"x")
    else:
        table.unlink()
    if change == "changed":
        table.write_bytes(b"1,3\n")
    if change == "linked":
        table.symlink_to("../bin/run")
    result = target.call("target_bundle", sha256=target.sha256)
    assert code(result) == "bundle_digest_mismatch"
    assert ("share/extra" if change == "added" else "share/table.csv") in result["msg"]


@pytest.mark.parametrize("added", ["share/__pycache__/a.pyc", "share/link", "link-to-directory", "pipe"])
def test_a_python_cache_a_link_or_a_pipe_in_an_unpacked_bundle_is_a_change(
    target: Target, added: str
) -> None:
    place = Path(target.stage()["path"])
    path = place / added
    path.parent.mkdir(exist_ok=True)
    if added == "pipe":
        os.mkfifo(path)
    elif added.endswith(".pyc"):
        path.write_bytes(b"x")
    else:
        path.symlink_to("share" if added == "link-to-directory" else "table.csv")
    for result in (target.call("target_bundle", sha256=target.sha256), target.start("good")):
        assert code(result) == "bundle_digest_mismatch"
        assert added in result["msg"]
    assert not target.job_dir("good").exists()


def test_a_bundle_that_is_a_link_to_another_place_is_a_change(target: Target) -> None:
    place = Path(target.stage()["path"])
    place.rename(target.home / "elsewhere")
    place.symlink_to(target.home / "elsewhere")
    assert code(target.start("good")) == "bundle_digest_mismatch"


def test_a_program_that_changed_since_it_was_staged_is_not_started(target: Target) -> None:
    place = Path(target.stage()["path"])
    (place / "bin/run").write_bytes(b"#!/bin/sh\ntouch somewhere-else\n")
    result = target.start("good")
    assert code(result) == "bundle_digest_mismatch"
    assert "bin/run" in result["msg"]
    assert not target.job_dir("good").exists()


@pytest.mark.parametrize(
    "entry_point", ["/bin/sh", "../../elsewhere", "bin/../../../elsewhere", "..", ".", "", "bin//run", "bin/"]
)
def test_an_entry_point_outside_the_bundle_is_refused(target: Target, entry_point: str) -> None:
    target.stage()
    assert code(target.start("good", entry_point=entry_point)) == "internal_error"
    assert not target.job_dir("good").exists()


def test_the_marker_does_not_say_what_is_executed(target: Target) -> None:
    marker = Path(target.stage()["path"]) / ".complete"
    document = json.loads(marker.read_text())
    marker.write_text(json.dumps({**document, "entry_point": "/bin/false"}))
    result = target.start("good", wait_s=PATIENCE_S)
    assert result["job_state"]["outcome"] == "passed"
    assert result["argv"][0] == f"{marker.parent}/bin/run"


def test_an_execution_that_ended_is_found_when_its_bundle_is_gone(target: Target) -> None:
    place = Path(target.stage()["path"])
    ended = target.start("good", wait_s=PATIENCE_S)["job_state"]
    shutil.rmtree(place)
    assert target.start("good")["job_state"] == ended


def start_while(target: Target, happen: Callable[[], Any], **changed: Any) -> dict[str, Any]:
    """Start a job; let something happen while it waits for the lock of the bundles; return the module's answer."""
    bundles = target.root / "bundles"
    handle = os.open(bundles, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with ThreadPoolExecutor(1) as pool:
            try:
                starting = pool.submit(target.start, "good", **changed)
                inode = f":{bundles.stat().st_ino} "
                deadline = time.monotonic() + PATIENCE_S
                # The kernel names who waits for a lock with an arrow.
                while not any(
                    "->" in line and inode in line for line in Path("/proc/locks").read_text().splitlines()
                ):
                    assert not starting.done(), starting.result()
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
                happen()
            finally:
                fcntl.flock(handle, fcntl.LOCK_UN)
            return starting.result()
    finally:
        os.close(handle)


def test_a_start_waits_for_who_removes_bundles_and_then_says_that_its_bundle_is_gone(target: Target) -> None:
    place = Path(target.stage()["path"])
    assert code(start_while(target, lambda: shutil.rmtree(place))) == "bundle_not_staged"
    assert not target.job_dir("good").exists()


def test_a_start_and_an_end_count_as_uses_of_the_bundle(target: Target) -> None:
    marker = Path(target.stage()["path"]) / ".complete"
    os.utime(marker, (0, 0))
    target.start("wait")
    assert marker.stat().st_mtime > 0
    os.utime(marker, (0, 0))
    (target.job_dir("wait") / "out/go").touch()
    assert target.wait("wait")["job_state"]["outcome"] == "passed"
    assert marker.stat().st_mtime > 0


def test_a_digest_that_is_none_is_refused(target: Target) -> None:
    assert code(target.call("target_bundle", sha256="../../etc")) == "internal_error"


def test_check_mode_changes_nothing_on_the_target(target: Target) -> None:
    assert not target.call("target_bundle", check=True, sha256=target.sha256)["present"]
    assert not target.root.exists()
    target.stage()
    before = target.files()
    started = target.start("good", check=True)
    assert (started["changed"], started["started"]) == (True, True)
    collected = target.call("target_collect", check=True, run_id=RUN_ID, executions=["made-up.good.1"])
    assert collected["files"] == []
    assert target.files() == before


def test_a_job_passes_and_is_found_again_instead_of_run_again(target: Target) -> None:
    target.stage()
    first = target.start("good", wait_s=PATIENCE_S)
    assert (first["changed"], first["started"]) == (True, True)
    assert (first["job_state"]["state"], first["job_state"]["outcome"]) == ("ended", "passed")
    assert first["heartbeat"]["done"] == 1
    again = target.start("good", wait_s=PATIENCE_S)
    assert (again["changed"], again["started"]) == (False, False)
    assert again["job_state"] == first["job_state"]
    assert (target.job_dir("good") / "out/runs").read_text() == "run\n"
    assert len(list((target.root / "lib").iterdir())) == 1


@pytest.mark.full
def test_a_job_that_runs_is_answered_with_its_heartbeat_and_waited_for(target: Target) -> None:
    target.stage()
    started = target.start("wait")
    assert started["job_state"]["state"] == "running"
    running = target.wait("wait", wait_s=0.5)
    assert running["job_state"]["state"] == "running"
    (target.job_dir("wait") / "out/go").touch()
    assert target.wait("wait")["job_state"]["outcome"] == "passed"


def test_a_job_that_fails_answers_with_the_end_of_its_stderr(target: Target) -> None:
    target.stage()
    result = target.start("crash", wait_s=PATIENCE_S)
    assert (result["job_state"]["outcome"], result["job_state"]["rc"]) == ("failed", 1)
    assert result["stderr_tail"] == "crashed on purpose"


def test_a_job_whose_supervisor_was_killed_is_lost_and_its_processes_end(
    target: Target, supervisor: ModuleType
) -> None:
    target.stage()
    target.start("wait")
    benchmark = target.benchmark_pid("wait")
    os.kill(json.loads((target.job_dir("wait") / "state.json").read_text())["pid"], signal.SIGKILL)
    lost = target.wait("wait")["job_state"]
    assert (lost["state"], lost["outcome"], lost["reason"]) == ("ended", "lost", "supervisor_gone")
    assert json.loads((target.job_dir("wait") / "state.json").read_text()) == lost
    deadline = time.monotonic() + PATIENCE_S
    while supervisor.start_ticks(benchmark) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert supervisor.start_ticks(benchmark) is None
    assert target.start("wait")["job_state"] == lost


def test_a_job_of_another_boot_is_lost_by_reboot(target: Target) -> None:
    target.stage()
    target.start("good", wait_s=PATIENCE_S)
    path = target.job_dir("good") / "state.json"
    state = json.loads(path.read_text())
    path.write_text(json.dumps({**state, "state": "running", "outcome": None, "boot_id": "another boot"}))
    seen = target.wait("good", check=True)["job_state"]
    assert (seen["outcome"], seen["reason"]) == ("lost", "target_rebooted")
    assert json.loads(path.read_text())["state"] == "running"
    assert target.wait("good")["job_state"]["reason"] == "target_rebooted"
    assert json.loads(path.read_text())["outcome"] == "lost"


def utc_text(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))


@pytest.mark.parametrize(
    ("outcome", "before_boot_s", "expected"),
    [
        pytest.param("killed", 30, ("lost", "target_rebooted"), id="killed by the shutdown"),
        pytest.param("killed", 7200, ("killed", "asked"), id="killed long before"),
        pytest.param("killed", -7200, ("killed", "asked"), id="killed after it by a clock that was wrong"),
        pytest.param("failed", 30, ("failed", "asked"), id="failed by itself"),
        pytest.param("cancelled", 30, ("cancelled", "asked"), id="stopped by a person"),
    ],
)
def test_a_job_that_was_killed_right_before_a_boot_was_ended_by_the_reboot(
    target: Target, outcome: str, before_boot_s: float, expected: tuple[str, str]
) -> None:
    target.stage()
    target.start("good", wait_s=PATIENCE_S)
    path = target.job_dir("good") / "state.json"
    first_process = int(Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19]) / os.sysconf(
        "SC_CLK_TCK"
    )
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + first_process
    ended = {"outcome": outcome, "reason": "asked", "ended_at": utc_text(booted - before_boot_s)}
    path.write_text(json.dumps({**json.loads(path.read_text()), **ended, "boot_id": "another boot"}))
    state = target.wait("good")["job_state"]
    assert (state["outcome"], state["reason"]) == expected
    assert json.loads(path.read_text()) == state


def stop(target: Target, act: str, *, check: bool = False, **changed: Any) -> dict[str, Any]:
    arguments = {
        "run_id": RUN_ID,
        "execution_id": f"made-up.{act}.1",
        "by": "thora@desk",
        "reason": "tea",
        **changed,
    }
    return target.call("target_job", check=check, state="stopped", **arguments)


def remove(target: Target, act: str, *, check: bool = False) -> dict[str, Any]:
    return target.call(
        "target_job", check=check, state="absent", run_id=RUN_ID, execution_id=f"made-up.{act}.1"
    )


def listed(target: Target, *, check: bool = False, **more: Any) -> dict[str, Any]:
    return target.call("target_job", check=check, state="listed", run_id=RUN_ID, **more)


def state_on_disk(target: Target, act: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((target.job_dir(act) / "state.json").read_text())
    return document


def prepared(target: Target, supervisor: ModuleType, act: str) -> Path:
    """Make the job directory of an execution that nobody started yet."""
    place = target.stage()["path"]
    job_dir = target.job_dir(act)
    supervisor.prepare(
        job_dir,
        {
            "execution_id": f"made-up.{act}.1",
            "bundle_dir": place,
            "argv": [f"{place}/bin/run", "--config", f"{job_dir}/job.json", "--out", f"{job_dir}/out"],
            "time_limit_s": NEVER_S,
            "grace_s": 1,
            "interval_s": 1,
        },
        {"parameters": {"act": act}},
    )
    return job_dir


def test_a_running_job_is_stopped_once_and_says_who_did_it(target: Target, supervisor: ModuleType) -> None:
    target.stage()
    target.start("wait")
    benchmark = target.benchmark_pid("wait")
    planned = stop(target, "wait", check=True)
    assert (planned["changed"], planned["job_state"]["state"]) == (True, "running")
    assert not (target.job_dir("wait") / "stop.json").exists()
    stopped = stop(target, "wait")
    assert stopped["changed"]
    state = stopped["job_state"]
    assert (state["state"], state["outcome"], state["signal"]) == ("ended", "cancelled", "SIGTERM")
    assert state["reason"] == "thora@desk stopped it: tea"
    assert stopped["conditions"]["after"]["own_cpu_s"] >= 0
    assert supervisor.start_ticks(benchmark) is None
    JobStop.model_validate_json((target.job_dir("wait") / "stop.json").read_text())
    again = stop(target, "wait", by="somebody else")
    assert (again["changed"], again["job_state"]) == (False, state)


def test_a_stop_leaves_a_job_that_ended_by_itself(target: Target) -> None:
    target.stage()
    ended = target.start("good", wait_s=PATIENCE_S)["job_state"]
    stopped = stop(target, "good")
    assert (stopped["changed"], stopped["job_state"]) == (False, ended)
    assert not (target.job_dir("good") / "stop.json").exists()


def test_a_job_that_nobody_started_yet_is_stopped_and_then_never_begun(
    target: Target, supervisor: ModuleType
) -> None:
    job_dir = prepared(target, supervisor, "good")
    assert stop(target, "good")["job_state"]["outcome"] == "cancelled"
    assert target.start("good", wait_s=PATIENCE_S)["job_state"]["outcome"] == "cancelled"
    assert list((job_dir / "out").iterdir()) == []


def test_a_job_whose_supervisor_is_gone_is_lost_and_not_stopped(target: Target) -> None:
    target.stage()
    target.start("wait")
    os.kill(state_on_disk(target, "wait")["pid"], signal.SIGKILL)
    stopped = stop(target, "wait")
    assert (stopped["changed"], stopped["job_state"]["outcome"]) == (False, "lost")
    # Who wants to judge it finds what is there now beside what was there before.
    assert stopped["conditions"]["before"]["boot_id"] == stopped["conditions"]["after"]["boot_id"]


@pytest.mark.full
def test_a_supervisor_that_hangs_is_killed_by_a_stop(target: Target, supervisor: ModuleType) -> None:
    target.stage()
    target.start("wait", grace_s=0)
    benchmark = target.benchmark_pid("wait")
    os.kill(state_on_disk(target, "wait")["pid"], signal.SIGSTOP)
    stopped = stop(target, "wait")
    assert (stopped["changed"], stopped["job_state"]["outcome"]) == (True, "lost")
    deadline = time.monotonic() + PATIENCE_S
    while supervisor.start_ticks(benchmark) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert supervisor.start_ticks(benchmark) is None


@pytest.mark.full
def test_only_the_directory_of_a_job_that_has_ended_is_removed(
    target: Target, supervisor: ModuleType
) -> None:
    assert not remove(target, "wait")["changed"]
    job_dir = prepared(target, supervisor, "wait")
    assert code(remove(target, "wait")) == "execution_conflict"
    target.start("wait")
    refused = remove(target, "wait")
    assert code(refused) == "execution_conflict"
    assert str(job_dir) in refused["msg"]
    stop(target, "wait")
    assert remove(target, "wait", check=True)["changed"]
    assert job_dir.is_dir()
    assert remove(target, "wait")["changed"]
    assert list(job_dir.parent.iterdir()) == []
    assert not remove(target, "wait")["changed"]


def test_a_job_directory_whose_state_is_damaged_is_removed(target: Target) -> None:
    target.stage()
    target.start("good", wait_s=PATIENCE_S)
    (target.job_dir("good") / "state.json").write_text("{")
    assert remove(target, "good")["changed"]
    assert not target.job_dir("good").exists()


@pytest.mark.full
def test_one_call_lists_all_jobs_of_a_run_and_all_bundles(target: Target, supervisor: ModuleType) -> None:
    assert (listed(target)["jobs"], listed(target)["bundles"]) == ({}, [])
    prepared(target, supervisor, "crash")
    target.start("good", wait_s=PATIENCE_S)
    target.start("wait")
    target.start("wait", execution_id="made-up.killed.1")
    os.kill(state_on_disk(target, "killed")["pid"], signal.SIGKILL)
    (target.job_dir("damaged")).mkdir()
    (target.root / "bundles/.unfinished").mkdir()
    (target.root / "bundles" / ("0" * 64)).mkdir()
    seen = listed(target, check=True)
    assert state_on_disk(target, "killed")["state"] == "running"
    found = listed(target)
    assert found["jobs"] == {**seen["jobs"], "made-up.killed.1": state_on_disk(target, "killed")}
    assert {name: (state["state"], state["outcome"]) for name, state in found["jobs"].items()} == {
        "made-up.crash.1": ("starting", None),
        "made-up.damaged.1": ("unknown", None),
        "made-up.good.1": ("ended", "passed"),
        "made-up.killed.1": ("ended", "lost"),
        "made-up.wait.1": ("running", None),
    }
    assert found["bundles"] == [target.sha256]
    assert found["now"].endswith("Z")
    assert target.call("target_job", state="listed", run_id="another run")["jobs"] == {}


def test_an_answer_tells_the_targets_time_and_the_conditions_of_what_has_ended(target: Target) -> None:
    target.stage()
    started = target.start("wait")
    assert "conditions" not in started
    (target.job_dir("wait") / "out/go").touch()
    ended = target.wait("wait")
    assert started["job_state"]["started_at"] <= started["now"] < ended["now"]
    assert ended["conditions"] == json.loads((target.job_dir("wait") / "conditions.json").read_text())


@pytest.fixture
def lease(target: Target) -> dict[str, str]:
    """What the controller hands to jobs: the lease of a target that nobody has taken yet."""
    path = target.home / "lease/lease.json"
    return {"path": str(path), "lease_id": f"{RUN_ID}-0123abcd", "owner": "thora@desk", "purpose": "made-up"}


def lease_call(target: Target, lease: dict[str, str], state: str, **changed: Any) -> dict[str, Any]:
    arguments = {"dir": str(Path(lease["path"]).parent), "run_id": RUN_ID, **lease, **changed}
    del arguments["path"]
    return target.call("lease", state=state, **arguments)


def test_a_job_takes_a_lease_that_ran_out_again_and_its_supervisor_keeps_it(
    target: Target, lease: dict[str, str]
) -> None:
    target.stage()
    other = {**lease, "lease_id": "another-0000aaaa", "run_id": "another", "owner": "njord@boat"}
    lease_call(target, other, "taken")
    os.utime(lease["path"], (time.time() - 9000, time.time() - 9000))
    assert target.start("good", lease=lease, wait_s=PATIENCE_S)["job_state"]["outcome"] == "passed"
    document = json.loads(Path(lease["path"]).read_text())
    assert (document["lease_id"], document["run_id"], document["owner"]) == (
        lease["lease_id"],
        RUN_ID,
        "thora@desk",
    )
    spec = json.loads((target.job_dir("good") / "spec.json").read_text())
    assert spec["lease"] == {"path": lease["path"], "lease_id": lease["lease_id"]}
    JobSpec.model_validate(spec)


def test_a_job_renews_the_lease_that_the_run_has(target: Target, lease: dict[str, str]) -> None:
    target.stage()
    lease_call(target, lease, "taken")
    taken = json.loads(Path(lease["path"]).read_text())
    os.utime(lease["path"], (time.time() - 1000, time.time() - 1000))
    target.start("good", lease=lease, wait_s=PATIENCE_S)
    assert json.loads(Path(lease["path"]).read_text()) == taken
    assert time.time() - Path(lease["path"]).stat().st_mtime < 900


def test_a_job_is_not_begun_when_another_run_has_the_target(target: Target, lease: dict[str, str]) -> None:
    target.stage()
    other = {**lease, "lease_id": "another-0000aaaa", "run_id": "another", "owner": "njord@boat"}
    lease_call(target, other, "taken")
    refused = target.start("wait", lease=lease)
    assert code(refused) == "lease_lost"
    assert "njord@boat" in refused["msg"]
    assert not target.job_dir("wait").exists()


def test_a_job_is_not_begun_when_the_lease_was_given_back(target: Target, lease: dict[str, str]) -> None:
    target.stage()
    lease_call(target, lease, "taken")
    lease_call(target, lease, "released")
    assert code(target.start("wait", lease=lease)) == "lease_lost"
    assert not target.job_dir("wait").exists()


def test_a_job_that_runs_is_found_again_whoever_has_the_target(target: Target, lease: dict[str, str]) -> None:
    target.stage()
    lease_call(target, lease, "taken")
    target.start("wait", lease=lease)
    other = {**lease, "lease_id": "another-0000aaaa", "run_id": "another", "owner": "njord@boat"}
    lease_call(target, other, "taken", steal=True, reason="a test")
    assert target.start("wait", lease=lease)["job_state"]["state"] == "running"


def test_a_job_is_not_begun_beside_another_one_that_runs(target: Target, lease: dict[str, str]) -> None:
    target.stage()
    lease_call(target, lease, "taken")
    target.start("wait", lease=lease, run_id="another")
    refused = target.start("good", lease=lease)
    assert code(refused) == "host_at_work"
    assert "made-up.wait.1 of the run another" in refused["msg"]
    assert not target.job_dir("good").exists()
    # The one that runs is found again.
    assert target.start("wait", lease=lease, run_id="another")["job_state"]["state"] == "running"
    stop(target, "wait", run_id="another")
    assert target.start("good", lease=lease, wait_s=PATIENCE_S)["job_state"]["outcome"] == "passed"


@pytest.mark.parametrize("damage", ["a state of another boot", "a damaged state", "a state without its pid"])
def test_a_job_of_which_nothing_runs_is_in_nobodys_way(
    target: Target, lease: dict[str, str], damage: str
) -> None:
    target.stage()
    lease_call(target, lease, "taken")
    target.start("crash", wait_s=PATIENCE_S)
    path = target.job_dir("crash") / "state.json"
    running = {**state_on_disk(target, "crash"), "state": "running", "outcome": None}
    texts = {
        "a state of another boot": json.dumps({**running, "boot_id": "another boot"}),
        "a damaged state": "{",
        "a state without its pid": json.dumps({**running, "pid": None}),
    }
    path.write_text(texts[damage])
    assert target.start("good", lease=lease, wait_s=PATIENCE_S)["job_state"]["outcome"] == "passed"
    assert path.read_text() == texts[damage]


@pytest.mark.parametrize("made", ["made by this call", "made before"])
def test_a_job_is_not_begun_when_its_run_is_given_up_while_it_waits(
    target: Target, lease: dict[str, str], supervisor: ModuleType, made: str
) -> None:
    target.stage()
    lease_call(target, lease, "taken")
    if made == "made before":
        prepared(target, supervisor, "good")
    answer = start_while(target, lambda: lease_call(target, lease, "released"), lease=lease)
    assert code(answer) == "lease_lost"
    assert list(target.job_dir("good").parent.iterdir()) == []


def test_a_job_is_not_begun_when_another_one_begins_while_it_waits(
    target: Target, lease: dict[str, str], supervisor: ModuleType
) -> None:
    target.stage()
    lease_call(target, lease, "taken")
    target.start("wait")
    running = state_on_disk(target, "wait")
    path = target.job_dir("wait") / "state.json"
    supervisor.write_document(path, {**running, "state": "starting"}, sync=False)
    answer = start_while(target, lambda: supervisor.write_document(path, running, sync=False), lease=lease)
    assert code(answer) == "host_at_work"
    assert not target.job_dir("good").exists()


@pytest.mark.full
def test_a_job_of_another_run_with_the_same_id_is_neither_found_nor_listed_nor_stopped(
    target: Target, lease: dict[str, str]
) -> None:
    target.stage()
    lease_call(target, lease, "taken")
    target.start("wait", lease=lease)
    target.start("good", wait_s=PATIENCE_S)
    other = f"{RUN_ID}-ffff0000"
    for refused in (
        target.start("wait", lease={**lease, "lease_id": other}),
        target.start("wait", lease={**lease, "lease_id": other}, check=True),
        stop(target, "wait", lease_id=other),
    ):
        assert code(refused) == "execution_conflict"
        assert str(target.job_dir("wait")) in refused["msg"]
    # Whose the one without a lease is nobody knows.
    assert set(listed(target, lease_id=other)["jobs"]) == {"made-up.good.1"}
    both = {"made-up.good.1", "made-up.wait.1"}
    assert set(listed(target, lease_id=lease["lease_id"])["jobs"]) == both
    assert set(listed(target)["jobs"]) == both
    assert state_on_disk(target, "wait")["state"] == "running"
    assert stop(target, "wait", lease_id=lease["lease_id"])["job_state"]["outcome"] == "cancelled"


def wait_for_the_end(supervisor: ModuleType, pid: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while supervisor.start_ticks(pid) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("damage", ["{", "[]", '{"state": "running"}', None])
def test_a_job_with_a_damaged_state_is_stopped_by_its_supervisor(
    target: Target, supervisor: ModuleType, damage: str | None
) -> None:
    target.stage()
    target.start("wait")
    benchmark = target.benchmark_pid("wait")
    path = target.job_dir("wait") / "state.json"
    if damage is None:
        path.unlink()
    else:
        path.write_text(damage)
    assert code(stop(target, "wait", check=True)) == "execution_lost"
    assert supervisor.start_ticks(benchmark) is not None
    stopped = stop(target, "wait")
    assert (stopped["changed"], stopped["job_state"]["outcome"]) == (True, "cancelled")
    assert state_on_disk(target, "wait") == stopped["job_state"]
    assert supervisor.start_ticks(benchmark) is None


@pytest.mark.full
@pytest.mark.parametrize("how", ["killed", "hanging"])
def test_a_job_with_a_damaged_state_and_a_supervisor_that_is_of_no_use_is_lost(
    target: Target, supervisor: ModuleType, how: str
) -> None:
    target.stage()
    target.start("wait", grace_s=0)
    benchmark = target.benchmark_pid("wait")
    pid = state_on_disk(target, "wait")["pid"]
    os.kill(pid, signal.SIGKILL if how == "killed" else signal.SIGSTOP)
    if how == "killed":
        wait_for_the_end(supervisor, pid)
    assert supervisor.start_ticks(benchmark) is not None
    (target.job_dir("wait") / "state.json").write_text("{")
    assert listed(target)["jobs"]["made-up.wait.1"]["state"] == "unknown"
    stopped = stop(target, "wait")
    state = stopped["job_state"]
    assert stopped["changed"]
    assert (state["state"], state["outcome"], state["reason"]) == ("ended", "lost", "its state was damaged")
    JobState.model_validate(state)
    wait_for_the_end(supervisor, benchmark)
    wait_for_the_end(supervisor, pid)
    assert listed(target)["jobs"]["made-up.wait.1"] == state
    assert not stop(target, "wait")["changed"]
    assert remove(target, "wait")["changed"]


def test_a_job_directory_without_a_supervisor_yet_is_started(target: Target, supervisor: ModuleType) -> None:
    prepared(target, supervisor, "good")
    result = target.start("good", wait_s=PATIENCE_S)
    assert (result["started"], result["job_state"]["outcome"]) == (True, "passed")


def test_what_cannot_be_started_or_waited_for_says_why(target: Target) -> None:
    assert code(target.start("good")) == "bundle_not_staged"
    assert code(target.wait("good")) == "execution_lost"
    target.stage()
    target.start("good", wait_s=PATIENCE_S)
    assert code(target.start("good", bundle="0" * 64)) == "execution_conflict"
    (target.job_dir("good") / "state.json").write_text("{")
    assert code(target.wait("good")) == "execution_lost"


def test_results_are_packed_as_they_are_and_stay(target: Target, archive: ModuleType) -> None:
    target.stage()
    target.start("good", wait_s=PATIENCE_S)
    target.start("crash", wait_s=PATIENCE_S)
    before = target.files()
    names = ["made-up.good.1", "made-up.crash.1", "made-up.never.1"]
    packed = target.call("target_collect", run_id=RUN_ID, executions=names)
    assert packed["missing"] == ["made-up.never.1"]
    files = archive.unpack(
        Path(packed["archive"]),
        target.home / "got",
        max_bytes=10**6,
        max_files=99,
        max_members=packed["members"],
    )
    assert files == packed["files"]
    assert archive.sha256_file(Path(packed["archive"])) == packed["sha256"]
    got = target.home / "got"
    assert (got / "made-up.good.1/out/progress.ndjson").read_bytes().endswith(b'{"done": 2, "to')
    assert (got / "made-up.crash.1/stderr").read_text() == "crashed on purpose\n"
    assert json.loads((got / "made-up.good.1/state.json").read_text())["outcome"] == "passed"
    absent = {"state": "absent", "run_id": RUN_ID, "archive": packed["archive"]}
    assert target.call("target_collect", **absent)["changed"]
    assert not target.call("target_collect", **absent)["changed"]
    assert target.files() == before
    stray = str(target.job_dir("good") / "state.json")
    assert (
        code(target.call("target_collect", state="absent", run_id=RUN_ID, archive=stray)) == "internal_error"
    )


def test_results_that_are_too_large_are_refused_by_name(target: Target) -> None:
    target.stage()
    target.start("good", wait_s=PATIENCE_S)
    (target.job_dir("good") / "out/huge").write_bytes(bytes(10_000))
    before = target.files()
    result = target.call("target_collect", run_id=RUN_ID, executions=["made-up.good.1"], max_bytes=9_000)
    assert code(result) == "results_too_large"
    assert "out/huge" in result["msg"]
    assert target.files() == before


def test_a_home_that_is_no_directory_has_a_code(target: Target) -> None:
    target.root.write_text("in the way")
    assert code(target.call("target_bundle", sha256=target.sha256)) == "target_unwritable"


def test_the_modules_run_from_ansibles_zip(target: Target, tmp_path: Path) -> None:
    """The supervisor's source is read from the zip file that Ansible makes of a module."""
    target.stage()
    arguments = {
        "run_id": RUN_ID,
        "execution_id": "made-up.good.1",
        "bundle": target.sha256,
        "entry_point": "bin/run",
        "job": {"parameters": {"act": "good"}},
        "time_limit_s": NEVER_S,
        "wait_s": PATIENCE_S,
    }
    (tmp_path / "actions").mkdir()
    (tmp_path / "actions/call_module.py").write_text(
        "from ansible.plugins.action import ActionBase\n\n\n"
        "class ActionModule(ActionBase):\n"
        "    def run(self, tmp=None, task_vars=None):\n"
        "        module, arguments = self._task.args['module'], self._task.args['arguments']\n"
        "        return self._execute_module(module_name=module, module_args=arguments, task_vars=task_vars)\n"
    )
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible")),
            "localhost",
            "-m",
            "call_module",
            "-a",
            json.dumps({"module": "rackbench.lab.target_job", "arguments": arguments}),
            "-e",
            json.dumps({"ansible_python_interpreter": sys.executable}),
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={
            **os.environ,
            "HOME": str(target.home),
            "ANSIBLE_CONFIG": str(tmp_path / "none.cfg"),
            "ANSIBLE_ACTION_PLUGINS": str(tmp_path / "actions"),
            "ANSIBLE_COLLECTIONS_PATH": str(REPOSITORY / "collections"),
            "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1",
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal",
            "ANSIBLE_NOCOLOR": "1",
        },
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout[done.stdout.index("{") :])
    assert (result["started"], result["job_state"]["outcome"]) == (True, "passed")


def test_cpus_that_went_offline_after_the_plan_are_named_and_nothing_begins(target: Target) -> None:
    target.stage()
    job = {"schema": "rackbench.job/1.0", "parameters": {"act": "quick"}, "cpus": [0, 4095]}
    for check in (True, False):
        refused = target.start("quick", job=job, check=check)
        assert code(refused) == "cpus_offline"
        assert "4095" in refused["msg"]
    assert not target.job_dir("quick").exists()
