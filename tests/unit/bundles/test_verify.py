# SPDX-License-Identifier: GPL-3.0-or-later
"""The same bad bundles are refused by `verify` on the controller and by the unpacker of targets."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rackbench.bundles.catalog import read_sidecar, sidecar_path
from rackbench.bundles.verify import verify
from rackbench.errors import RackbenchError
from rackbench.files import sha256_of

from tests.unit.plugins.conftest import load

from .bad_bundles import BAD, GOOD, GOOD_ONES, RUN, member, squeezed, tar_bytes, write_bundle

if TYPE_CHECKING:
    from types import ModuleType


@pytest.fixture(scope="module")
def archive() -> ModuleType:
    return load("_archive")


def unpack(archive: ModuleType, tarball: Path, destination: Path) -> Any:
    """Unpack a bundle as a target does that trusts the sidecar it was given."""
    sidecar = json.loads(sidecar_path(tarball).read_bytes())
    return archive.unpack_bundle(tarball, destination, sidecar, sidecar["sha256"])


@pytest.mark.parametrize("what", BAD)
def test_verify_refuses_with_the_reason(tmp_path: Path, what: str) -> None:
    make, reason, _ = BAD[what]
    problems = verify(make(tmp_path))
    assert problems
    assert any(reason in problem for problem in problems), problems


@pytest.mark.parametrize("what", BAD)
def test_the_target_refuses_with_the_reason_and_touches_nothing_else(
    archive: ModuleType, tmp_path: Path, what: str
) -> None:
    make, _, reason = BAD[what]
    tarball = make(tmp_path)
    room = tmp_path / "room"
    room.mkdir()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(archive.ArchiveRefusedError) as caught:
        unpack(archive, tarball, room / "to")
    assert reason in str(caught.value)
    assert list(room.iterdir()) in ([room / "to"], [])
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("what", GOOD_ONES)
def test_a_good_bundle_is_good_for_both(archive: ModuleType, tmp_path: Path, what: str) -> None:
    tarball = GOOD_ONES[what](tmp_path)
    assert verify(tarball) == []
    files = unpack(archive, tarball, tmp_path / "to")
    assert [(tmp_path / "to" / each["path"]).stat().st_size for each in files] == [
        each["size"] for each in files
    ]
    assert [sha256_of(tmp_path / "to" / each["path"]) for each in files] == [each["sha256"] for each in files]


def test_swapped_tarballs_are_refused_by_both(archive: ModuleType, tmp_path: Path) -> None:
    for name, content in (("a", b"#!/bin/sh\n1"), ("b", b"#!/bin/sh\n2")):
        (tmp_path / name).mkdir()
        write_bundle(tmp_path / name, squeezed(tar_bytes(member("bin/run", content))), unpacked_size=11)
    one, other = (tmp_path / name / "probe-1.0.0-any.tar.gz" for name in ("a", "b"))
    one.replace(tmp_path / "kept")
    other.replace(one)
    assert "bytes changed" in verify(one)[0]
    with pytest.raises(archive.ArchiveRefusedError):
        unpack(archive, one, tmp_path / "to")


def test_a_changed_bundle_is_told_from_an_unsafe_one(archive: ModuleType, tmp_path: Path) -> None:
    tarball = write_bundle(tmp_path, squeezed(GOOD))
    content = bytearray(tarball.read_bytes())
    content[12] ^= 0xFF
    tarball.write_bytes(content)
    with pytest.raises(archive.OtherBytesError) as caught:
        unpack(archive, tarball, tmp_path / "to")
    assert caught.value.found == sha256_of(tarball)


def test_a_sidecar_without_its_tarball_cannot_be_read(tmp_path: Path) -> None:
    tarball = write_bundle(tmp_path, squeezed(GOOD))
    tarball.unlink()
    with pytest.raises(FileNotFoundError):
        verify(tarball)


def test_a_tarball_without_its_sidecar_is_not_good(tmp_path: Path) -> None:
    tarball = write_bundle(tmp_path, squeezed(GOOD))
    sidecar_path(tarball).unlink()
    assert "json is missing" in verify(tarball)[0]


def test_a_pipe_instead_of_a_tarball_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.tar.gz")
    with pytest.raises(OSError, match="no regular file"):
        verify(tmp_path / "x.tar.gz")


@pytest.mark.parametrize(
    "what", ["bomb in a file", "bomb after the end", "endless pax header", "endless GNU name"]
)
def test_a_bomb_takes_no_memory_and_no_room(archive: ModuleType, tmp_path: Path, what: str) -> None:
    tarball = BAD[what][0](tmp_path)
    tracemalloc.start()
    try:
        verify(tarball)
        with contextlib.suppress(archive.ArchiveRefusedError):
            unpack(archive, tarball, tmp_path / "to")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * 1024 * 1024
    assert sum(path.stat().st_size for path in (tmp_path / "to").rglob("*") if path.is_file()) <= 10


@settings(max_examples=60)
@given(data=st.data())
def test_one_changed_byte_anywhere_is_found(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tarball = write_bundle(Path(folder), squeezed(GOOD))
        content = bytearray(tarball.read_bytes())
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
        tarball.write_bytes(content)
        assert "its bytes changed" in verify(tarball)[0]


PLAIN = tar_bytes(RUN, member("data/table", b"1,2,3\n" * 300), member("n" * 150, b"x"))
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["set", "cut", "double", "insert"]),
        st.integers(0, len(PLAIN) - 1),
        st.one_of(st.integers(1, 40).map(bytes), st.binary(min_size=1, max_size=40)),
    ),
    min_size=1,
    max_size=4,
)
# The bytes that mean most in a header: name, mode, size, sum, type, link name, prefix.
AIMED = st.lists(
    st.tuples(st.sampled_from([0, 100, 124, 148, 156, 157, 345]), st.binary(min_size=1, max_size=12)),
    max_size=3,
)


def _mutated(plain: bytes, changes: list[tuple[str, int, bytes]], aimed: list[tuple[int, bytes]]) -> bytes:
    content = bytearray(plain)
    for offset, new in aimed:
        content[offset : offset + len(new)] = new
    for kind, at, new in changes:
        if kind == "set":
            content[at : at + len(new)] = new
        elif kind == "cut":
            del content[at : at + 512 * len(new)]
        elif kind == "double":
            content[at:at] = content[at : at + 512]
        else:
            content[at:at] = new
    # Sums put right, so that it is the fields that are judged.
    for start in range(0, len(content) - 511, 512):
        head = content[start : start + 512]
        if head[257:262] == b"ustar":
            head[148:156] = b" " * 8
            content[start + 148 : start + 156] = b"%06o\0 " % sum(head)
    return bytes(content)


@pytest.mark.slow
@settings(max_examples=150)
@given(changes=CHANGES, aimed=AIMED, squeeze=st.booleans())
def test_a_mutated_archive_is_refused_or_stays_inside(
    archive: ModuleType, changes: list[tuple[str, int, bytes]], aimed: list[tuple[int, bytes]], squeeze: bool
) -> None:
    """Changed either before it is squeezed, or after."""
    with tempfile.TemporaryDirectory() as folder:
        room = Path(folder, "a/b/room")
        room.mkdir(parents=True)
        content = (
            squeezed(_mutated(PLAIN, changes, aimed)) if squeeze else _mutated(squeezed(PLAIN), changes, [])
        )
        tarball = write_bundle(Path(folder), content, unpacked_size=1811, file_count=3)
        problems = verify(tarball)
        try:
            files = unpack(archive, tarball, room / "to")
        except archive.ArchiveRefusedError:
            files = None
        # Both judge alike, so that nothing is refused as late as on the target.
        assert (files is None) == bool(problems), problems
        assert sorted(path.name for path in Path(folder).iterdir()) == [
            "a",
            tarball.name,
            f"{tarball.name}.json",
        ]
        assert list(room.iterdir()) in ([room / "to"], [])
        written = [path for path in room.rglob("*") if not path.is_dir()]
        assert not any(path.is_symlink() for path in written)
        assert sum(path.stat().st_size for path in written) <= 1811


SIDECAR = json.dumps(
    {
        "schema": "rackbench.bundle/1.0",
        "name": "probe",
        "version": "1.0.0",
        "platform": "any",
        "entry_point": "bin/run",
        "sha256": "0" * 64,
        "size": 1,
        "unpacked_size": 1,
        "file_count": 1,
        "provenance": {"source_digest": "0" * 64, "built_by": "x"},
    }
)
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None), max_size=8)
    | st.sampled_from([10**400, -1, 2**64, "any", "../x", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def _read(data: bytes) -> None:
    """Read a sidecar of these bytes: a sidecar that can be written again, or a refusal that names the file."""
    with tempfile.TemporaryDirectory() as folder:
        tarball = Path(folder, "x.tar.gz")
        sidecar_path(tarball).write_bytes(data)
        try:
            sidecar = read_sidecar(tarball)
        except RackbenchError as error:
            refusal = error
        else:
            assert sidecar.model_dump_json(by_alias=True)
            json.dumps(sidecar.model_dump(by_alias=True), allow_nan=False, ensure_ascii=False).encode()
            return
        assert refusal.code == "bundle_unreadable"
        assert "x.tar.gz.json" in refusal.message


@settings(max_examples=150)
@given(st.binary(max_size=300))
def test_any_bytes_are_a_sidecar_or_refused(data: bytes) -> None:
    _read(data)


@pytest.mark.slow
@settings(max_examples=150)
@given(field=st.sampled_from([*json.loads(SIDECAR), "more"]), value=JSON_VALUES)
def test_any_value_in_a_field_is_a_sidecar_or_refused(field: str, value: Any) -> None:
    _read(json.dumps(json.loads(SIDECAR) | {field: value}).encode())


@settings(max_examples=100)
@given(at=st.integers(0, len(SIDECAR)), new=st.binary(max_size=5), drop=st.integers(0, 5))
def test_a_mutated_sidecar_is_a_sidecar_or_refused(at: int, new: bytes, drop: int) -> None:
    data = SIDECAR.encode()
    _read(data[:at] + new + data[at + drop :])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-le", "cp037"])
def test_a_sidecar_in_another_encoding_is_a_sidecar_or_refused(encoding: str) -> None:
    _read(SIDECAR.encode(encoding))


@pytest.mark.parametrize(
    ("what", "data"),
    [
        ("nested lists", b"[" * 100_000),
        ("nested objects", b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
        ("nested in a field", SIDECAR.replace('"any"', "[" * 900 + "]" * 900).encode()),
        ("number of many digits", SIDECAR.replace('"size": 1', '"size": ' + "9" * 5000).encode()),
        ("NaN", SIDECAR.replace('"size": 1', '"size": NaN').encode()),
        ("NaN in an unknown field", SIDECAR.replace('"size": 1', '"size": 1, "more": NaN').encode()),
        ("infinity in an unknown field", SIDECAR.replace('"size": 1', '"size": 1, "more": 1e999').encode()),
        ("half a surrogate pair", SIDECAR.replace('"size": 1', '"size": 1, "more": "\\ud800"').encode()),
        ("key twice", SIDECAR.replace('"size": 1', '"size": 1, "size": 2').encode()),
        ("megabytes of spaces", b" " * (2 * 1024 * 1024) + SIDECAR.encode()),
        ("latin-1", SIDECAR.replace('"x"', '"\xe9"').encode("latin-1")),
        ("NUL bytes", b"\0" * 100),
        ("nothing", b""),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_sidecar_that_is_no_plain_json_is_refused(tmp_path: Path, what: str, data: bytes) -> None:
    tarball = tmp_path / "x.tar.gz"
    sidecar_path(tarball).write_bytes(data)
    with pytest.raises(RackbenchError) as caught:
        read_sidecar(tarball)
    assert caught.value.code == "bundle_unreadable", what
    assert str(sidecar_path(tarball)) in caught.value.message
