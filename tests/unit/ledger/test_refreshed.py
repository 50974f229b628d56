# SPDX-License-Identifier: Apache-2.0
"""A run directory that is followed: whatever is appended to its journal, it is what a fresh look finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from rackbench.ledger import documents, journal, rundir

from . import samples

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from rackbench.ledger.documents import Loaded

WHOLE = b"".join(journal.encode(record) for record in samples.whole_run())
# What is no record stands among the records.
MIXED = WHOLE.replace(b'{"seq":5,', b'no record\n\n{"seq":5,').replace(b'{"seq":9,', b'\xff\r\n{"seq":9,')


def same(one: Loaded, other: Loaded) -> bool:
    """Return whether two looks at a run directory found the same."""
    return (one.state, one.health, one.lines, one.folded_to, one.live) == (
        other.state,
        other.health,
        other.lines,
        other.folded_to,
        other.live,
    )


@given(cuts=st.lists(st.integers(0, len(MIXED)), max_size=8))
def test_any_pieces_of_a_journal_are_followed_as_a_fresh_look_reads_them(
    cuts: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    run_dir = tmp_path_factory.mktemp("run")
    events = run_dir / rundir.EVENTS
    events.touch()
    followed = documents.load(run_dir)
    at = 0
    for cut in (*sorted(cuts), len(MIXED), len(MIXED)):
        with events.open("ab") as stream:
            stream.write(MIXED[at:cut])
        at = cut
        followed = documents.refreshed(followed)
        assert same(followed, documents.load(run_dir))


def test_only_what_was_appended_is_read(tmp_path: Path) -> None:
    events = tmp_path / rundir.EVENTS
    half = WHOLE.index(b"\n", len(WHOLE) // 2) + 1
    events.write_bytes(WHOLE[:half])
    followed = documents.load(tmp_path)
    state = followed.state
    # The beginning is spoilt in its place: who reads it again would see that.
    with events.open("r+b") as stream:
        stream.write(b"spoilt")
        stream.seek(half)
        stream.write(WHOLE[half:])
    followed = documents.refreshed(followed)
    assert followed.state is state
    assert followed.health.bad_lines == ()
    assert followed.state.closed is not None


def test_a_journal_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    events = tmp_path / rundir.EVENTS
    events.write_bytes(WHOLE)
    followed = documents.load(tmp_path)
    (tmp_path / "new").write_bytes(MIXED)
    (tmp_path / "new").replace(events)
    assert same(documents.refreshed(followed), documents.load(tmp_path))


def test_a_journal_that_got_shorter_is_read_anew(tmp_path: Path) -> None:
    events = tmp_path / rundir.EVENTS
    events.write_bytes(WHOLE)
    followed = documents.load(tmp_path)
    with events.open("r+b") as stream:
        stream.truncate(WHOLE.index(b"\n") + 1)
    assert same(documents.refreshed(followed), documents.load(tmp_path))


def test_a_journal_that_is_lost_is_told(tmp_path: Path) -> None:
    (tmp_path / rundir.STATUS).write_text("{}")
    events = tmp_path / rundir.EVENTS
    events.write_bytes(WHOLE)
    followed = documents.load(tmp_path)
    events.unlink()
    followed = documents.refreshed(followed)
    assert followed.health.missing
    assert not followed.state.opened
    events.write_bytes(WHOLE)
    assert same(documents.refreshed(followed), documents.load(tmp_path))
