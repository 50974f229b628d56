# SPDX-License-Identifier: Apache-2.0
"""Old and damaged run directories: first touch and recover give back what can be had, and write nowhere else."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rackbench.errors import RackbenchError
from rackbench.ledger import claim, documents, identity, journal, recovery, rundir
from rackbench.ledger.state import fold
from rackbench.models import run_documents as models

from tests.unit.ledger.samples import Script, make_run_dir, opened, whole_run
from tests.unit.ledger.test_reconstruct import ANY

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow

STATUS_BLOCKS = ("monitoring", "alerts", "ledger", "overhead", "steps", "executions")
JSON_FILES = (
    rundir.STATUS,
    rundir.RUN_MANIFEST,
    rundir.ARTIFACT_MANIFEST,
    rundir.PUBLISH_LEDGER,
    rundir.INVENTORY_SNAPSHOT,
    rundir.step_document("latency.execute"),
)
OTHER_FILES = (rundir.EVENTS, rundir.COMMAND_LEDGER, rundir.TRANSFER_LEDGER, rundir.RECOVERY_SUMMARY)


def left_behind(root: Path, records: list[dict[str, Any]]) -> Path:
    """Return a run directory with this journal and all its documents and artifacts; nobody works on it."""
    run_dir = make_run_dir(root)
    (run_dir / rundir.EVENTS).write_bytes(b"".join(journal.encode(record) for record in records))
    for path, entry in fold(records).artifacts.items():
        (run_dir / path).parent.mkdir(parents=True, exist_ok=True)
        (run_dir / path).write_bytes(b"x" * entry["bytes"])
    documents.write_all(run_dir)
    return run_dir


def open_run(**changes: Any) -> list[dict[str, Any]]:
    """Return the records of a run whose controller died while its benchmark ran."""
    gone = {**identity.controller(os.getpid()), "start_ticks": 1}
    script = Script().add("run.opened", **opened(**{"controller": gone, **changes}))
    for name in ("host.discover", "host.preflight", "latency.stage"):
        script.step(name)
    script.add("lease", state="taken", holder=None, expires_in_s=1800.0, reason=None)
    script.add("step.began", step="latency.execute")
    script.add(
        "execution.began",
        execution="latency.smoke.1",
        adapter="latency",
        family="smoke",
        repeat=1,
        job_dir="/j",
    )
    return script.records


def content(run_dir: Path) -> dict[str, Any]:
    """Return what every file of a directory says, without the times at which documents were written."""
    found: dict[str, Any] = {}
    for path in sorted(run_dir.rglob("*")):
        name = path.relative_to(run_dir).as_posix()
        if path.is_symlink() or not path.is_file() or name == rundir.CLAIM:
            continue
        found[name] = path.read_bytes()
        if name == rundir.STATUS:
            found[name] = {key: value for key, value in json.loads(found[name]).items() if key != "at"}
    return found


def test_a_whole_directory_is_not_touched(tmp_path: Path) -> None:
    run_dir = left_behind(tmp_path, whole_run())
    before = {path: path.stat().st_mtime_ns for path in run_dir.rglob("*")}
    assert recovery.first_touch(documents.load(run_dir)) is None
    assert {path: path.stat().st_mtime_ns for path in run_dir.rglob("*")} == before


def drop(name: str) -> Callable[[Path], None]:
    """Return what removes a file."""
    return lambda run_dir: (run_dir / name).unlink()


def rewritten(name: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Path], None]:
    """Return what changes a JSON document."""

    def rewrite(run_dir: Path) -> None:
        (run_dir / name).write_text(json.dumps(change(json.loads((run_dir / name).read_text()))))

    return rewrite


def without(block: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return what takes a field out of a document."""
    return lambda document: {name: value for name, value in document.items() if name != block}


def without_step_documents(run_dir: Path) -> None:
    """Make a directory of before steps had documents of their own."""
    shutil.rmtree(run_dir / rundir.STEPS)


OLD: dict[str, Callable[[Path], None]] = {
    **{
        f"status without {block}": rewritten(rundir.STATUS, without(block))
        for block in STATUS_BLOCKS
    },
    "status of an older schema": rewritten(
        rundir.STATUS, lambda document: {**document, "schema": "rackbench.status/0.9"}
    ),
    "status without a schema": rewritten(rundir.STATUS, without("schema")),
    "monitoring of another shape": rewritten(
        rundir.STATUS, lambda document: {**document, "monitoring": "running"}
    ),
    "no documents of steps": without_step_documents,
    "manifest of an older schema": rewritten(
        rundir.RUN_MANIFEST, lambda document: {**document, "schema": "rackbench.run-manifest/0.1"}
    ),
    "manifest without documents": rewritten(rundir.RUN_MANIFEST, without("documents")),
    **{f"no {name}": drop(name) for name in (*JSON_FILES, *OTHER_FILES[1:])},
}  # fmt: skip


@pytest.mark.parametrize("damage", OLD.values(), ids=OLD)
def test_first_touch_upgrades(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    run_dir = left_behind(tmp_path, whole_run())
    whole = content(run_dir)
    damage(run_dir)
    restored = recovery.first_touch(documents.load(run_dir))
    assert restored is not None
    assert restored.rebuilt
    assert restored.not_rebuilt == []
    assert content(run_dir) == whole
    assert recovery.first_touch(documents.load(run_dir)) is None


def test_first_touch_of_a_lost_journal_makes_one_of_the_documents_and_says_what_is_lost(
    tmp_path: Path,
) -> None:
    run_dir = left_behind(tmp_path, whole_run())
    before = documents.current_status(run_dir)
    (run_dir / rundir.EVENTS).unlink()
    restored = recovery.first_touch(documents.load(run_dir))
    assert restored is not None
    assert rundir.EVENTS in restored.rebuilt
    assert any("heartbeats" in words for words in restored.not_rebuilt)
    after = documents.current_status(run_dir)
    for name in ("state", "exit_status", "steps", "executions", "results", "tasks", "transfers", "publish"):
        assert after[name] == before[name], name
    assert after["ledger"]["problems"] == [
        "events.jsonl was rebuilt from the documents; it has not all records."
    ]
    assert recovery.first_touch(documents.load(run_dir)) is None


def test_a_damaged_journal_is_kept_beside_the_rebuilt_one(tmp_path: Path) -> None:
    run_dir = left_behind(tmp_path, whole_run())
    path = run_dir / rundir.EVENTS
    lines = path.read_bytes().splitlines(keepends=True)
    damaged = b"".join([b"garbage\n", *lines[1:9], b'{"half": \n', *lines[10:]])
    path.write_bytes(damaged)
    restored = recovery.restore(run_dir)
    assert (run_dir / "logs/events-before-recovery-1.jsonl").read_bytes() == damaged
    read = journal.read(path)
    assert not read.bad_lines
    assert fold(read.records).step_states() == fold(whole_run()).step_states()
    assert any("records of the journal" in words for words in restored.not_rebuilt)


@pytest.mark.parametrize("kind", ["link", "dangling", "pipe", "file"])
def test_a_damaged_journal_is_not_rebuilt_through_what_stands_in_the_place_of_the_new_one(
    tmp_path: Path, kind: str
) -> None:
    run_dir = left_behind(tmp_path / "runs", whole_run())
    outside, temporary = tmp_path / "outside", run_dir / f".{rundir.EVENTS}.recovery"
    if kind == "pipe":
        os.mkfifo(temporary)
    elif kind == "file":
        temporary.write_text("of a recovery that was killed")
    else:
        temporary.symlink_to(outside)
        if kind == "link":
            outside.write_text("mine")
    with (run_dir / rundir.EVENTS).open("ab") as journal_of_a_stranger:
        journal_of_a_stranger.write(b"garbage\n")
    assert recovery.restore(run_dir).rebuilt == [rundir.EVENTS]
    assert (outside.read_text() if outside.exists() else None) == ("mine" if kind == "link" else None)
    assert not os.path.lexists(temporary)
    assert not journal.read(run_dir / rundir.EVENTS).bad_lines


def test_a_directory_in_the_place_of_a_new_journal_is_named(tmp_path: Path) -> None:
    run_dir = left_behind(tmp_path, whole_run())
    (run_dir / f".{rundir.EVENTS}.recovery").mkdir()
    damaged = (run_dir / rundir.EVENTS).read_bytes() + b"garbage\n"
    (run_dir / rundir.EVENTS).write_bytes(damaged)
    with pytest.raises(RackbenchError, match="Is a directory") as caught:
        recovery.restore(run_dir)
    assert caught.value.code == "ledger_write_failed"
    assert (run_dir / rundir.EVENTS).read_bytes() == damaged


def test_a_run_that_somebody_works_on_is_left_alone(tmp_path: Path) -> None:
    run_dir = left_behind(tmp_path, open_run(controller=identity.controller(os.getpid())))
    (run_dir / rundir.RUN_MANIFEST).unlink()
    assert recovery.first_touch(documents.load(run_dir)) is None
    assert not (run_dir / rundir.RUN_MANIFEST).exists()


def test_a_lost_journal_of_a_run_that_somebody_works_on_is_not_rebuilt(tmp_path: Path) -> None:
    run_dir = left_behind(tmp_path, open_run(controller=identity.controller(os.getpid())))
    (run_dir / rundir.EVENTS).unlink()
    with claim.claim(run_dir), pytest.raises(RackbenchError) as caught:
        recovery.restore(run_dir)
    assert caught.value.code == "run_busy"
    assert not (run_dir / rundir.EVENTS).exists()


def test_a_torn_line_is_moved_away_and_nothing_is_lost(tmp_path: Path) -> None:
    run_dir = left_behind(tmp_path, whole_run())
    with (run_dir / rundir.EVENTS).open("ab") as stream:
        stream.write(b'{"seq": 99, "at": "20')
    restored = recovery.restore(run_dir)
    assert restored.rebuilt[0] == rundir.EVENTS
    assert restored.not_rebuilt == []
    assert not documents.load(run_dir).torn
    assert (run_dir / "logs/torn-1.txt").read_bytes() == b'{"seq": 99, "at": "20'


def test_an_open_run_is_closed_once_and_a_second_recover_changes_nothing(tmp_path: Path) -> None:
    run_dir = left_behind(tmp_path, open_run())
    on_host = recovery.OnHost(lease="released", jobs={"latency.smoke.1": "cancelled"})
    with claim.claim(run_dir):
        loaded = recovery.record(recovery.restore(run_dir), on_host)
    state = loaded.state
    assert state.closed is not None
    assert state.closed["exit_status"] == 130
    assert state.steps["latency.execute"].state == "cancelled"
    assert "recovered the run" in str(state.steps["latency.execute"].reason)
    assert state.steps["latency.execute"].duration_s == 1.0
    assert not recovery.may_have_left_something(state)
    for name in ("status.json", "run_manifest.json"):
        model = models.Status if name == "status.json" else models.RunManifest
        model.model_validate_json((run_dir / name).read_bytes())
    before = content(run_dir)
    with claim.claim(run_dir):
        recovery.record(recovery.restore(run_dir), None)
    assert content(run_dir) == before


def test_what_could_not_be_reached_is_tried_again_and_then_done(tmp_path: Path) -> None:
    run_dir = left_behind(tmp_path, open_run())
    with claim.claim(run_dir):
        unreached = recovery.record(recovery.restore(run_dir), recovery.OnHost(lease="unreachable"))
    assert recovery.may_have_left_something(unreached.state)
    assert unreached.state.closed is not None
    with claim.claim(run_dir):
        done = recovery.record(recovery.restore(run_dir), recovery.OnHost(lease="released"))
    assert not recovery.may_have_left_something(done.state)
    assert (done.state.recovered or {})["lease"] == "released"


def test_a_host_that_nothing_could_be_asked_of_has_still_all_that_the_run_had_there(tmp_path: Path) -> None:
    run_dir = left_behind(tmp_path, open_run())
    failure = RackbenchError("ansible_failed", "No host gave an answer.").as_dict()
    with claim.claim(run_dir):
        restored = recovery.restore(run_dir)
        done = recovery.record(restored, recovery.unreached(restored.loaded.state, failure))
    assert (done.state.recovered or {})["jobs"] == {"latency.smoke.1": "unreachable"}
    assert recovery.may_have_left_something(done.state)
    (alert,) = documents.current_status(run_dir)["alerts"]["items"]
    assert "the job latency.smoke.1" in alert["message"]


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        (whole_run(), False),
        (open_run(), True),
        (open_run(check=True), False),
        ([*whole_run(), {"seq": 90, "at": "2026-11-21T09:00:00.000Z", "mono": 9.0, "kind": "noise",
                         "state": "applied", "settings": {}}], True),
        ([*whole_run(), {"seq": 90, "at": "2026-11-21T09:00:00.000Z", "mono": 9.0, "kind": "lease",
                         "state": "taken"}], True),
    ],
    ids=["finished", "open", "dry run", "noise left", "lease left"],
)  # fmt: skip
def test_what_a_run_may_have_left_on_its_host(records: list[dict[str, Any]], expected: bool) -> None:
    assert recovery.may_have_left_something(fold(records)) is expected


def test_a_lost_artifact_is_named(tmp_path: Path) -> None:
    run_dir = left_behind(tmp_path, whole_run())
    (run_dir / "benchmarks/latency/result.json").unlink()
    (run_dir / "exports/results.json").write_bytes(b"short")
    assert recovery.restore(run_dir).not_rebuilt == [
        "benchmarks/latency/result.json: the file is gone.",
        "exports/results.json: it has 5 bytes and not the 10 that were registered.",
    ]


@pytest.mark.parametrize("name", ["state", rundir.STEPS, rundir.LOGS, rundir.EXPORTS, rundir.EVENTS])
def test_a_link_that_leads_outside_is_refused(tmp_path: Path, name: str) -> None:
    run_dir = left_behind(tmp_path / "runs", whole_run())
    outside = tmp_path / "outside"
    (run_dir / name).rename(outside)
    before = content(outside) if outside.is_dir() else outside.read_bytes()
    (run_dir / name).symlink_to(outside)
    with pytest.raises(RackbenchError) as caught:
        recovery.restore(run_dir)
    assert caught.value.code == "ledger_damaged"
    assert (content(outside) if outside.is_dir() else outside.read_bytes()) == before


@pytest.mark.parametrize("is_opening", [True, False])
def test_a_step_whose_id_is_a_path_makes_nothing_outside(tmp_path: Path, *, is_opening: bool) -> None:
    victim = tmp_path / "victim" / "config.json"
    victim.parent.mkdir()
    victim.write_text("mine")
    run_dir = left_behind(tmp_path / "runs", whole_run())
    name = os.path.relpath(victim.with_suffix(""), run_dir / rundir.STEPS)
    if is_opening:
        step = {"step_id": name, "adapter": None, "phase": "discover", "role": "r", "depends": []}
        records = Script().add("run.opened", **opened(steps=[step])).records
    else:
        records = Script().add("run.opened", **opened()).add("step.began", step=name).records
    (run_dir / rundir.EVENTS).write_bytes(b"".join(journal.encode(record) for record in records))
    recovery.restore(run_dir)
    assert victim.read_text() == "mine"
    assert documents.load(run_dir).state.unusable_records == 1


@pytest.mark.parametrize("name", JSON_FILES)
def test_a_document_that_is_a_link_is_replaced_and_its_target_is_left_alone(
    tmp_path: Path, name: str
) -> None:
    run_dir = left_behind(tmp_path / "runs", whole_run())
    whole = content(run_dir)
    outside = tmp_path / "outside.json"
    (run_dir / name).rename(outside)
    told = outside.read_bytes()
    (run_dir / name).symlink_to(outside)
    assert name in recovery.restore(run_dir).rebuilt
    assert outside.read_bytes() == told
    assert content(run_dir) == whole


def test_a_pipe_in_the_place_of_a_document_is_waited_for_by_nobody(tmp_path: Path) -> None:
    run_dir = left_behind(tmp_path, whole_run())
    (run_dir / rundir.STATUS).unlink()
    os.mkfifo(run_dir / rundir.STATUS)
    assert recovery.restore(run_dir).rebuilt == [rundir.STATUS]
    assert (run_dir / rundir.STATUS).is_file()


def test_nothing_is_written_into_a_directory_that_holds_no_run(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RackbenchError) as caught:
        rundir.check_layout(tmp_path)
    assert caught.value.code == "not_a_run_directory"
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


GARBAGE = (
    ANY.map(lambda value: json.dumps(value).encode())
    | st.binary(max_size=40)
    | st.sampled_from(
        [
            b"",
            b"{",
            b"[" * 100_000,
            b'{"a":' * 2000 + b"1" + b"}" * 2000,
            b'{"schema": NaN}',
            b"9" * 5000,
            b'{"seq": 1, "at": 5, "mono": 1e999, "kind": "run.opened"}\n',
            b'{"seq": 2, "at": "x", "mono": '
            + b"9" * 400
            + b', "kind": "step.ended", "step": "latency.stage"}\n',
            b"\xff\xfe\x00",
        ]
    )
)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a whole run directory to copy."""
    return left_behind(tmp_path_factory.mktemp("sample"), whole_run())


@pytest.mark.full
@given(st.dictionaries(st.sampled_from([*JSON_FILES, *OTHER_FILES]), GARBAGE, min_size=1, max_size=5))
@settings(max_examples=120)
def test_garbage_gives_a_whole_directory_or_a_clear_error(sample: Path, files: dict[str, bytes]) -> None:
    # In memory where that can be, since each document that is written is synced.
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as scratch:
        run_dir = Path(scratch) / "2026-11-21/thor" / sample.name
        shutil.copytree(sample, run_dir)
        for name, data in files.items():
            (run_dir / name).write_bytes(data)
            # Where the controller is not known any more, only silence says that it is gone.
            os.utime(run_dir / name, (0, 0))
        try:
            restored = recovery.restore(run_dir)
        except RackbenchError as error:
            pytest.fail(f"{error.code}: a directory that is ours was refused")
        if not recovery.is_known(restored.loaded.state):
            assert restored.not_rebuilt == ["Everything: neither the journal nor a document tells of a run."]
            return
        assert rundir.EVENTS not in files or restored.not_rebuilt or rundir.EVENTS not in restored.rebuilt
        for name in JSON_FILES:
            if (run_dir / name).exists():
                json.loads((run_dir / name).read_bytes())
        if rundir.EVENTS not in files:
            models.Status.model_validate_json((run_dir / rundir.STATUS).read_bytes())
        again = recovery.restore(run_dir)
        assert again.rebuilt == []
        assert again.not_rebuilt == restored.not_rebuilt
