# SPDX-License-Identifier: Apache-2.0
"""The journal: what reaches the disk, what a reader gets back, and what a cut leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rackbench.errors import RackbenchError
from rackbench.ledger import journal

from tests.unit.ledger.samples import make_run_dir

if TYPE_CHECKING:
    from pathlib import Path

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary(max_size=8)
    | st.just(object()),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text() | st.integers() | st.tuples(st.integers()), inner, max_size=4)
    ),
    max_leaves=12,
)


class Unprintable:
    """An object that has no text."""

    def __str__(self) -> str:
        raise RuntimeError


def no_constant(name: str) -> Any:
    raise AssertionError(name)


@settings(deadline=None, max_examples=100)
@given(value=anything)
def test_whatever_a_result_holds_becomes_one_line_of_strict_json(value: Any) -> None:
    line = journal.encode({"seq": 1, "kind": "x", "value": value})
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert json.loads(line, parse_constant=no_constant)["kind"] == "x"


@pytest.mark.parametrize("value", [Unprintable(), [Unprintable()], {"a": Unprintable()}, float("nan")])
def test_objects_without_text_and_nan_never_stop_the_encoder(value: Any) -> None:
    assert journal.decode(journal.encode({"seq": 1, "kind": "x", "value": value})) is not None


def test_a_value_that_holds_itself_is_cut_and_not_raised() -> None:
    loop: list[Any] = []
    loop.append(loop)
    assert b"nested too deep" in journal.encode({"seq": 1, "kind": "x", "value": loop})


def test_a_file_name_that_is_not_utf8_comes_back_as_it_was() -> None:
    name = os.fsdecode(b"caf\xe9")
    assert journal.decode(journal.encode({"seq": 1, "kind": "x", "value": name}))["value"] == name  # type: ignore[index]


def test_fields_outside_the_allow_list_never_reach_the_disk(tmp_path: Path) -> None:
    writer = journal.JournalWriter(tmp_path / "events.jsonl")
    writer.append("task.began", {"task": "Raw {{ name }}", "args": {"password": "hunter2"}, "uuid": "t1"})
    writer.close()
    text = (tmp_path / "events.jsonl").read_text()
    assert "hunter2" not in text
    assert "Raw {{ name }}" in text


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    writer = journal.JournalWriter(tmp_path / "events.jsonl")
    with pytest.raises(KeyError):
        writer.append("made.up", {})
    writer.close()
    assert (tmp_path / "events.jsonl").read_bytes() == b""


def write_beats(path: Path, count: int) -> None:
    writer = journal.JournalWriter(path)
    for number in range(count):
        writer.append("execution.beat", {"execution": "a.b.1", "done": number})
    writer.close()


@settings(deadline=None, max_examples=60)
@given(permille=st.integers(min_value=0, max_value=1000))
def test_a_journal_cut_at_any_byte_keeps_every_whole_line(
    tmp_path_factory: pytest.TempPathFactory, permille: int
) -> None:
    path = tmp_path_factory.mktemp("cut") / "events.jsonl"
    write_beats(path, 4)
    content = path.read_bytes()
    cut = len(content) * permille // 1000
    path.write_bytes(content[:cut])
    whole = content[:cut].count(b"\n")
    got = journal.read(path)
    # A last object that lacks only its newline lost nothing.
    assert len(got.records) in {whole, whole + 1}
    assert [record["seq"] for record in got.records] == list(range(1, len(got.records) + 1))
    assert got.bad_lines == []
    rest = content[:cut].rpartition(b"\n")[2]
    assert got.torn == (bool(rest) and len(got.records) == whole)


@settings(deadline=None, max_examples=60)
@given(permille=st.integers(min_value=0, max_value=1000))
def test_reopening_a_cut_journal_repairs_it_and_goes_on_with_the_numbers(
    tmp_path_factory: pytest.TempPathFactory, permille: int
) -> None:
    path = make_run_dir(tmp_path_factory.mktemp("cut")) / "events.jsonl"
    write_beats(path, 3)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * permille // 1000])
    before = journal.read(path)
    writer = journal.JournalWriter(path)
    writer.append("step.began", {"step": "host.discover"})
    writer.close()
    after = journal.read(path)
    assert after.records[:-1] == before.records
    assert after.records[-1]["seq"] == len(before.records) + 1
    assert (after.torn, after.bad_lines) == (False, [])
    kept = list((path.parent / "logs").glob("torn-*.txt"))
    assert len(kept) == int(before.torn)
    assert all(content.find(one.read_bytes()) >= 0 for one in kept)


def test_lines_that_are_no_records_are_told_by_number(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    write_beats(path, 1)
    with path.open("ab") as stream:
        stream.write(b"[]\nnot json\n{}\n" + b'{"seq": 2, "kind": "future.kind"}\n' + b'{"seq": 3, "ki')
    got = journal.read(path)
    assert [record["seq"] for record in got.records] == [1, 2]
    assert (got.torn, got.bad_lines) == (True, [2, 3, 4])


def test_a_missing_journal_reads_as_an_empty_one(tmp_path: Path) -> None:
    assert journal.read(tmp_path / "events.jsonl") == journal.Read([], torn=False, bad_lines=[])


def test_a_journal_in_a_directory_that_is_gone_is_a_ledger_failure(tmp_path: Path) -> None:
    with pytest.raises(RackbenchError) as caught:
        journal.JournalWriter(tmp_path / "gone" / "events.jsonl")
    assert caught.value.code == "ledger_write_failed"


def test_a_full_device_is_a_ledger_failure_with_the_reason(tmp_path: Path) -> None:
    writer = journal.JournalWriter(tmp_path / "events.jsonl")
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, writer._handle)
    os.close(full)
    with pytest.raises(RackbenchError, match="No space left") as caught:
        writer.append("step.began", {"step": "host.discover"})
    assert caught.value.code == "ledger_write_failed"
    writer.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Any:
    """Yield the mount point of a file system of 64 KiB."""
    if os.geteuid() != 0:
        pytest.skip("Only root can mount a small file system.")
    mount = tmp_path / "small"
    mount.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(mount)], capture_output=True, text=True
    )
    if done.returncode != 0:
        pytest.skip(f"No tmpfs can be mounted here: {done.stderr.strip()}")
    yield mount
    subprocess.run(["umount", str(mount)], check=True)


def fill(writer: journal.JournalWriter) -> None:
    """Append far more than the disk can hold."""
    for _ in range(10_000):
        writer.append("step.ended", {"step": "host.discover", "reason": "x" * 777})


def test_a_disk_that_fills_up_leaves_only_whole_records(small_disk: Path) -> None:
    path = small_disk / "events.jsonl"
    writer = journal.JournalWriter(path)
    with pytest.raises(RackbenchError) as caught:
        fill(writer)
    written = writer.seq
    writer.close()
    assert caught.value.code == "ledger_write_failed"
    got = journal.read(path)
    assert len(got.records) == written
    assert (got.torn, got.bad_lines) == (False, [])
