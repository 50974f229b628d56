# SPDX-License-Identifier: Apache-2.0
"""The list of runs: what its rows say, what is remembered of them, and what is never believed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rackbench.ledger import identity, index, journal, rundir
from rackbench.ledger.index import CACHE, listing
from rackbench.models.kept import RunsCache, RunsCacheRows

from . import samples

RUNS = "automation-runs"


def make_run(project: Path, records: list[dict[str, Any]], host: str = "thor", hours: int = 0) -> Path:
    """Write a run directory with these records; its run_id, host and run_dir are corrected."""
    run_dir = rundir.create(project / RUNS, host, samples.START + timedelta(hours=hours))
    for record in records:
        if record["kind"] == "run.opened":
            record.update(run_id=rundir.run_id_of(run_dir), host=host)
            record["at"] = f"{run_dir.name[:4]}-11-21T{run_dir.name[9:11]}:00:01.000Z"
    (run_dir / rundir.EVENTS).write_bytes(b"".join(map(journal.encode, records)))
    return run_dir


def append(run_dir: Path, kind: str, **fields: Any) -> None:
    """Append a record to the journal of a run."""
    writer = journal.JournalWriter(run_dir / rundir.EVENTS)
    writer.append(kind, fields)
    writer.close()


def rows(project: Path, **wanted: Any) -> list[tuple[str, str]]:
    """Return host and state of each listed run."""
    return [(row.host, row.state) for row in listing(project, RUNS, **wanted).rows]


def with_verdicts(*verdicts: tuple[str, bool]) -> list[dict[str, Any]]:
    """Return an open run whose executions were judged; each verdict says whether it is of a warm-up."""
    executions = [
        {"execution_id": f"latency.smoke.{number}", "family": "smoke", "repeat": number, "warmup": warmup}
        for number, (_verdict, warmup) in enumerate(verdicts, start=1)
    ]
    script = samples.Script().add("run.opened", **samples.opened(executions={"latency": executions}))
    for execution, (verdict, _warmup) in zip(executions, verdicts, strict=True):
        script.add(
            "verdict", execution=execution["execution_id"], verdict=verdict, reasons=[], unknown=[], inputs={}
        )
    return script.records


def test_a_row_tells_who_what_when_and_what_came_of_it(tmp_path: Path) -> None:
    run_dir = make_run(tmp_path, samples.whole_run())
    (row,) = listing(tmp_path, RUNS).rows
    assert row == index.Row(
        run_id="20261121T080000Z-thor",
        run_dir=str(run_dir.relative_to(tmp_path)),
        host="thor",
        by="op@c1",
        opened_at="2026-11-21T08:00:01.000Z",
        closed_at=samples.whole_run()[-1]["at"],
        benchmarks=["latency"],
        state="completed",
        verdict=None,
        headline=[
            {"adapter": "latency", "family": "smoke", "label": "median", "value": 61.5, "unit": "ns"},
        ],
        rerun_of=None,
    )


def test_the_newest_run_comes_first(tmp_path: Path) -> None:
    for hours in (3, 1, 2):
        make_run(tmp_path, samples.whole_run(), hours=hours)
    stamps = [Path(row.run_dir).name for row in listing(tmp_path, RUNS).rows]
    assert stamps == ["20261121T110000Z", "20261121T100000Z", "20261121T090000Z"]


@pytest.mark.parametrize(
    ("verdicts", "worst"),
    [
        ([("valid", False), ("suspect", False), ("valid", False)], "suspect"),
        ([("void", False), ("suspect", False)], "void"),
        ([("void", True), ("valid", False)], "valid"),
        ([], None),
    ],
    ids=["one suspect", "one void", "a void warm-up", "none"],
)
def test_the_verdict_is_the_worst_that_counts(
    tmp_path: Path, verdicts: list[tuple[str, bool]], worst: str | None
) -> None:
    make_run(tmp_path, with_verdicts(*verdicts))
    (row,) = listing(tmp_path, RUNS).rows
    assert row.verdict == worst


def test_runs_are_kept_by_host_state_user_and_time(tmp_path: Path) -> None:
    make_run(tmp_path, samples.whole_run(), "thor", 0)
    make_run(tmp_path, samples.failed_run(), "turind8", 2)
    assert rows(tmp_path, hosts=["turind8"]) == [("turind8", "failed")]
    assert rows(tmp_path, state="completed") == [("thor", "completed")]
    assert rows(tmp_path, since=datetime(2026, 11, 21, 9, tzinfo=UTC)) == [("turind8", "failed")]
    assert len(rows(tmp_path, since=datetime(2026, 11, 21, 8, tzinfo=UTC))) == 2
    assert len(rows(tmp_path, by="op")) == len(rows(tmp_path, by="op@c1")) == 2
    assert rows(tmp_path, by="c1") == rows(tmp_path, by="o") == []


def test_a_list_of_some_runs_forgets_nothing_of_the_others(tmp_path: Path) -> None:
    make_run(tmp_path, samples.whole_run(), "thor", 0)
    make_run(tmp_path, samples.failed_run(), "turind8", 2)
    rows(tmp_path)
    make_run(tmp_path, samples.whole_run(), "thor", 4)
    before = remembered(tmp_path)
    rows(tmp_path, hosts=["thor"])
    assert len(before) == 2
    assert remembered(tmp_path).items() > before.items()


def remembered(project: Path) -> dict[str, Any]:
    """Return the entries of the cache."""
    entries: dict[str, Any] = json.loads((project / CACHE).read_bytes().partition(b"\n")[2])
    return entries


def test_what_is_remembered_fits_its_models(tmp_path: Path) -> None:
    make_run(tmp_path, samples.whole_run(), "thor", 0)
    make_run(tmp_path, samples.failed_run(), "turind8", 2)
    rows(tmp_path)
    head, _newline, body = (tmp_path / CACHE).read_bytes().partition(b"\n")
    assert RunsCache.model_validate_json(head).schema_ == RunsCache.schema_name()
    assert len(RunsCacheRows.model_validate_json(body).root) == 2


def test_the_cache_answers_for_a_journal_that_did_not_change(tmp_path: Path) -> None:
    run_dir = make_run(tmp_path, samples.whole_run())
    before = listing(tmp_path, RUNS)
    path = run_dir / rundir.EVENTS
    status = path.stat()
    # Same size and time: nobody looks inside.
    path.write_bytes(b"x" * status.st_size)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert listing(tmp_path, RUNS) == before


def test_what_is_appended_to_a_journal_is_seen(tmp_path: Path) -> None:
    run_dir = make_run(tmp_path, samples.whole_run()[:-1])
    status = (run_dir / rundir.EVENTS).stat()
    assert rows(tmp_path) == [("thor", "running")]
    append(run_dir, "run.closed", outcome="completed", failed_steps=[], exit_status=0)
    os.utime(run_dir / rundir.EVENTS, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert rows(tmp_path) == [("thor", "completed")]


def test_a_journal_of_the_same_size_that_was_written_anew_is_read_anew(tmp_path: Path) -> None:
    run_dir = make_run(tmp_path, samples.failed_run())
    path = run_dir / rundir.EVENTS
    assert rows(tmp_path) == [("thor", "failed")]
    status = path.stat()
    path.write_bytes(path.read_bytes().replace(b'"outcome":"failed"', b'"outcome":"cancel"'))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert path.stat().st_size == status.st_size
    assert rows(tmp_path) == [("thor", "cancel")]


def test_a_run_whose_controller_died_is_interrupted_although_nothing_was_written(tmp_path: Path) -> None:
    controller = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        opened = samples.opened(controller=identity.controller(pid=controller.pid))
        run_dir = make_run(tmp_path, samples.Script().add("run.opened", **opened).records)
        (run_dir / rundir.STATUS).write_text(json.dumps({"state": "running"}))
        assert rows(tmp_path) == rows(tmp_path, state="running") == [("thor", "running")]
    finally:
        controller.communicate(b"\n")
    assert rows(tmp_path) == rows(tmp_path, state="interrupted") == [("thor", "interrupted")]
    assert rows(tmp_path, state="running") == []


def test_a_run_that_is_asked_to_stop_is_cancelling_and_one_of_another_machine_counts_as_alive(
    tmp_path: Path,
) -> None:
    run_dir = make_run(tmp_path, samples.Script().add("run.opened", **samples.opened()).records)
    assert socket.gethostname() != "c1"
    assert rows(tmp_path) == [("thor", "running")]
    append(run_dir, "control", id="a", action="stop", by="me@here", reason=None)
    assert rows(tmp_path) == [("thor", "cancelling")]


BAD_CACHES = {
    "empty": b"",
    "no JSON": b"\x00\xff\n\x00",
    "another document": b"[]\n{}",
    "a head alone": json.dumps(index._head(b"x")).encode(),
    "another version": b'{"schema": "rackbench.runs-cache/0.9"}\n{}',
    "nested too deep": b"[" * 100_000,
}


@pytest.mark.parametrize("content", BAD_CACHES.values(), ids=BAD_CACHES)
def test_a_cache_that_does_not_fit_is_not_believed_and_written_anew(tmp_path: Path, content: bytes) -> None:
    make_run(tmp_path, samples.whole_run())
    (tmp_path / CACHE).parent.mkdir()
    (tmp_path / CACHE).write_bytes(content)
    assert rows(tmp_path) == [("thor", "completed")]
    assert len(remembered(tmp_path)) == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace(b'"completed"', b'"failed"'),
        lambda text: text[: len(text) // 2],
        lambda text: text[:-1],
        lambda text: text.replace(b'"rackbench": "', b'"rackbench": "0'),
    ],
    ids=["a row was changed", "half of it", "a byte short", "another program's"],
)
def test_a_damaged_cache_is_not_believed(tmp_path: Path, damage: Any) -> None:
    make_run(tmp_path, samples.whole_run())
    before = listing(tmp_path, RUNS)
    whole = (tmp_path / CACHE).read_bytes()
    assert damage(whole) != whole
    (tmp_path / CACHE).write_bytes(damage(whole))
    assert listing(tmp_path, RUNS) == before
    assert (tmp_path / CACHE).read_bytes() == whole


def test_without_a_cache_that_can_be_written_the_answer_is_the_same(tmp_path: Path) -> None:
    make_run(tmp_path, samples.whole_run())
    # The file's directory cannot be made: a file has its name.
    (tmp_path / CACHE).parent.write_text("")
    assert rows(tmp_path) == rows(tmp_path) == [("thor", "completed")]


def test_a_run_that_was_removed_is_forgotten(tmp_path: Path) -> None:
    make_run(tmp_path, samples.whole_run(), "thor", 0)
    gone = make_run(tmp_path, samples.whole_run(), "turind8", 2)
    assert len(rows(tmp_path)) == len(remembered(tmp_path)) == 2
    gone.rename(tmp_path / "elsewhere")
    assert rows(tmp_path) == [("thor", "completed")]
    assert len(remembered(tmp_path)) == 1


def test_a_cache_that_is_up_to_date_is_not_written_again(tmp_path: Path) -> None:
    make_run(tmp_path, samples.whole_run())
    rows(tmp_path)
    before = (tmp_path / CACHE).stat()
    rows(tmp_path)
    assert (tmp_path / CACHE).stat().st_ino == before.st_ino


def test_many_callers_at_once_get_the_same_answer_and_leave_a_whole_cache(tmp_path: Path) -> None:
    for hours in range(5):
        make_run(tmp_path, samples.whole_run(), hours=hours)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _number: listing(tmp_path, RUNS), range(24)))
    assert len(answers[0].rows) == 5
    assert all(answer == answers[0] for answer in answers)
    assert len(remembered(tmp_path)) == 5
    assert [path.name for path in (tmp_path / CACHE).parent.iterdir()] == ["runs.json"]


def test_damaged_and_foreign_directories_are_told_and_break_nothing(tmp_path: Path) -> None:
    make_run(tmp_path, samples.whole_run())
    root = tmp_path / RUNS
    no_journal = rundir.create(root, "nojournal", samples.START)
    torn = make_run(tmp_path, samples.whole_run()[:3], "torn")
    (torn / rundir.EVENTS).write_bytes((torn / rundir.EVENTS).read_bytes()[:40])
    garbage = rundir.create(root, "garbage", samples.START)
    (garbage / rundir.EVENTS).write_bytes(b"\x00\xff not json\n" * 3)
    (root / "2026-11-21/foreign/photos").mkdir(parents=True)
    (root / "2026-11-21/notes.txt").write_text("A file is no host.")
    (root / "campaigns/one/members").mkdir(parents=True)
    rundir.create(root / "dry-runs", "thor", samples.START, dated=False)
    found = listing(tmp_path, RUNS)
    assert {(row.host, row.state, row.opened_at is None) for row in found.rows} == {
        ("thor", "completed", False),
        ("nojournal", "unknown", True),
        ("torn", "unknown", True),
        ("garbage", "unknown", True),
    }
    (skipped,) = found.skipped
    assert skipped.path == f"{RUNS}/2026-11-21/foreign/photos"
    assert "holds no run" in skipped.message
    assert no_journal.name == "20261121T080000Z"


def test_a_directory_whose_name_is_no_text_is_told_in_text(tmp_path: Path) -> None:
    make_run(tmp_path, samples.whole_run())
    os.makedirs(os.fsencode(tmp_path / RUNS / "2026-11-21" / "foreign") + b"/\xff")  # noqa: PTH103 - bytes
    (skipped,) = listing(tmp_path, RUNS).skipped
    assert skipped.path.encode().endswith(rb"/\udcff")


def test_records_of_strange_types_make_a_row_all_the_same(tmp_path: Path) -> None:
    opened = samples.opened(
        benchmarks=[7], rerun_of=["x"], controller={"pid": "x", "user": 5, "hostname": None}, parent=3
    )
    script = samples.Script().add("run.opened", **opened)
    script.add(
        "result",
        adapter=3,
        execution=4,
        status=5,
        family=[],
        headline=[{"value": "not a number", "unit": {}}],
    )
    path = make_run(tmp_path, script.records) / rundir.EVENTS
    path.write_text(path.read_text().replace('"not a number"', "NaN"))
    first, again = listing(tmp_path, RUNS), listing(tmp_path, RUNS)
    assert first == again
    (row,) = first.rows
    assert (row.by, row.benchmarks, row.rerun_of) == ("5", ["7"], "['x']")
    json.dumps(row.headline, allow_nan=False)


def test_a_project_without_runs_has_none(tmp_path: Path) -> None:
    assert listing(tmp_path, RUNS) == index.Listing([], [])
    assert not (tmp_path / CACHE).exists()
