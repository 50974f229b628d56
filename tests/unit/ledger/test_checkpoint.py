# SPDX-License-Identifier: Apache-2.0
"""The kept fold of a long journal says what a full fold says, or is not used."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rackbench.ledger import checkpoint, documents, journal, rundir
from rackbench.ledger.state import fold
from rackbench.models.kept import Fold

from tests.unit.ledger.samples import failed_run, make_run_dir, whole_run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RECORDS = whole_run()


@pytest.fixture(autouse=True)
def every_journal_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let journals of a few lines be kept."""
    monkeypatch.setattr(documents, "LONG_BYTES", 1)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run directory whose journal tests write anew."""
    return make_run_dir(tmp_path_factory.mktemp("fold"))


def write(run_dir: Path, lines: list[bytes]) -> None:
    """Write the journal."""
    (run_dir / rundir.EVENTS).write_bytes(b"".join(lines))


def lines_of(count: int) -> list[bytes]:
    """Return the first lines of a journal, with one in it that is no record."""
    lines = [journal.encode(record) for record in RECORDS[:count]]
    return [*lines[:3], b"garbage\n", *lines[3:]]


@given(st.integers(4, len(RECORDS)), st.integers(0, len(RECORDS)))
def test_a_kept_fold_and_the_rest_are_the_whole_fold(scratch: Path, first: int, more: int) -> None:
    (scratch / checkpoint.PATH).unlink(missing_ok=True)
    write(scratch, lines_of(first))
    checkpoint.save(documents.load(scratch))
    write(scratch, lines_of(min(len(RECORDS), first + more)))
    kept = documents.load(scratch)
    assert kept.folded_from == sum(map(len, lines_of(first)))
    (scratch / checkpoint.PATH).unlink()
    whole = documents.load(scratch)
    assert whole.folded_from == 0
    assert (kept.state, kept.health, kept.lines) == (whole.state, whole.health, whole.lines)


def test_what_is_kept_of_a_failed_run_is_its_state(scratch: Path) -> None:
    write(scratch, [journal.encode(record) for record in failed_run()])
    checkpoint.save(documents.load(scratch))
    assert documents.load(scratch).state == fold(failed_run())


def another_last_line(run_dir: Path) -> None:
    """Change the line that the kept fold ended with."""
    write(run_dir, [*lines_of(10)[:-1], journal.encode({**RECORDS[9], "mono": 1.5})])


def shorter(run_dir: Path) -> None:
    """Take the end of the journal away."""
    write(run_dir, lines_of(5))


def of_other_code(run_dir: Path) -> None:
    """Let the kept fold be that of another version."""
    document = json.loads((run_dir / checkpoint.PATH).read_text())
    (run_dir / checkpoint.PATH).write_text(json.dumps({**document, "code": "0" * 64}))


def garbage(run_dir: Path) -> None:
    """Damage the kept fold."""
    (run_dir / checkpoint.PATH).write_bytes(b'{"schema": "rackbench.fold/1.0"')


def other_fields(run_dir: Path) -> None:
    """Take a field of the state away."""
    document = json.loads((run_dir / checkpoint.PATH).read_text())
    del document["state"]["tasks"]
    (run_dir / checkpoint.PATH).write_text(json.dumps(document))


def a_path_for_a_step(run_dir: Path) -> None:
    """Let a step have an id that leads out of the directory."""
    _rename(run_dir, "steps", "host.discover", "step", "step_id")


def a_path_for_an_execution(run_dir: Path) -> None:
    """Let an execution have an id that leads out of the directory."""
    _rename(run_dir, "executions", "latency.smoke.1", "execution")


def _rename(run_dir: Path, group: str, name: str, *fields: str) -> None:
    document = json.loads((run_dir / checkpoint.PATH).read_text())
    place = document["state"][group][name]
    for field in fields[:-1]:
        place = place[field]
    place[fields[-1]] = "../../../victim"
    (run_dir / checkpoint.PATH).write_text(json.dumps(document))


def test_a_kept_fold_knows_steps_and_executions_by_their_own_names(scratch: Path) -> None:
    write(scratch, lines_of(10))
    checkpoint.save(documents.load(scratch))
    document = json.loads((scratch / checkpoint.PATH).read_text())
    for group in ("steps", "executions"):
        told = document["state"][group]
        document["state"][group] = {f"../../../{name}": entry for name, entry in told.items()}
    (scratch / checkpoint.PATH).write_text(json.dumps(document))
    kept = documents.load(scratch)
    assert kept.folded_from > 0
    assert kept.state == fold(RECORDS[:10])


def test_a_kept_fold_fits_its_model(scratch: Path) -> None:
    write(scratch, lines_of(10))
    checkpoint.save(documents.load(scratch))
    Fold.model_validate_json((scratch / checkpoint.PATH).read_bytes())


@pytest.mark.parametrize(
    "damage",
    [
        another_last_line,
        shorter,
        of_other_code,
        garbage,
        other_fields,
        a_path_for_a_step,
        a_path_for_an_execution,
    ],
)
def test_a_fold_that_does_not_fit_is_not_used(scratch: Path, damage: Callable[[Path], None]) -> None:
    write(scratch, lines_of(10))
    checkpoint.save(documents.load(scratch))
    assert documents.load(scratch).folded_from > 0
    damage(scratch)
    assert documents.load(scratch).folded_from == 0


def test_a_torn_or_foreign_last_line_is_no_place_to_start_from(scratch: Path) -> None:
    for end in (b'{"torn', b"garbage\n"):
        (scratch / checkpoint.PATH).unlink(missing_ok=True)
        write(scratch, [*lines_of(10), end])
        checkpoint.save(documents.load(scratch))
        assert not (scratch / checkpoint.PATH).exists()
