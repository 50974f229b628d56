# SPDX-License-Identifier: Apache-2.0
"""Archives of the operator: what is taken, what is refused and why, and what is put beside them."""

from __future__ import annotations

import io
import struct
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rackbench.adapters.catalog import read_adapter
from rackbench.bundles.attachments import look_at, tarball_of
from rackbench.bundles.digests import Digests
from rackbench.bundles.platforms import Platform
from rackbench.bundles.verify import verify

from tests.standins.geekbench.archive import make_archive

if TYPE_CHECKING:
    from rackbench.bundles.attachments import Attachment

ADAPTER = read_adapter(Path(__file__).resolve().parents[3] / "roles/geekbench/adapter.yml")
X86 = Platform("linux", "x86_64", "gnu", "2.36")
NAME = "Geekbench-6.5.0-Linux/geekbench6"
SCRIPT = b"#!/bin/sh\n"


def elf(machine: int) -> bytes:
    """Return the beginning of a 64-bit little-endian program for a machine."""
    return b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 2, machine) + bytes(44)


def made(path: Path, *members: tuple[str, bytes, int]) -> Path:
    """Make an archive of files: name, content and mode."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content, mode in members:
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), mode
            tar.addfile(info, io.BytesIO(content))
    return path


def looked_at(
    archive: Any, host: Platform | None = X86, base: Path = Path("/"), **more: Any
) -> tuple[Attachment, ...]:
    """Return what is said of the archive of a setting."""
    return look_at(ADAPTER, {"archive": archive, **more}, host, Digests(None), base)


def only(archive: Path, host: Platform | None = X86) -> Attachment:
    """Return what is said of an archive."""
    (found,) = looked_at(str(archive), host)
    return found


@pytest.mark.parametrize("version", [5, 6, 7])
def test_an_archive_is_taken_and_put_beside_a_sidecar_that_holds(tmp_path: Path, version: int) -> None:
    archive = make_archive(tmp_path / "operator", version)
    found = only(archive)
    assert found.accepted
    tarball = tarball_of("geekbench", found.as_dict(), tmp_path / "cache/attachments")
    assert verify(tarball) == []
    assert tarball.resolve() == archive
    assert [path.name for path in archive.parent.iterdir()] == [archive.name]
    # Again is no other.
    assert tarball_of("geekbench", found.as_dict(), tmp_path / "cache/attachments") == tarball


def test_a_relative_path_starts_at_the_project(tmp_path: Path) -> None:
    archive = make_archive(tmp_path)
    (found,) = looked_at(archive.name, base=tmp_path)
    assert (found.accepted, found.path) == (True, str(archive))


def test_a_path_that_begins_with_a_tilde_starts_at_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make_archive(tmp_path / "home/licensed")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (found,) = looked_at(f"~/licensed/{archive.name}", base=tmp_path / "project")
    assert (found.accepted, found.path) == (True, str(archive))


def test_without_an_archive_it_is_said_which_setting_is_missing() -> None:
    (found,) = looked_at(None)
    assert found.reason == "not_set"
    assert "lab_settings.geekbench.archive" in str(found.detail)
    assert "lab_settings.geekbench.install" in str(found.detail)


def test_an_install_on_the_host_makes_the_archive_unnecessary(tmp_path: Path) -> None:
    assert looked_at(None, install="/opt/geekbench") == ()
    (both,) = looked_at(str(make_archive(tmp_path)), install="/opt/geekbench")
    assert both.accepted


def test_an_archive_for_another_machine_is_refused_where_the_host_is_known(tmp_path: Path) -> None:
    arm = made(tmp_path / "arm.tar.gz", (NAME, elf(183), 0o755))
    refused = only(arm)
    assert (refused.reason, refused.machine) == ("platform", "aarch64")
    assert "linux-aarch64" in str(refused.detail)
    assert only(arm, None).accepted
    assert only(arm, replace(X86, machine="aarch64")).accepted
    assert only(made(tmp_path / "x86.tar.gz", (NAME, elf(62), 0o755))).accepted


def test_a_program_of_another_kind_in_the_archive_is_named(tmp_path: Path) -> None:
    refused = only(made(tmp_path / "Geekbench-6.5.0-Linux.tar.gz", ("other/bin/run", SCRIPT, 0o755)))
    assert refused.reason == "unfit"
    assert "is no archive of Geekbench 5, 6 or 7 for Linux" in str(refused.detail)


@pytest.mark.parametrize(
    "name", ["a/geekbench4", "a/geekbench8", "a/geekbench6.txt", "a/b/geekbench6", "a/Geekbench6"]
)
def test_a_program_with_a_name_like_it_is_none(tmp_path: Path, name: str) -> None:
    assert only(made(tmp_path / "a.tar.gz", (name, SCRIPT, 0o755))).reason == "unfit"


def test_a_program_that_is_not_executable_is_refused(tmp_path: Path) -> None:
    refused = only(made(tmp_path / "a.tar.gz", (NAME, SCRIPT, 0o644)))
    assert refused.reason == "unfit"
    assert "not executable" in str(refused.detail)


def test_an_archive_with_a_link_is_refused_by_its_name(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        info = tarfile.TarInfo(NAME)
        info.size, info.mode = len(SCRIPT), 0o755
        tar.addfile(info, io.BytesIO(SCRIPT))
        link = tarfile.TarInfo("Geekbench-6.5.0-Linux/passwords")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/shadow"
        tar.addfile(link)
    assert "Geekbench-6.5.0-Linux/passwords" in str(only(archive).detail)


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 a zip file", b"\x1f\x8b\x08\x00"], ids=["empty", "zip", "cut"]
)
def test_a_file_that_is_no_tar_gz_is_refused(tmp_path: Path, content: bytes) -> None:
    archive = tmp_path / "Geekbench-6.5.0-Linux.tar.gz"
    archive.write_bytes(content)
    assert only(archive).reason == "unfit"


@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
def test_half_an_archive_is_refused(tmp_path: Path, part: float) -> None:
    archive = make_archive(tmp_path)
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(len(whole) * part)])
    assert only(archive).reason == "unfit"


def test_a_file_that_is_not_there_and_a_directory_are_named(tmp_path: Path) -> None:
    assert only(tmp_path / "none.tar.gz").reason == "missing"
    assert only(tmp_path).reason == "missing"
