# SPDX-License-Identifier: GPL-3.0-or-later
"""What a benchmark is handed beside its bundle: secrets, that nobody else sees, and archives of the operator."""

from __future__ import annotations

import base64
import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.plugins.target import RUN_ID, Target, code

if TYPE_CHECKING:
    from types import ModuleType

pytestmark = pytest.mark.slow

SECRET = b"canary-9c1f2e77\n"
PRIVATE = {"licence": base64.b64encode(SECRET).decode()}


def test_a_secret_is_for_the_owner_only_and_gone_when_the_job_has_ended(target: Target) -> None:
    target.stage()
    answer = target.start("wait", private=PRIVATE)
    place = target.job_dir("wait") / "private"
    assert (place / "licence").read_bytes() == SECRET
    assert (place.stat().st_mode & 0o777, (place / "licence").stat().st_mode & 0o777) == (0o700, 0o600)
    (place / "made of it").mkdir()
    (target.job_dir("wait") / "out/go").touch()
    ended = target.wait("wait")
    assert ended["job_state"]["outcome"] == "passed"
    assert not place.exists()
    for told in (answer, ended):
        assert PRIVATE["licence"] not in json.dumps(told)
    for path in target.job_dir("wait").rglob("*"):
        assert path.is_dir() or SECRET.strip() not in path.read_bytes()


def test_a_secret_is_gone_when_the_supervisor_is_killed(target: Target) -> None:
    target.stage()
    target.start("wait", private=PRIVATE)
    target.benchmark_pid("wait")
    state = json.loads((target.job_dir("wait") / "state.json").read_text())
    os.kill(state["pid"], signal.SIGKILL)
    assert target.wait("wait")["job_state"]["outcome"] == "lost"
    assert not (target.job_dir("wait") / "private").exists()


def test_a_secret_is_no_part_of_what_is_collected(target: Target) -> None:
    target.stage()
    target.start("wait", private=PRIVATE)
    packed = target.call("target_collect", state="packed", run_id=RUN_ID, executions=["made-up.wait.1"])
    assert not [each for each in packed["files"] if "licence" in each["path"]]
    (target.job_dir("wait") / "out/go").touch()
    target.wait("wait")


def test_a_job_without_secrets_has_no_private_directory(target: Target) -> None:
    target.stage()
    target.start("good")
    target.wait("good")
    assert not (target.job_dir("good") / "private").exists()


@pytest.mark.parametrize("name", ["../licence", "a/b", ""])
def test_a_secret_whose_name_leaves_the_directory_is_refused(target: Target, name: str) -> None:
    target.stage()
    assert target.start("good", private={name: PRIVATE["licence"]})["failed"]
    assert not target.job_dir("good").exists()


def test_what_a_benchmark_keeps_for_its_owner_stays_so(
    target: Target, tmp_path: Path, archive: ModuleType
) -> None:
    target.stage()
    target.start("wait")
    out = target.job_dir("wait") / "out"
    (out / "private").mkdir(mode=0o700)
    (out / "private/claim_url.txt").write_text("https://example.org/claim\n")
    (out / "go").touch()
    target.wait("wait")
    packed = target.call("target_collect", state="packed", run_id=RUN_ID, executions=["made-up.wait.1"])
    tarball = target.root / "jobs" / RUN_ID / packed["archive"].rpartition("/")[2]
    assert tarball.stat().st_mode & 0o777 == 0o600
    archive.unpack(tarball, tmp_path / "here", max_bytes=10**6, max_files=100)
    here = tmp_path / "here/made-up.wait.1/out"
    assert (here / "private/claim_url.txt").stat().st_mode & 0o777 == 0o600
    assert (here / "result.json").stat().st_mode & 0o777 == 0o644


def test_an_attachment_is_told_to_the_benchmark_with_its_place(target: Target) -> None:
    other = Target(target.home, name="attached", table=b"7,8\n")
    place = other.stage()["path"]
    target.stage()
    target.start("good", attachments={"archive": other.sha256})
    job = json.loads((target.job_dir("good") / "job.json").read_text())
    assert job["attachments"] == {"archive": {"path": place, "sha256": other.sha256}}


@pytest.mark.parametrize(
    ("change", "expected"), [("changed", "bundle_digest_mismatch"), ("missing", "bundle_not_staged")]
)
def test_an_attachment_that_changed_or_is_not_there_starts_nothing(
    target: Target, change: str, expected: str
) -> None:
    other = Target(target.home, name="attached", table=b"7,8\n")
    if change == "changed":
        place = other.stage()["path"]
        (Path(place) / "share/table.csv").write_bytes(b"9\n")
    target.stage()
    answer: dict[str, Any] = target.start("good", attachments={"archive": other.sha256})
    assert code(answer) == expected
    assert not target.job_dir("good").exists()
