# SPDX-License-Identifier: Apache-2.0
"""The memory of digests: right about every change, and never in the way."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

import pytest
from rackbench.bundles import digests as module
from rackbench.bundles.digests import Digests
from rackbench.files import sha256_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return the files that were really read, in their order."""
    files: list[Path] = []
    monkeypatch.setattr(module, "sha256_of", lambda file: (files.append(file), sha256_of(file))[1])
    return files


def settled(path: Path, content: bytes) -> Path:
    """Write a file that was last changed a while ago."""
    path.write_bytes(content)
    a_while_ago = time.time() - 60
    os.utime(path, (a_while_ago, a_while_ago))
    return path


def test_a_settled_file_is_read_once_also_by_later_processes(tmp_path: Path, hashed: list[Path]) -> None:
    file = settled(tmp_path / "bundle", b"content")
    digest = Digests(tmp_path / "own" / "digests.json").of(file)
    assert digest == sha256_of(file)
    again = Digests(tmp_path / "own" / "digests.json")
    assert again.of(file) == digest
    assert again.of(file) == digest
    assert hashed == [file]


@pytest.mark.parametrize("change", ["bytes and time", "bytes and size", "another file"])
def test_a_changed_file_is_read_again(tmp_path: Path, hashed: list[Path], change: str) -> None:
    file = settled(tmp_path / "bundle", b"content")
    digests = Digests(tmp_path / "digests.json")
    digests.of(file)
    before = file.stat()
    if change == "bytes and time":
        file.write_bytes(b"CONTENT")
    elif change == "bytes and size":
        file.write_bytes(b"more content")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    else:
        other = settled(tmp_path / "other", b"CONTENT")
        os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
        other.replace(file)
    assert digests.of(file) == sha256_of(file)
    assert len(hashed) == 2


def test_a_file_that_was_just_written_is_not_remembered(tmp_path: Path, hashed: list[Path]) -> None:
    file = tmp_path / "bundle"
    file.write_bytes(b"content")
    in_a_minute = time.time() + 60
    os.utime(file, (in_a_minute, in_a_minute))
    digests = Digests(tmp_path / "digests.json")
    digests.of(file)
    digests.of(file)
    assert len(hashed) == 2


@pytest.mark.parametrize(
    "damage", ["{", "[]", '{"schema": "rackbench.digests/1.0", "files": 3}', '{"files": {}}']
)
def test_a_damaged_memory_is_begun_anew(tmp_path: Path, hashed: list[Path], damage: str) -> None:
    file = settled(tmp_path / "bundle", b"content")
    memory = tmp_path / "digests.json"
    memory.write_text(damage)
    assert Digests(memory).of(file) == sha256_of(file)
    assert Digests(memory).of(file) == sha256_of(file)
    assert len(hashed) == 1


def test_a_memory_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    file = settled(tmp_path / "bundle", b"content")
    (tmp_path / "own").write_text("a file where a directory should be")
    assert Digests(tmp_path / "own" / "digests.json").of(file) == sha256_of(file)


def test_files_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    memory = tmp_path / "digests.json"
    first, second = settled(tmp_path / "first", b"1"), settled(tmp_path / "second", b"2")
    Digests(memory).of(first)
    first.unlink()
    Digests(memory).of(second)
    assert list(json.loads(memory.read_text())["files"]) == [str(second)]


def test_a_missing_file_is_the_callers_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Digests(tmp_path / "digests.json").of(tmp_path / "nothing")
