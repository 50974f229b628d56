# SPDX-License-Identifier: GPL-3.0-or-later
"""The store on a target: parts that were given up, runs at the same time, quota, and what may be removed."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.unit.plugins.target import PATIENCE_S, RUN_ID, Target, code

pytestmark = pytest.mark.slow

DAY_S = 86400
RUNS = 4


@pytest.fixture
def other(target: Target) -> Target:
    """The same target, and another bundle of 100,000 bytes and more."""
    return Target(target.home, "other", b"x" * 100_000)


def bundle_bytes(target: Target) -> int:
    """Return how many bytes the staged bundle takes."""
    return int(str(target.sidecar["unpacked_size"]))


def set_last_use(target: Target, days_ago: float) -> None:
    then = time.time() - days_ago * DAY_S
    os.utime(target.root / "bundles" / target.sha256 / ".complete", (then, then))


def stored(target: Target) -> set[str]:
    return {path.name for path in (target.root / "bundles").iterdir()}


def names(items: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(item["kind"], item["name"]) for item in items}


def let_go(target: Target) -> None:
    """Let the waiting job end, and wait for its end."""
    (target.job_dir("wait") / "out/go").touch()
    assert target.wait("wait")["job_state"]["outcome"] == "passed"


def wait_until_unlocked(target: Target, act: str = "wait") -> None:
    """The supervisor lives on for a moment after the end that it wrote down."""
    with (target.job_dir(act) / ".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)


# Uploads.


@pytest.mark.full
def test_runs_that_stage_one_bundle_at_once_all_end_well_with_one_good_bundle(target: Target) -> None:
    with ThreadPoolExecutor(RUNS) as pool:
        found = list(pool.map(lambda _: target.look(), range(RUNS)))
        assert len({each["upload"] for each in found}) == RUNS
        for each in found:
            shutil.copy(target.uploads, each["upload"])
        placed = list(pool.map(lambda each: target.unpack(each["upload"]), found))
    assert [each["present"] for each in placed] == [True] * RUNS
    assert [each["changed"] for each in placed].count(True) == 1
    assert target.look()["present"]
    assert stored(target) == {target.sha256}
    assert list((target.root / "uploads").iterdir()) == []


def test_a_part_that_a_dead_controller_left_is_gone_after_the_next_run(target: Target) -> None:
    Path(target.look()["upload"]).write_bytes(target.uploads.read_bytes()[:100])
    assert target.stage()["present"]
    assert list((target.root / "uploads").iterdir()) == []


def test_a_part_of_another_bundle_is_removed_when_it_has_not_grown_for_long(
    target: Target, other: Target
) -> None:
    part = Path(other.look()["upload"])
    part.write_bytes(b"half")
    target.stage()
    assert part.exists()
    then = time.time() - 3600
    os.utime(part, (then, then))
    assert target.look(check=True)["present"]
    assert part.exists()
    assert target.look()["present"]
    assert not part.exists()


@pytest.mark.full
def test_an_upload_taken_away_because_another_run_was_quicker_is_no_failure(target: Target) -> None:
    slow = target.look()["upload"]
    Path(slow).write_bytes(b"half")
    assert target.stage()["changed"]
    assert not Path(slow).exists()
    late = target.unpack(slow)
    assert (late["present"], late["changed"]) == (True, False)
    dropped = target.call("target_bundle", state="discarded", sha256=target.sha256, upload=slow)
    assert (dropped["present"], dropped["changed"]) == (True, False)


def test_an_upload_taken_away_without_a_bundle_is_asked_for_again(target: Target) -> None:
    gone = target.unpack(target.look()["upload"])
    assert (gone["present"], gone["changed"]) == (False, False)
    assert stored(target) == set()


def test_what_a_killed_process_left_half_unpacked_is_removed_unless_one_may_be_at_work(
    target: Target,
) -> None:
    target.stage()
    half = target.root / "bundles/.half.tmp"
    (half / "bin").mkdir(parents=True)
    handle = os.open(half.parent, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        assert target.look()["present"]
        assert half.exists()
    finally:
        os.close(handle)
    assert target.look()["present"]
    assert not half.exists()


def test_a_bundle_without_its_marker_is_refused_and_not_taken_for_missing(target: Target) -> None:
    target.stage()
    (target.root / "bundles" / target.sha256 / ".complete").unlink()
    assert code(target.look()) == "bundle_digest_mismatch"


def test_a_bundle_whose_marker_is_nonsense_is_refused(target: Target) -> None:
    target.stage()
    (target.root / "bundles" / target.sha256 / ".complete").write_text("[" * 100_000)
    assert code(target.look()) == "bundle_digest_mismatch"


# Quota.


def test_a_quota_removes_what_was_not_used_for_longest(target: Target, other: Target) -> None:
    third = Target(target.home, "third", b"y" * 100_000)
    target.stage()
    other.stage()
    set_last_use(target, 1)
    set_last_use(other, 2)
    quota = bundle_bytes(target) + bundle_bytes(other) + 1000
    planned = third.look(check=True, quota_bytes=quota)
    assert [each["sha256"] for each in planned["evicted"]] == [other.sha256]
    assert stored(target) == {target.sha256, other.sha256}
    found = third.stage(quota_bytes=quota)
    assert found["present"]
    assert stored(target) == {target.sha256, third.sha256}


def test_a_bundle_that_was_asked_for_is_used_last(target: Target, other: Target) -> None:
    target.stage()
    other.stage()
    set_last_use(target, 2)
    set_last_use(other, 1)
    assert target.look()["present"]
    third = Target(target.home, "third", b"y" * 100_000)
    third.stage(quota_bytes=bundle_bytes(target) + bundle_bytes(other) + 1000)
    assert stored(target) == {target.sha256, third.sha256}


def test_a_quota_that_leaves_room_removes_nothing(target: Target, other: Target) -> None:
    target.stage()
    found = other.look(quota_bytes=10_000_000)
    assert (found["evicted"], found["changed"]) == ([], False)
    assert stored(target) == {target.sha256}


def test_a_quota_does_not_take_the_bundle_of_a_running_job_and_names_what_is_used(
    target: Target, other: Target
) -> None:
    target.stage()
    target.start("wait")
    set_last_use(target, 1)
    quota = other.sidecar["unpacked_size"]
    full = other.look(quota_bytes=quota)
    assert code(full) == "store_full"
    for number in (quota, bundle_bytes(target), other.sidecar["unpacked_size"]):
        assert f"{number}" in full["msg"]
    assert stored(target) == {target.sha256}
    let_go(target)
    wait_until_unlocked(target)
    set_last_use(target, 1)
    found = other.look(quota_bytes=quota)
    assert [each["name"] for each in found["evicted"]] == ["made-up"]
    assert stored(target) == set()


def test_a_quota_passes_over_a_running_job_to_a_bundle_that_was_used_later(
    target: Target, other: Target
) -> None:
    third = Target(target.home, "third", b"y" * 100_000)
    target.stage()
    target.start("wait")
    other.stage()
    set_last_use(target, 2)
    set_last_use(other, 1)
    third.stage(quota_bytes=bundle_bytes(target) + bundle_bytes(third))
    assert stored(target) == {target.sha256, third.sha256}
    let_go(target)


def test_a_bundle_larger_than_the_quota_removes_nothing_and_says_so(target: Target, other: Target) -> None:
    target.stage()
    set_last_use(target, 1)
    full = other.look(quota_bytes=50_000)
    assert code(full) == "store_full"
    assert "The bundle alone needs" in full["msg"]
    assert stored(target) == {target.sha256}


def test_a_bundle_that_another_run_has_just_staged_gives_no_room_and_is_not_pruned(
    target: Target, other: Target
) -> None:
    target.stage()
    quota = int(str(other.sidecar["unpacked_size"]))
    full = other.look(quota_bytes=quota)
    assert code(full) == "store_full"
    assert "less than 600 s ago" in full["msg"]
    pruned = target.call("store", state="pruned", keep_days=0)
    assert (pruned["removed"], pruned["changed"]) == ([], False)
    (kept,) = pruned["kept"]
    assert "asked for less than 600 s ago" in kept["reason"]
    assert target.start("good", wait_s=PATIENCE_S)["job_state"]["outcome"] == "passed"
    wait_until_unlocked(target, "good")
    set_last_use(target, 1)
    assert [each["name"] for each in other.look(quota_bytes=quota)["evicted"]] == ["made-up"]


@pytest.mark.parametrize("days", [1, -1])
def test_a_bundle_of_yesterday_or_of_a_clock_that_was_set_back_is_pruned(target: Target, days: int) -> None:
    target.stage()
    set_last_use(target, days)
    assert names(target.call("store", state="pruned")["removed"]) == {("bundle", "made-up 1.0.0")}
    assert stored(target) == set()


def test_a_bundle_that_was_just_staged_and_is_damaged_is_pruned(target: Target) -> None:
    place = Path(target.stage()["path"])
    (place / "share/table.csv").write_bytes(b"?")
    assert [item["reason"] for item in target.call("store", state="pruned")["removed"]] == ["damaged"]
    assert stored(target) == set()


# Listing and removing.


def test_a_list_names_bundles_jobs_uploads_and_the_toolchain(target: Target, other: Target) -> None:
    assert target.call("store_info")["bundles"] == []
    assert not target.root.exists()
    target.stage()
    target.start("wait")
    Path(other.look()["upload"]).write_bytes(b"half")
    (target.root / "rust").mkdir()
    (target.root / "rust/cargo").write_bytes(b"12345")
    found = target.call("store_info")
    (bundle,), (job,), (upload,) = found["bundles"], found["jobs"], found["uploads"]
    assert (bundle["sha256"], bundle["name"], bundle["version"]) == (target.sha256, "made-up", "1.0.0")
    assert bundle["bytes"] == bundle_bytes(target)
    assert bundle["jobs"] == [f"{RUN_ID}/made-up.wait.1"]
    assert (job["run_id"], job["execution_id"]) == (RUN_ID, "made-up.wait.1")
    assert (job["state"], job["running"]) == ("running", True)
    assert (upload["bytes"], upload["given_up"]) == (4, False)
    assert found["toolchain"] == {"path": str(target.root / "rust"), "bytes": 5}
    let_go(target)


@pytest.mark.full
def test_pruning_keeps_the_bundle_of_a_running_job(target: Target, other: Target) -> None:
    target.stage()
    other.stage()
    set_last_use(other, 1)
    target.start("wait")
    planned = target.call("store", state="pruned", check=True)
    assert stored(target) == {target.sha256, other.sha256}
    done = target.call("store", state="pruned")
    for result in (planned, done):
        assert names(result["removed"]) == {("bundle", "other 1.0.0")}
        assert names(result["kept"]) == {("bundle", "made-up 1.0.0")}
        assert f"{RUN_ID}/made-up.wait.1" in result["kept"][0]["reason"]
        assert (result["changed"], result["freed_bytes"] > 100_000) == (True, True)
    assert stored(target) == {target.sha256}
    assert not target.call("store", state="pruned")["changed"]
    let_go(target)
    assert target.job_dir("wait").is_dir()


@pytest.mark.full
def test_pruning_with_days_keeps_what_was_used_since_but_for_what_is_damaged(
    target: Target, other: Target
) -> None:
    third = Target(target.home, "third", b"y" * 100_000)
    for each in (target, other, third):
        each.stage()
    set_last_use(other, 8)
    (third.root / "bundles" / third.sha256 / "share/table.csv").write_bytes(b"z" * 100_000)
    done = target.call("store", state="pruned", keep_days=7)
    reasons = {item["name"]: item["reason"] for item in done["removed"]}
    assert reasons == {"other 1.0.0": "not used", "third 1.0.0": "damaged"}
    assert stored(target) == {target.sha256}
    assert code(target.call("store", state="pruned", keep_days="nan")) == "unknown_option"
    assert stored(target) == {target.sha256}


@pytest.mark.full
def test_cleaning_keeps_what_a_running_job_needs_and_later_leaves_nothing(
    target: Target, other: Target
) -> None:
    before = sorted(target.home.rglob("*"))
    target.stage()
    other.stage()
    target.start("wait")
    target.start("good", run_id="20261121T090000Z-thor", wait_s=PATIENCE_S)
    Path(target.root / "uploads/young.part").write_bytes(b"half")
    (target.root / "rust").mkdir()
    first = target.call("store", state="cleaned")
    assert names(first["kept"]) == {
        ("job", RUN_ID),
        ("bundle", "made-up 1.0.0"),
        ("toolchain", "rust"),
        ("other", "lib"),
    }
    assert all("made-up.wait.1" in item["reason"] for item in first["kept"])
    assert names(first["removed"]) == {
        ("job", "20261121T090000Z-thor"),
        ("bundle", "other 1.0.0"),
        ("upload", "young.part"),
    }
    let_go(target)
    wait_until_unlocked(target)
    planned = target.call("store", state="cleaned", check=True)
    assert target.root.exists()
    last = target.call("store", state="cleaned")
    assert last == planned
    assert last["kept"] == []
    made = {target.uploads, other.uploads}
    assert [path for path in sorted(target.home.rglob("*")) if path not in made] == [
        path for path in before if path not in made
    ]
    assert not target.call("store", state="cleaned")["changed"]


def test_cleaning_keeps_the_original_settings_of_a_run_that_did_not_put_them_back(target: Target) -> None:
    target.stage()
    originals = target.root / "noise" / f"{RUN_ID}.json"
    originals.parent.mkdir()
    originals.write_text("{}")
    planned = target.call("store", state="cleaned", check=True)
    done = target.call("store", state="cleaned")
    assert done == planned
    assert names(done["kept"]) == {("other", "noise")}
    assert RUN_ID in done["kept"][0]["reason"]
    assert sorted(target.root.rglob("*")) == [originals.parent, originals]

    originals.unlink()
    assert target.call("store", state="cleaned")["kept"] == []
    assert not target.root.exists()


def test_cleaning_follows_a_link_for_the_directory_and_leaves_the_link(target: Target) -> None:
    disk = target.home / "large-disk"
    disk.mkdir()
    target.root.symlink_to(disk)
    target.stage()
    assert target.call("store", state="cleaned")["kept"] == []
    assert list(disk.iterdir()) == []
    assert target.root.is_symlink()
    assert target.stage()["present"]


def test_cleaning_refuses_a_directory_that_is_not_ours(target: Target) -> None:
    assert code(target.call("store", state="cleaned", root=str(target.home))) == "internal_error"
    assert target.uploads.exists()


def test_a_job_of_a_killed_supervisor_or_another_boot_holds_nothing(target: Target) -> None:
    target.stage()
    target.start("good", wait_s=PATIENCE_S)
    path = target.job_dir("good") / "state.json"
    state = json.loads(path.read_text())
    for change in ({"state": "running"}, {"state": "starting", "boot_id": "another boot"}):
        path.write_text(json.dumps({**state, **change}))
        (bundle,) = target.call("store_info")["bundles"]
        assert bundle["jobs"] == []
    path.write_text(json.dumps({**state, "state": "starting"}))
    (bundle,) = target.call("store_info")["bundles"]
    assert bundle["jobs"] == [f"{RUN_ID}/made-up.good.1"]
