# SPDX-License-Identifier: Apache-2.0
"""Listing and verifying bundles, also those that cannot be used."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rackbench.bundles.build import build
from rackbench.bundles.catalog import list_bundles, read_sidecar, sidecar_path, verify
from rackbench.errors import RackbenchError
from rackbench.files import sha256_of

MakeSource = Callable[..., Path]


def test_a_missing_directory_holds_no_bundles(tmp_path: Path) -> None:
    assert list_bundles([tmp_path / "none"]) == []


def test_the_newest_version_comes_first(make_source: MakeSource, tmp_path: Path) -> None:
    for version in ("1.9.0", "1.10.0", "1.2.0"):
        build(make_source(version, version=version), tmp_path / "dist")
    versions = [listed.sidecar.version for listed in list_bundles([tmp_path / "dist"]) if listed.sidecar]
    assert versions == ["1.10.0", "1.9.0", "1.2.0"]


def test_what_cannot_be_used_is_listed_with_its_reason(make_source: MakeSource, tmp_path: Path) -> None:
    dist = tmp_path / "dist"
    good = build(make_source(), dist)
    (dist / "lonely-1.0.0-any.tar.gz").write_bytes(b"")
    (dist / "gone-1.0.0-any.tar.gz.json").write_text("{}")
    (dist / "cut-1.0.0-any.tar.gz").write_bytes(b"")
    (dist / "cut-1.0.0-any.tar.gz.json").write_text('{"schema": ')
    reasons = {listed.tarball.name.split("-")[0]: listed.reason for listed in list_bundles([dist])}
    assert reasons.pop("probe") is None
    assert "json is missing" in (reasons["lonely"] or "")
    assert "tar.gz is missing" in (reasons["gone"] or "")
    assert "cut-1.0.0-any.tar.gz.json" in (reasons["cut"] or "")
    assert len(reasons) == 3
    assert good.tarball.exists()


def test_a_truncated_sidecar_is_refused_with_its_path(make_source: MakeSource, tmp_path: Path) -> None:
    built = build(make_source(), tmp_path / "dist")
    built.sidecar.write_bytes(built.sidecar.read_bytes()[:-10])
    with pytest.raises(RackbenchError) as caught:
        read_sidecar(built.tarball)
    assert caught.value.code == "bundle_unreadable"
    assert str(built.sidecar) in caught.value.message


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_one_changed_byte_anywhere_is_found(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("changed")
    tarball, _sidecar = _bundle(folder, {"bin/run": (b"x" * 200, 0o755)})
    content = bytearray(tarball.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    tarball.write_bytes(content)
    assert "its bytes changed" in verify(tarball)[0]


@pytest.mark.parametrize("name", ["../outside", "/absolute", "a/../../b"])
def test_a_member_outside_of_the_bundle_is_found(tmp_path: Path, name: str) -> None:
    tarball, _sidecar = _bundle(tmp_path, {"bin/run": (b"", 0o755), name: (b"", 0o644)})
    assert any("outside" in problem for problem in verify(tarball))


def test_a_member_that_is_a_link_is_found(tmp_path: Path) -> None:
    tarball, sidecar = _bundle(tmp_path, {"bin/run": (b"", 0o755)}, link="/etc/passwd")
    assert any("no plain file" in problem for problem in verify(tarball)), sidecar


def test_more_bytes_than_declared_are_found(tmp_path: Path) -> None:
    tarball, sidecar = _bundle(tmp_path, {"bin/run": (b"1234", 0o755)})
    sidecar["unpacked_size"] = 3
    sidecar_path(tarball).write_text(json.dumps(sidecar))
    assert any("4 bytes" in problem for problem in verify(tarball))


def test_an_entry_point_that_cannot_be_executed_is_found(tmp_path: Path) -> None:
    tarball, _sidecar = _bundle(tmp_path, {"bin/run": (b"", 0o644)})
    assert any("entry point" in problem for problem in verify(tarball))


def test_bytes_that_are_no_archive_are_found(tmp_path: Path) -> None:
    tarball, sidecar = _bundle(tmp_path, {"bin/run": (b"", 0o755)})
    tarball.write_bytes(b"not an archive")
    sidecar |= {"sha256": sha256_of(tarball), "size": 14}
    sidecar_path(tarball).write_text(json.dumps(sidecar))
    assert any("no whole tar.gz" in problem for problem in verify(tarball))


def _bundle(
    folder: Path, files: dict[str, tuple[bytes, int]], link: str | None = None
) -> tuple[Path, dict[str, object]]:
    """Write a tarball as a stranger might, with a sidecar that names its bytes."""
    tarball = folder / "probe-1.0.0-any.tar.gz"
    with tarfile.open(tarball, "w:gz") as archive:
        for name, (content, mode) in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode
            archive.addfile(member, io.BytesIO(content))
        if link:
            member = tarfile.TarInfo("link")
            member.type, member.linkname = tarfile.SYMTYPE, link
            archive.addfile(member)
    sidecar: dict[str, object] = {
        "schema": "rackbench.bundle/1.0",
        "name": "probe",
        "version": "1.0.0",
        "platform": "any",
        "entry_point": "bin/run",
        "sha256": sha256_of(tarball),
        "size": tarball.stat().st_size,
        "unpacked_size": sum(len(content) for content, _mode in files.values()),
        "file_count": len(files),
        "provenance": {"source_digest": "0" * 64, "built_by": "a stranger"},
    }
    sidecar_path(tarball).write_text(json.dumps(sidecar))
    return tarball, sidecar
