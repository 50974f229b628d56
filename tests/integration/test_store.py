# SPDX-License-Identifier: GPL-3.0-or-later
"""The store of bundles on this machine as the target: what moves, what is refused, what is removed."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible.plugins.connection import local
from rackbench.models.store import StoreReport

from tests.integration import made_up
from tests.integration.harness import LIMIT_S, Done, LabProject, make_project
from tests.integration.test_faults import needs_root, small_file_system

ONLY = ("-e", "lab_benchmarks=made-up", "-e", "lab_phases=stage")
LARGE_BYTES = 4_000_000
# What is appended to Ansible's own connection to this machine: an upload of a bundle goes by `upload`, whose
# `wait(condition)` ends with its condition, and with the play when that is killed.
HELD = """

import os
import pathlib
import time


def put_file(self, in_path, out_path, plainly=Connection.put_file):
    play = os.getppid()

    def wait(condition):
        while not condition():
            if os.getppid() != play:
                os._exit(1)
            time.sleep(0.05)

    if out_path.endswith(".part"):
        upload(lambda: plainly(self, in_path, out_path), pathlib.Path(in_path), pathlib.Path(out_path), wait)
    else:
        plainly(self, in_path, out_path)


Connection.put_file = put_file
"""
# Uploads that are not over before the uploads of two runs have arrived.
TOGETHER = """
def upload(plainly, source, part, wait):
    plainly()
    (MEETING / part.name).touch()
    wait(lambda: len(list(MEETING.iterdir())) == 2)
"""
# Uploads that end in the middle, and stay there.
HALFWAY = """
def upload(plainly, source, part, wait):
    whole = source.read_bytes()
    part.write_bytes(whole[: len(whole) // 2])
    wait(lambda: False)
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> LabProject:
    """A checkout with a made-up benchmark."""
    project = make_project(tmp_path_factory.mktemp("store"))
    made_up.add(project, families=[made_up.family()])
    (project.root / "inventories/local/dead.yml").write_text(
        "all: {hosts: {dead: {ansible_host: 127.0.0.1, ansible_port: 9, ansible_connection: ssh}}}\n"
    )
    return project


@pytest.fixture
def target(checkout: LabProject, tmp_path: Path) -> LabProject:
    """The checkout, a home that nothing is in, and a host that nobody holds."""
    shutil.rmtree(checkout.home / "lease", ignore_errors=True)
    home = tmp_path / "home"
    home.mkdir()
    return replace(checkout, home=home)


def large(target: LabProject, folder: Path, table: bytes) -> LabProject:
    """Return a checkout of its own whose made-up bundle holds `table`."""
    project = replace(make_project(folder / "large"), home=target.home)
    made_up.add(project, families=[made_up.family()])
    source = project.root / "benchmarks/made-up"
    (source / "table").write_bytes(table)
    text = (source / "bundle.toml").read_text()
    (source / "bundle.toml").write_text(text.replace('["bin/run"]', '["bin/run", "table"]'))
    built = project.rackbench("bundle", "build", "benchmarks/made-up")
    assert built.rc == 0, built.said
    return project


def held(target: LabProject, folder: Path, upload: str) -> LabProject:
    """Return the checkout with a connection to this machine that uploads bundles by `upload`."""
    plugins, meeting = folder / "plugins", folder / "meeting"
    plugins.mkdir()
    meeting.mkdir()
    text = (
        Path(local.__file__).read_text() + HELD + f"\n\nMEETING = pathlib.Path({str(meeting)!r})\n" + upload
    )
    (plugins / "held.py").write_text(text)
    return replace(target, environment={**target.environment, "ANSIBLE_CONNECTION_PLUGINS": str(plugins)})


def store(target: LabProject) -> list[str]:
    """Return what is in the store; nothing may be half done, nor on its way."""
    root = target.home / ".rackbench"
    assert not list(root.glob("uploads/*"))
    names = sorted(path.name for path in root.glob("bundles/*"))
    assert not [name for name in names if name.startswith(".")]
    return names


def uploads(target: LabProject) -> list[tuple[int, bool]]:
    """Return bytes and reuse of each upload of the newest run."""
    lines = target.runs()[-1].lines("transfer_ledger.jsonl")
    return [(line["bytes"], line["reused"]) for line in lines if line["direction"] == "upload"]


def stage(target: LabProject, *arguments: str) -> Done:
    """Stage the made-up bundle on this machine, and assert that it went well."""
    done = target.playbook(*ONLY, *arguments)
    assert done.rc == 0, done.said
    return done


def report(done: Done) -> dict[str, Any]:
    """Return the only host of the document that a command printed."""
    (host,) = StoreReport.model_validate_json(done.stdout).model_dump()["hosts"]
    return dict(host)


def listing(home: Path) -> list[str]:
    """Return everything in a home; on this machine the controller's own Ansible keeps a directory there as well."""
    return sorted(
        str(path.relative_to(home))
        for path in home.rglob("*")
        if path.relative_to(home).parts[0] != ".ansible"
    )


@pytest.mark.full
def test_a_second_run_of_the_same_plan_moves_no_bytes(target: LabProject) -> None:
    plan = ("-e", "lab_benchmarks=made-up")
    assert target.playbook(*plan).rc == 0
    ((moved, reused),) = uploads(target)
    assert (moved > 0, reused) == (True, False)
    assert target.playbook(*plan).rc == 0
    assert uploads(target) == [(0, True)]
    assert len(store(target)) == 1


@pytest.mark.full
def test_two_runs_that_upload_one_bundle_at_once_both_end_well(target: LabProject, tmp_path: Path) -> None:
    before = len(target.runs())
    project = held(target, tmp_path, TOGETHER)
    play = ("ansible-playbook", "run.yml", "-l", "local", *ONLY, "-e", "ansible_connection=held", "-e")
    # Under one lease the second would wait for the first.
    plays = [project.start(*play, f"lab_lease_dir={tmp_path}/lease-{number}") for number in range(2)]
    for each in plays:
        stdout, stderr = each.communicate(timeout=LIMIT_S)
        assert each.returncode == 0, stdout + stderr
    assert len(target.runs()) == before + 2
    for run in target.runs()[-2:]:
        (upload,) = run.lines("transfer_ledger.jsonl")
        assert (upload["bytes"] > 0, upload["reused"]) == (True, False)
    assert len(store(target)) == 1


@pytest.mark.full
def test_a_bundle_that_was_changed_in_the_store_is_refused_until_it_is_pruned(target: LabProject) -> None:
    stage(target)
    (name,) = store(target)
    program = target.home / ".rackbench/bundles" / name / "bin/run"
    program.write_bytes(program.read_bytes() + b"\n")
    done = target.playbook(*ONLY)
    assert done.rc != 0
    (ended,) = [each for each in target.runs()[-1].records("step.ended") if each["step"] == "made-up.stage"]
    assert ended["failure"]["code"] == "bundle_digest_mismatch"
    command = ended["failure"]["next_command"]
    assert command == "rackbench bundle prune --host local"
    pruned = target.command(*command.split(), "--keep-days", "30", "--json")
    assert pruned.rc == 0, pruned.said
    assert [item["reason"] for item in report(pruned)["removed"]] == ["damaged"]
    stage(target)
    assert store(target) == [name]


@pytest.mark.full
def test_a_quota_makes_room_and_a_small_one_names_the_command_that_does(target: LabProject) -> None:
    stage(target)
    (first,) = store(target)
    place = target.home / ".rackbench/bundles"
    # A bundle of an earlier version that nothing has used since.
    shutil.copytree(place / first, place / ("0" * 64))
    os.utime(place / ("0" * 64) / ".complete", (0, 0))
    shutil.rmtree(place / first)
    sidecar = json.loads((place / ("0" * 64) / ".complete").read_text())
    stage(target, "-e", f"lab_store_quota_bytes={sidecar['unpacked_size'] + 1}")
    assert store(target) == [first]

    shutil.rmtree(place / first)
    # Another bundle that a run has staged just now keeps its room.
    shutil.copytree(target.root / "benchmarks/made-up", place / ("1" * 64))
    (place / ("1" * 64) / ".complete").write_text("{}")
    done = target.rackbench(
        "run", "--host", "local", *ONLY, "-e", f"lab_store_quota_bytes={sidecar['unpacked_size'] + 1}"
    )
    assert done.rc == 3, done.said
    assert "[store_full]" in done.said
    assert "less than 600 s ago" in done.said
    assert "rackbench bundle prune --host local" in done.said


@pytest.mark.full
def test_a_quota_smaller_than_the_bundle_blocks_in_preflight_until_the_bundle_is_there(
    target: LabProject,
) -> None:
    small = ("-e", "lab_benchmarks=made-up", "-e", "lab_store_quota_bytes=100")
    done = target.rackbench("run", "--host", "local", *small)
    assert done.rc == 3, done.said
    assert "lab_store_quota_bytes allows all bundles only 100: raise it." in done.said
    assert not list(target.home.glob(".rackbench/bundles/*"))
    stage(target)
    done = target.rackbench("run", "--host", "local", *small)
    assert done.rc == 0, done.said
    report = target.runs()[-1].document("preflight/summary.json")
    assert report["probe"]["stored"] == store(target)
    assert report["readiness"][0]["requirements"]["disk_bytes"] == 0


@needs_root
def test_a_disk_that_is_full_before_all_is_unpacked_leaves_nothing_half_in_the_store(
    target: LabProject, tmp_path: Path
) -> None:
    project = large(target, tmp_path, bytes(LARGE_BYTES))
    with small_file_system(target.home / ".rackbench", "-o", f"size={LARGE_BYTES // 2}"):
        done = project.rackbench("run", "--host", "local", *ONLY)
        assert done.rc == 3, done.said
        assert "[target_disk_full]" in done.said
        assert store(target) == []


@pytest.mark.full
@needs_root
def test_a_disk_that_is_full_before_all_is_uploaded_leaves_no_part(
    target: LabProject, tmp_path: Path
) -> None:
    project = large(target, tmp_path, random.Random(1).randbytes(LARGE_BYTES))
    with small_file_system(target.home / ".rackbench", "-o", f"size={LARGE_BYTES // 2}"):
        done = project.rackbench("run", "--host", "local", *ONLY)
        assert done.rc == 3, done.said
        assert "[target_disk_full]" in done.said
        assert store(target) == []


@pytest.mark.full
@needs_root
def test_a_read_only_store_serves_what_it_has_and_refuses_what_it_has_not(target: LabProject) -> None:
    root = target.home / ".rackbench"
    with small_file_system(root):
        stage(target)
        (name,) = store(target)
        subprocess.run(["mount", "-o", "remount,ro", str(root)], check=True)
        stage(target)
        assert uploads(target) == [(0, True)]
        subprocess.run(["mount", "-o", "remount,rw", str(root)], check=True)
        shutil.rmtree(root / "bundles" / name)
        subprocess.run(["mount", "-o", "remount,ro", str(root)], check=True)
        done = target.rackbench("run", "--host", "local", *ONLY)
        assert done.rc == 3, done.said
        assert "[target_unwritable]" in done.said


@pytest.mark.full
def test_a_controller_killed_while_it_uploads_leaves_nothing_after_the_next_run(
    target: LabProject, tmp_path: Path
) -> None:
    (whole,) = (path.stat().st_size for path in target.root.glob("dist/made-up-*.tar.gz"))
    halfway = held(target, tmp_path, HALFWAY)
    process = halfway.start(
        "ansible-playbook", "run.yml", "-l", "local", *ONLY, "-e", "ansible_connection=held"
    )
    deadline = time.monotonic() + LIMIT_S

    def sizes() -> list[int]:
        return [path.stat().st_size for path in target.home.glob(".rackbench/uploads/*.part")]

    while sizes() != [whole // 2]:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=LIMIT_S)
    assert sizes() == [whole // 2]
    # The run that was killed still has the lease.
    done = target.playbook(*ONLY, "-e", f"lab_lease_dir={tmp_path}/lease")
    assert done.rc == 0, done.said
    assert len(store(target)) == 1


@pytest.mark.full
def test_pruning_removes_unused_bundles_and_goes_on_without_a_host_that_cannot_be_reached(
    target: LabProject,
) -> None:
    stage(target)
    (name,) = store(target)
    fresh = target.rackbench("bundle", "prune", "--host", "local", "--json")
    assert fresh.rc == 0, fresh.said
    assert ["asked for less than" in item["reason"] for item in report(fresh)["kept"]] == [True]
    os.utime(target.home / ".rackbench/bundles" / name / ".complete", (0, 0))
    planned = target.rackbench("bundle", "prune", "--host", "local", "--check", "--json")
    assert planned.rc == 0, planned.said
    assert len(store(target)) == 1
    done = target.rackbench("bundle", "prune", "--host", "dead,local", "--json")
    assert done.rc == 3, done.said
    document = json.loads(done.stdout)
    StoreReport.model_validate(document)
    dead, local = document["hosts"]
    assert (dead["host"], dead["ok"], dead["code"]) == ("dead", False, "host_unreachable")
    assert "Connection refused" in dead["message"]
    assert local == report(planned)
    assert [(item["kind"], item["name"]) for item in local["removed"]] == [("bundle", "made-up 1.0.0")]
    assert store(target) == []


@pytest.mark.full
def test_cleaning_leaves_the_home_as_it_was_before_the_first_run(target: LabProject) -> None:
    (target.home / "mine.txt").write_text("not ours")
    before = listing(target.home)
    done = target.playbook("-e", "lab_benchmarks=made-up")
    assert done.rc == 0, done.said
    full = listing(target.home)
    planned = target.command(
        "ansible-playbook", "playbooks/clean.yml", "-l", "local", "-e", "lab_clean=clean", "--check"
    )
    assert planned.rc == 0, planned.said
    assert listing(target.home) == full
    for item in ("made-up 1.0.0", target.runs()[-1].status["run_id"], str(target.home / ".rackbench/lib")):
        assert item in planned.said
    cleaned = target.rackbench("hosts", "clean", "--host", "local", "--yes", "--json")
    assert cleaned.rc == 0, cleaned.said
    assert {item["kind"] for item in report(cleaned)["removed"]} == {"bundle", "job", "other", "directory"}
    assert listing(target.home) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("hosts", "clean", "--host", "local"), "--yes"),
        (("hosts", "clean", "--yes"), "--host"),
        (("hosts", "clean", "--yes", "--host", "locl"), "did you mean 'local'"),
        (("bundle", "prune"), "--host"),
        (("bundle", "prune", "--host", "local", "--keep-days", "-1"), "0 or more"),
        (("bundle", "prune", "--host", "local", "--keep-days", "nan"), "0 or more"),
    ],
)
def test_removing_without_saying_what_or_where_is_wrong_usage(
    target: LabProject, arguments: tuple[str, ...], words: str
) -> None:
    done = target.rackbench(*arguments)
    assert done.rc == 2, done.said
    assert words in done.said


def test_the_playbook_does_not_clean_everywhere_by_accident(target: LabProject) -> None:
    done = target.command(
        "ansible-playbook",
        "-i",
        "inventories/local/hosts.yml",
        "playbooks/clean.yml",
        "-e",
        "lab_clean=clean",
    )
    assert done.rc != 0
    assert "Say which hosts" in done.said
