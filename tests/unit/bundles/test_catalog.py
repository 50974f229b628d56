# SPDX-License-Identifier: Apache-2.0
"""Listing and verifying bundles, also those that cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from rackbench.bundles.build import build
from rackbench.bundles.catalog import list_bundles, read_sidecar
from rackbench.errors import RackbenchError

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
