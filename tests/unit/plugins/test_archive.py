# SPDX-License-Identifier: GPL-3.0-or-later
"""Packing and unpacking of archives that nobody vouches for."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import socket
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rackbench.bundles import elf
from rackbench.bundles.platforms import normalise_machine

if TYPE_CHECKING:
    from types import ModuleType

ROOMY = {"max_bytes": 1_000_000, "max_files": 100}


def member(name: str, data: bytes = b"x", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    """Return a member as tarfile writes it, with any field bent."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def written(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data) if info.isreg() else None)
    return path


def tree(root: Path) -> dict[str, bytes | str]:
    found: dict[str, bytes | str] = {}
    for path in root.rglob("*"):
        if path.is_symlink():
            found[str(path.relative_to(root))] = str(path.readlink())
        elif path.is_file():
            found[str(path.relative_to(root))] = path.read_bytes()
    return found


def test_what_is_packed_comes_out_the_same(archive: ModuleType, tmp_path: Path) -> None:
    base = tmp_path / "base"
    (base / "a/out/raw").mkdir(parents=True)
    (base / "a/out/raw/one.csv").write_bytes(b"1,2\n")
    (base / "a/out/latest").symlink_to("raw/one.csv")
    (base / "a/out/bin").write_bytes(b"#!/bin/sh\n")
    (base / "a/out/bin").chmod(0o4755)
    (base / "a/stdout").write_bytes(b"")
    packed = archive.pack(base, ["a/stdout", "a/out"], tmp_path / "p.tar.gz", 1000)
    assert packed.skipped == []
    assert packed.sha256 == archive.sha256_file(tmp_path / "p.tar.gz")
    files = archive.unpack(
        tmp_path / "p.tar.gz", tmp_path / "to", max_bytes=14, max_files=3, max_members=packed.members
    )
    assert files == packed.files
    assert [entry["path"] for entry in files] == ["a/out/bin", "a/out/raw/one.csv", "a/stdout"]
    assert tree(tmp_path / "to") == tree(base)
    assert (tmp_path / "to/a/out/bin").stat().st_mode & 0o7777 == 0o755


def test_what_cannot_be_packed_is_listed_with_its_reason(archive: ModuleType, tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    os.mkfifo(base / "pipe")
    (base / "away").symlink_to("/etc/passwd")
    (base / "up").symlink_to("raw/../../x")
    (base / os.fsdecode(b"caf\xe9")).write_bytes(b"x")
    (base / "good").write_bytes(b"x")
    with socket.socket(socket.AF_UNIX) as listener:
        short = Path(tempfile.mkdtemp(prefix="rb"))
        listener.bind(str(short / "s"))
        (short / "s").rename(base / "socket")
        short.rmdir()
        packed = archive.pack(base, [path.name for path in base.iterdir()], tmp_path / "p.tar.gz", 1000)
    assert [entry["path"] for entry in packed.files] == ["good"]
    assert {entry["path"]: entry["reason"] for entry in packed.skipped} == {
        "pipe": "it is no regular file",
        "socket": "it is no regular file",
        "away": "the link leaves the directory",
        "up": "the link leaves the directory",
        "'caf\\udce9'": "its name is not UTF-8",
    }


def test_too_many_bytes_to_pack_are_refused_with_the_largest_file(
    archive: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base/small").write_bytes(b"x")
    (tmp_path / "base/large").write_bytes(b"x" * 100)
    with pytest.raises(archive.TooLargeError, match=r"101 bytes .* 100 allowed.*'large'"):
        archive.pack(tmp_path / "base", ["small", "large"], tmp_path / "p.tar.gz", 100)
    assert not (tmp_path / "p.tar.gz").exists()


@pytest.mark.parametrize(
    "members",
    [
        [member("../evil")],
        [member("a/../../evil")],
        [member("/evil")],
        [member("a"), member("a")],
        [member("a"), member("./a")],
        [member("a"), member("a/b")],
        [member("a/b"), member("a")],
        [member("link", type=tarfile.SYMTYPE, linkname="/etc"), member("link/evil")],
        [member("link", type=tarfile.SYMTYPE, linkname="..")],
        [member("link", type=tarfile.SYMTYPE, linkname="/etc/passwd")],
        [member("a/link", type=tarfile.SYMTYPE, linkname="../../evil")],
        [member("a/link", type=tarfile.SYMTYPE, linkname="b/../../../evil")],
        [member("link", type=tarfile.SYMTYPE, linkname="")],
        [member("a"), member("hard", type=tarfile.LNKTYPE, linkname="a")],
        [member("hard", type=tarfile.LNKTYPE, linkname="/etc/passwd")],
        [member("pipe", type=tarfile.FIFOTYPE)],
        [member("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3)],
        [member("disk", type=tarfile.BLKTYPE, devmajor=8)],
        [member(os.fsdecode(b"caf\xe9"))],
    ],
    ids=lambda members: " ".join(ascii(info.name) for info, _ in members),
)
def test_an_unsafe_member_is_refused_and_nothing_lands_outside(
    archive: ModuleType, tmp_path: Path, members: list[tuple[tarfile.TarInfo, bytes]]
) -> None:
    room = tmp_path / "room"
    room.mkdir()
    path = written(tmp_path / "p.tar.gz", *members)
    with pytest.raises(archive.ArchiveRefusedError):
        archive.unpack(path, room / "to", **ROOMY)
    assert [path.name for path in room.iterdir()] == ["to"]


def test_a_link_inside_is_kept(archive: ModuleType, tmp_path: Path) -> None:
    path = written(
        tmp_path / "p.tar.gz",
        member("a/link", type=tarfile.SYMTYPE, linkname="../b/file"),
        member("b/file", b"data"),
    )
    archive.unpack(path, tmp_path / "to", **ROOMY)
    assert (tmp_path / "to/a/link").read_bytes() == b"data"


@pytest.mark.parametrize(
    "limits", [{"max_bytes": 5, "max_files": 9}, {"max_bytes": 99, "max_files": 1}], ids=["bytes", "files"]
)
def test_more_than_declared_is_refused(archive: ModuleType, tmp_path: Path, limits: dict[str, int]) -> None:
    path = written(tmp_path / "p.tar.gz", member("a", b"123"), member("b", b"456"))
    with pytest.raises(archive.ArchiveRefusedError, match="declared"):
        archive.unpack(path, tmp_path / "to", **limits)


def test_a_small_file_that_unrolls_to_a_large_one_is_stopped(archive: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "p.tar.gz"
    name = "x" * 3_000_000
    written(path, member(name))
    assert path.stat().st_size < 100_000
    with pytest.raises(archive.ArchiveRefusedError):
        archive.unpack(path, tmp_path / "to", max_bytes=1, max_files=1)


@pytest.mark.parametrize("cut", [1, 30, 200, -9])
def test_a_truncated_archive_is_refused(archive: ModuleType, tmp_path: Path, cut: int) -> None:
    whole = written(tmp_path / "p.tar.gz", member("a", os.urandom(5000))).read_bytes()
    (tmp_path / "p.tar.gz").write_bytes(whole[:cut])
    with pytest.raises(archive.ArchiveRefusedError):
        archive.unpack(tmp_path / "p.tar.gz", tmp_path / "to", **ROOMY)


@settings(deadline=None, max_examples=60)
@given(noise=st.binary(max_size=2000), squeezed=st.booleans())
def test_noise_is_refused_or_holds_nothing(archive: ModuleType, noise: bytes, squeezed: bool) -> None:
    with tempfile.TemporaryDirectory() as room:
        path = Path(room) / "p.tar.gz"
        path.write_bytes(gzip.compress(noise) if squeezed else noise)
        try:
            files = archive.unpack(path, Path(room) / "to", **ROOMY)
        except archive.ArchiveRefusedError:
            return
        assert files == []


def test_the_controller_and_the_target_know_the_same_machines(archive: ModuleType) -> None:
    assert archive.ELF_MACHINES.keys() == elf._MACHINES.keys()
    for key, name in elf._MACHINES.items():
        assert name in archive.ELF_MACHINES[key]
    # Different machines have no name in common; ARM's generations are one machine for ELF.
    arm = {"armv5tel", "armv6l", "armv7l"}
    for key, names in archive.ELF_MACHINES.items():
        assert {normalise_machine(name) for name in names} == (arm if key[0] == 40 else {elf._MACHINES[key]})


@pytest.mark.parametrize(
    ("machine", "number", "bits", "order", "fits"),
    [
        ("ppc64le", 21, 64, "little", True),
        ("ppc64le", 21, 64, "big", False),
        ("ppc64", 21, 64, "big", True),
        ("aarch64", 183, 64, "big", False),
        ("x86_64", 62, 32, "little", False),
        # What no table knows is not held against a bundle.
        ("x86_64", 9999, 64, "little", True),
        ("strange", 62, 64, "little", True),
    ],
)
def test_a_program_of_another_byte_order_or_of_other_bits_is_for_another_machine(
    archive: ModuleType, tmp_path: Path, machine: str, number: int, bits: int, order: Any, fits: bool
) -> None:
    head = bytes([0x7F, *b"ELF", bits // 32, 1 if order == "little" else 2])
    program = head + bytes(12) + number.to_bytes(2, order) + bytes(44)
    info = tarfile.TarInfo("bin/run")
    info.size, info.mode = len(program), 0o755
    path = written(tmp_path / "p.tar.gz", (info, program))
    sidecar = {
        "size": path.stat().st_size,
        "unpacked_size": len(program),
        "file_count": 1,
        "entry_point": "bin/run",
        "platform": {"os": "linux", "machine": machine},
    }
    with (
        contextlib.nullcontext()
        if fits
        else pytest.raises(archive.ArchiveRefusedError, match="another machine")
    ):
        archive.unpack_bundle(path, tmp_path / "to", sidecar, archive.sha256_file(path))


PARTS = st.lists(st.sampled_from(["a", "b", "c", "..", ".", "", "link"]), min_size=1, max_size=5)


@pytest.mark.slow
@settings(deadline=None, max_examples=100)
@given(entries=st.lists(st.tuples(PARTS, st.sampled_from(["file", "dir", "link"]), PARTS), max_size=6))
def test_no_tree_of_names_and_links_gets_outside(
    archive: ModuleType, entries: list[tuple[list[str], str, list[str]]]
) -> None:
    types = {"file": tarfile.REGTYPE, "dir": tarfile.DIRTYPE, "link": tarfile.SYMTYPE}
    with tempfile.TemporaryDirectory() as room:
        members = [
            member(
                "/".join(name), b"x" if kind == "file" else b"", type=types[kind], linkname="/".join(target)
            )
            for name, kind, target in entries
        ]
        path = written(Path(room) / "p.tar.gz", *members)
        inside = (Path(room) / "room/to").resolve()
        inside.parent.mkdir()
        with contextlib.suppress(archive.ArchiveRefusedError, OSError):
            archive.unpack(path, inside, **ROOMY)
        assert list(inside.parent.iterdir()) == [inside]
        for found in inside.rglob("*"):
            if found.is_symlink():
                try:
                    resolved = found.resolve()
                except (OSError, RuntimeError):  # a loop of links leads nowhere
                    continue
                assert resolved.is_relative_to(inside)
