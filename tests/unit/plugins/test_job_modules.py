# SPDX-License-Identifier: Apache-2.0
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
from typing import TYPE_CHECKING

import pytest

from tests.unit.plugins.target import NEVER_S, PATIENCE_S, REPOSITORY, RUN_ID, Target, code

if TYPE_CHECKING:
    from types import ModuleType


def test_a_bundle_is_asked_for_uploaded_and_found_again(target: Target) -> None:
    found = target.call("bundle", sha256=target.sha256)
    assert (found["present"], found["changed"]) == (False, False)
    assert Path(found["upload"]).parent == target.root / "uploads"
    placed = target.stage()
    assert (placed["present"], placed["changed"], placed["files"]) == (True, True, 2)
    assert target.files() == {
        f"bundles/{target.sha256}/{name}" for name in (".complete", "bin/run", "share/table.csv")
    }
    assert os.access(Path(placed["path"]) / "bin/run", os.X_OK)
    again = target.call("bundle", sha256=target.sha256)
    assert (again["present"], again["changed"], again["path"]) == (True, False, placed["path"])


def test_an_upload_whose_bytes_changed_is_refused_and_removed(target: Target) -> None:
    upload = Path(target.call("bundle", sha256=target.sha256)["upload"])
    upload.write_bytes(target.uploads.read_bytes()[:-1])
    assert code(target.unpack(str(upload))) == "bundle_digest_mismatch"
    assert target.files() == set()


def test_a_bundle_with_more_bytes_than_declared_is_refused(target: Target) -> None:
    upload = target.call("bundle", sha256=target.sha256)["upload"]
    shutil.copy(target.uploads, upload)
    assert code(target.unpack(upload, sidecar={**target.sidecar, "unpacked_size": 9})) == "archive_unsafe"
    assert target.files() == set()


def test_half_an_upload_can_be_discarded(target: Target) -> None:
    upload = Path(target.call("bundle", sha256=target.sha256)["upload"])
    upload.write_bytes(b"half")
    arguments = {"state": "discarded", "sha256": target.sha256, "upload": str(upload)}
    assert target.call("bundle", check=True, **arguments)["changed"]
    assert upload.exists()
    assert target.call("bundle", **arguments)["changed"]
    assert not target.call("bundle", **arguments)["changed"]
    assert code(target.call("bundle", **{**arguments, "upload": "/etc/hostname"})) == "internal_error"


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
    result = target.call("bundle", sha256=target.sha256)
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
    for result in (target.call("bundle", sha256=target.sha256), target.start("good")):
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


def test_a_start_waits_for_who_removes_bundles_and_then_says_that_its_bundle_is_gone(target: Target) -> None:
    place = Path(target.stage()["path"])
    handle = os.open(place.parent, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with ThreadPoolExecutor(1) as pool:
            try:
                starting = pool.submit(target.start, "good")
                inode = f":{place.parent.stat().st_ino} "
                deadline = time.monotonic() + PATIENCE_S
                # The kernel names who waits for a lock with an arrow.
                while not any(
                    "->" in line and inode in line for line in Path("/proc/locks").read_text().splitlines()
                ):
                    assert not starting.done(), starting.result()
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
                shutil.rmtree(place)
            finally:
                fcntl.flock(handle, fcntl.LOCK_UN)
            assert code(starting.result()) == "bundle_not_staged"
    finally:
        os.close(handle)
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
    assert code(target.call("bundle", sha256="../../etc")) == "internal_error"


def test_check_mode_changes_nothing_on_the_target(target: Target) -> None:
    assert not target.call("bundle", check=True, sha256=target.sha256)["present"]
    assert not target.root.exists()
    target.stage()
    before = target.files()
    started = target.start("good", check=True)
    assert (started["changed"], started["started"]) == (True, True)
    collected = target.call("collect", check=True, run_id=RUN_ID, executions=["made-up.good.1"])
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


def test_a_job_directory_without_a_supervisor_yet_is_started(target: Target, supervisor: ModuleType) -> None:
    place = target.stage()["path"]
    job_dir = target.job_dir("good")
    supervisor.prepare(
        job_dir,
        {
            "execution_id": "made-up.good.1",
            "bundle_dir": place,
            "argv": [f"{place}/bin/run", "--config", f"{job_dir}/job.json", "--out", f"{job_dir}/out"],
            "time_limit_s": NEVER_S,
            "grace_s": 1,
            "interval_s": 1,
        },
        {"parameters": {"act": "good"}},
    )
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
    packed = target.call("collect", run_id=RUN_ID, executions=names)
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
    assert target.call("collect", **absent)["changed"]
    assert not target.call("collect", **absent)["changed"]
    assert target.files() == before
    stray = str(target.job_dir("good") / "state.json")
    assert code(target.call("collect", state="absent", run_id=RUN_ID, archive=stray)) == "internal_error"


def test_results_that_are_too_large_are_refused_by_name(target: Target) -> None:
    target.stage()
    target.start("good", wait_s=PATIENCE_S)
    (target.job_dir("good") / "out/huge").write_bytes(bytes(10_000))
    before = target.files()
    result = target.call("collect", run_id=RUN_ID, executions=["made-up.good.1"], max_bytes=9_000)
    assert code(result) == "results_too_large"
    assert "out/huge" in result["msg"]
    assert target.files() == before


def test_a_home_that_is_no_directory_has_a_code(target: Target) -> None:
    target.root.write_text("in the way")
    assert code(target.call("bundle", sha256=target.sha256)) == "target_unwritable"


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
            json.dumps({"module": "rackbench.lab.job", "arguments": arguments}),
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
