# SPDX-License-Identifier: Apache-2.0
"""Archives whose bytes depend on names, execute bits and contents alone."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rackbench.bundles.archive import pack
from rackbench.errors import RackbenchError
from rackbench.files import sha256_of

PARTS = st.text(alphabet="abcxyzäö-_.0", min_size=1, max_size=8).filter(lambda part: part.strip("."))
NAMES = st.lists(PARTS, min_size=1, max_size=3).map("/".join)


def _tree(root: Path, files: dict[str, tuple[bytes, bool]], umask: int, order: list[str]) -> dict[str, Path]:
    """Write the files in an order of its own, under an umask, and return what `pack` takes."""
    before = os.umask(umask)
    try:
        chosen = {}
        for name in order:
            content, executable = files[name]
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            if executable:
                path.chmod(path.stat().st_mode | 0o111)
            chosen[name] = path
    finally:
        os.umask(before)
    return chosen


def _without_clashes(files: dict[str, tuple[bytes, bool]]) -> bool:
    return not any(other.startswith(f"{name}/") for name in files for other in files)


@pytest.mark.slow
@settings(deadline=None, max_examples=50)
@given(
    st.dictionaries(NAMES, st.tuples(st.binary(max_size=50), st.booleans()), min_size=1, max_size=6).filter(
        _without_clashes
    ),
    st.randoms(use_true_random=False),
)
def test_two_directories_with_the_same_files_give_the_same_bytes(files, random) -> None:  # type: ignore[no-untyped-def]
    with tempfile.TemporaryDirectory() as scratch:
        one, other = Path(scratch, "one"), Path(scratch, "a much longer name")
        one.mkdir()
        other.mkdir()
        first = _tree(one, files, 0o022, sorted(files))
        second = _tree(other, files, 0o077, random.sample(sorted(files), len(files)))
        for path in second.values():
            os.utime(path, (1_000_000_000, 1_000_000_000))
            if os.geteuid() == 0:
                os.chown(path, 12345, 54321)
        packed = pack(first, Path(scratch, "1.tar.gz"))
        assert pack(second, Path(scratch, "2.tar.gz")) == packed
        assert Path(scratch, "1.tar.gz").read_bytes() == Path(scratch, "2.tar.gz").read_bytes()
        assert packed.file_count == len(files)
        assert packed.unpacked_size == sum(len(content) for content, _executable in files.values())


def test_a_changed_byte_and_a_changed_execute_bit_change_the_digest(tmp_path: Path) -> None:
    path = tmp_path / "run"
    digests = set()
    for content, mode in ((b"a", 0o644), (b"b", 0o644), (b"b", 0o755)):
        path.write_bytes(content)
        path.chmod(mode)
        digests.add(pack({"run": path}, tmp_path / "x.tar.gz").digest)
    assert len(digests) == 3


def test_members_have_no_owner_no_time_and_one_of_two_modes(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"1")
    (tmp_path / "run").write_bytes(b"2")
    (tmp_path / "data").chmod(0o600)
    (tmp_path / "run").chmod(0o700)
    pack({"z/data": tmp_path / "data", "bin/run": tmp_path / "run"}, tmp_path / "x.tar.gz")
    with tarfile.open(tmp_path / "x.tar.gz") as archive:
        members = archive.getmembers()
    assert [(each.name, each.mode) for each in members] == [("bin/run", 0o755), ("z/data", 0o644)]
    assert {(each.uid, each.gid, each.uname, each.gname, each.mtime) for each in members} == {
        (0, 0, "", "", 0)
    }
    assert not any(each.pax_headers for each in members)


def test_a_symlink_is_refused_and_no_archive_is_left(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/hostname")
    with pytest.raises(RackbenchError) as caught:
        pack({"link": tmp_path / "link"}, tmp_path / "x.tar.gz")
    assert caught.value.code == "bundle_toml_invalid"
    assert [path.name for path in tmp_path.iterdir()] == ["link"]


def test_a_name_too_long_for_the_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(RackbenchError, match="too long"):
        pack({"x" * 300: tmp_path / "a"}, tmp_path / "x.tar.gz")


def test_digest_and_size_are_those_of_the_file_also_over_several_blocks(tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(random.Random(1).randbytes(3_500_000))
    (tmp_path / "zeros").write_bytes(bytes(5_000_000))
    out = tmp_path / "x.tar.gz"
    packed = pack({"a": tmp_path / "noise", "b": tmp_path / "zeros"}, out)
    assert (packed.digest, packed.size, packed.unpacked_size) == (
        sha256_of(out),
        out.stat().st_size,
        8_500_000,
    )
    with tarfile.open(out) as archive:
        content = archive.extractfile("a")
        assert content is not None
        assert content.read() == (tmp_path / "noise").read_bytes()


PACK_WITHOUT_ROOM = """\
import resource, sys
from pathlib import Path
from rackbench.bundles.archive import pack
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
try:
    pack({"a": Path(sys.argv[1], "noise")}, Path(sys.argv[1], "x.tar.gz"))
except OSError as error:
    sys.exit(f"refused: {error}")
"""


def test_a_disk_without_room_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    """The compressor writes from a thread: its failure must come out in ours."""
    (tmp_path / "noise").write_bytes(random.Random(1).randbytes(8_000_000))
    answer = subprocess.run(
        [sys.executable, "-c", PACK_WITHOUT_ROOM, str(tmp_path)], capture_output=True, text=True, timeout=120
    )
    assert "refused: [Errno" in answer.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["noise"]
