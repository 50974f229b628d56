# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe of the module and that of the controller: the same fields, and no failure on a strange machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from rackbench.models.preflight import Probe
from rackbench.readiness import local
from rackbench.readiness.local import local_probe

from tests.unit.plugins.conftest import load
from tests.unit.plugins.target import Target

if TYPE_CHECKING:
    from pathlib import Path

FIELDS = {"commands", "package_manager", "python", "user", "root", "free_bytes", "memory_bytes", "stored"}
IS_ROOT = os.geteuid() == 0


@pytest.mark.parametrize("root", [False, True])
def test_the_module_and_the_controller_answer_the_same_questions(tmp_path: Path, root: bool) -> None:
    there = Target(tmp_path).call("target_preflight", commands=["sh", "no-such-tool"], root=root)["probe"]
    here = local_probe(["no-such-tool", "sh"], tmp_path, root=root)
    assert there.keys() == here.keys() == FIELDS == Probe.model_fields.keys()
    assert there["commands"] == here["commands"] == {"sh": shutil.which("sh"), "no-such-tool": None}
    for name in ("package_manager", "user", "root", "memory_bytes"):
        assert there[name] == here[name], name
    assert there["free_bytes"] > 0
    assert here["free_bytes"] > 0


def test_who_is_not_root_is_not_asked_for_sudo_unless_somebody_needs_it(tmp_path: Path) -> None:
    probe = Target(tmp_path).call("target_preflight", commands=[])["probe"]
    assert probe["root"] is (True if IS_ROOT else None)


def test_a_home_directory_that_is_missing_is_measured_above(tmp_path: Path) -> None:
    target = Target(tmp_path)
    target.home = tmp_path / "gone/and/never/made"
    assert target.call("target_preflight", commands=[])["probe"]["free_bytes"] > 0
    assert local_probe([], tmp_path / "not/yet")["free_bytes"] > 0


def test_of_the_bundles_asked_for_those_with_a_marker_are_stored(tmp_path: Path) -> None:
    target = Target(tmp_path)
    whole = target.stage()["path"]
    half, absent = "a" * 64, "b" * 64
    (tmp_path / ".rackbench/bundles" / half).mkdir()
    asked = [absent, target.sha256, half, "../../etc"]
    assert target.call("target_preflight", bundles=asked)["probe"]["stored"] == [target.sha256]
    assert local_probe([], tmp_path / ".rackbench", bundles=asked[:3])["stored"] == [target.sha256]
    assert whole.endswith(target.sha256)


@pytest.mark.skipif(not IS_ROOT, reason="mounting a file system needs root")
def test_free_space_is_that_of_the_disk_that_our_directory_links_to(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", str(disk)], check=True)
    try:
        (tmp_path / ".rackbench").symlink_to(disk / "not/made/yet")
        assert 0 < Target(tmp_path).call("target_preflight")["probe"]["free_bytes"] <= 1024 * 1024
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize(("program", "works"), [("exit 0", True), ("exit 1", False), (None, False)])
def test_sudo_that_is_missing_or_refuses_gives_no_root(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    program: str | None,
    works: bool,
) -> None:
    if program:
        sudo = tmp_path / "sudo"
        sudo.write_text(f"#!/bin/sh\n[ \"$*\" = '-n true' ] || exit 2\n{program}\n")
        sudo.chmod(0o755)
    host = load("_host")
    monkeypatch.setattr(host, "SEARCH_PATH", str(tmp_path))
    assert host.sudo_works() is works
    monkeypatch.setenv("PATH", str(tmp_path))
    assert local.sudo_works() is works
