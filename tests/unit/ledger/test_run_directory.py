# SPDX-License-Identifier: Apache-2.0
"""Run directories: made once, read however damaged, written by one recorder that stops at a failed write."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rackbench import clock
from rackbench.errors import RackbenchError
from rackbench.ledger import documents, identity, journal, liveness, rundir
from rackbench.ledger.recorder import BEAT_INTERVAL_S, Recorder, Recorders, status_interval
from rackbench.ledger.state import fold
from rackbench.models import run_documents as models

from tests.unit.ledger.samples import NOW, START, failed_run, make_run_dir, opened, whole_run

if TYPE_CHECKING:
    from collections.abc import Iterator


def play(recorder: Recorder, records: list[dict[str, Any]]) -> None:
    """Record what these records say."""
    for record in records:
        fields = {name: value for name, value in record.items() if name not in {"seq", "at", "mono", "kind"}}
        recorder.record(record["kind"], **fields)


def recorded(root: Path, records: list[dict[str, Any]]) -> Path:
    """Return a run directory in which these records were recorded."""
    run_dir = make_run_dir(root)
    recorder = Recorder(run_dir)
    play(recorder, records)
    recorder.close()
    return run_dir


@pytest.mark.parametrize("asked_at", ["yesterday", "0001-01-01T00:00:00+23:59", 7])
def test_a_request_with_fields_that_are_none_of_its_own_is_taken_up_without_them(
    tmp_path: Path, asked_at: object
) -> None:
    recorder = Recorder(make_run_dir(tmp_path))
    recorder.record("run.opened", **opened())
    strange = {"kind": "x", "self": "y", "fields": "z", "seq": "0", "by": ["me"], "reason": "enough"}
    request = {"action": "stop", "id": "another", "requested_at": asked_at, **strange}
    (recorder.run_dir / rundir.CONTROL / "asked.json").write_text(json.dumps(request))
    recorder.tick(clock.monotonic(), 0.0)
    recorder.close()
    (record,) = [
        record
        for record in journal.read(recorder.run_dir / rundir.EVENTS).records
        if record["kind"] == "control"
    ]
    told = {name: value for name, value in record.items() if name not in {"seq", "at", "mono", "kind"}}
    assert told == {
        "id": "asked",
        "action": "stop",
        "by": "somebody",
        "reason": "enough",
        "requested_at": None,
    }


def test_two_runs_in_one_second_never_share_a_directory(tmp_path: Path) -> None:
    made = [rundir.create(tmp_path, "thor", START) for _ in range(3)]
    assert [path.relative_to(tmp_path).as_posix() for path in made] == [
        "2026-11-21/thor/20261121T080000Z",
        "2026-11-21/thor/20261121T080001Z",
        "2026-11-21/thor/20261121T080002Z",
    ]
    assert all((path / "state" / "steps").is_dir() for path in made)
    assert rundir.run_id_of(made[0]) == "20261121T080000Z-thor"


def test_the_directory_of_a_dry_run_has_no_day(tmp_path: Path) -> None:
    made = rundir.create(tmp_path / "dry-runs", "thor", START, dated=False)
    assert made == tmp_path / "dry-runs" / "thor" / "20261121T080000Z"


@pytest.mark.parametrize("host", ["", "..", "a/b", "a\0b"])
def test_a_host_name_that_would_leave_its_place_is_refused(tmp_path: Path, host: str) -> None:
    with pytest.raises(RackbenchError) as caught:
        rundir.create(tmp_path, host, START)
    assert caught.value.code == "run_directory_failed"
    assert not list(tmp_path.iterdir())


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(RackbenchError, match="runs") as caught:
        rundir.create(tmp_path / "runs", "thor", START)
    assert caught.value.code == "run_directory_failed"


def test_a_recorded_run_has_every_document_valid_by_its_model(tmp_path: Path) -> None:
    run_dir = recorded(tmp_path, whole_run())
    for name, model in {
        "status.json": models.Status,
        "run_manifest.json": models.RunManifest,
        "artifact_manifest.json": models.ArtifactManifest,
        "publish_ledger.json": models.PublishLedger,
        "host_inventory_snapshot.json": models.HostInventorySnapshot,
    }.items():
        model.model_validate_json((run_dir / name).read_bytes())
    steps = sorted(path.stem for path in (run_dir / "state/steps").glob("*.json"))
    assert steps == sorted(record["step"] for record in whole_run() if record["kind"] == "step.ended")
    for path in (run_dir / "state/steps").iterdir():
        assert models.StepDocument.model_validate_json(path.read_bytes()).state == "completed"
    (command,) = (run_dir / "command_ledger.jsonl").read_bytes().splitlines()
    assert models.CommandLine.model_validate_json(command).argv == ["bin/run"]
    (transfer,) = (run_dir / "transfer_ledger.jsonl").read_bytes().splitlines()
    assert models.TransferLine.model_validate_json(transfer).direction == "upload"
    assert not list(run_dir.rglob("*.tmp"))


@pytest.mark.parametrize("records", [whole_run(), failed_run(), whole_run()[:11]])
def test_rebuilding_writes_what_the_recorder_wrote(tmp_path: Path, records: list[dict[str, Any]]) -> None:
    run_dir = recorded(tmp_path, records)
    volatile = {"status.json", "recovery_summary.md", ".controller"}
    before = {
        path: path.read_bytes() for path in run_dir.rglob("*") if path.is_file() and path.name not in volatile
    }
    before_status = json.loads((run_dir / "status.json").read_text())
    for path in run_dir.rglob("*"):
        if path.is_file() and path.name != "events.jsonl":
            path.unlink()
    documents.write_all(run_dir)
    pending = {f"state/steps/{step}.json" for step, state in documents.load(run_dir).state.step_states().items()
               if state == "pending"}  # fmt: skip
    found = {path for path in run_dir.rglob("*") if path.is_file() and path.name not in volatile}
    assert found - before.keys() == {run_dir / name for name in pending}
    assert {path: path.read_bytes() for path in before} == before
    after_status = json.loads((run_dir / "status.json").read_text())
    assert after_status["steps"] == before_status["steps"]
    assert after_status["last_step_begun"] == before_status["last_step_begun"]


def test_the_status_of_a_surviving_journal_is_a_fold_of_it(tmp_path: Path) -> None:
    run_dir = recorded(tmp_path, whole_run()[:25])
    status = documents.current_status(run_dir, NOW)
    state = fold(journal.read(run_dir / "events.jsonl").records)
    assert {row["step_id"]: row["state"] for row in status["steps"]} == state.step_states()
    assert status["last_step_begun"] == state.last_began


def damage_torn(run_dir: Path) -> None:
    with (run_dir / "events.jsonl").open("ab") as stream:
        stream.write(b'{"seq": 99, "ki')


def damage_missing(run_dir: Path) -> None:
    (run_dir / "events.jsonl").unlink()


def damage_empty(run_dir: Path) -> None:
    (run_dir / "events.jsonl").write_bytes(b"")


def damage_zeros(run_dir: Path) -> None:
    (run_dir / "events.jsonl").write_bytes(bytes(4096))


def damage_head(run_dir: Path) -> None:
    path = run_dir / "events.jsonl"
    path.write_bytes(path.read_bytes().partition(b"\n")[2])


def damage_all_but_journal(run_dir: Path) -> None:
    for path in run_dir.iterdir():
        if path.name != "events.jsonl":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def damage_live(run_dir: Path) -> None:
    (run_dir / "state/live/latency.smoke.1.json").write_bytes(b'{"torn')


DAMAGES = [
    (damage_torn, "torn"),
    (damage_missing, "missing"),
    (damage_empty, None),
    (damage_zeros, "torn"),
    (damage_head, "missing"),
    (damage_all_but_journal, None),
    (damage_live, None),
]


@pytest.mark.parametrize(("damage", "said"), DAMAGES)
@pytest.mark.parametrize("length", [3, 20, 60])
def test_a_damaged_directory_still_has_a_valid_status_that_says_so(
    tmp_path: Path, damage: Any, said: str | None, length: int
) -> None:
    run_dir = recorded(tmp_path, whole_run()[:length])
    damage(run_dir)
    status = documents.current_status(run_dir, NOW)
    models.Status.model_validate(status)
    assert (status["run_id"], status["host"]) == ("20261121T080000Z-thor", "thor")
    assert said is None or any(said in problem for problem in status["ledger"]["problems"])
    documents.write_all(run_dir)
    models.Status.model_validate_json((run_dir / "status.json").read_bytes())


@pytest.mark.parametrize("name", ["nowhere", "empty", "file"])
def test_what_is_no_run_directory_is_refused_by_its_path(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(RackbenchError, match=name) as caught:
        documents.current_status(tmp_path / name)
    assert caught.value.code == "not_a_run_directory"


def test_a_recorder_that_comes_back_goes_on_where_the_journal_ends(tmp_path: Path) -> None:
    run_dir = recorded(tmp_path, whole_run()[:10])
    damage_torn(run_dir)
    (run_dir / "command_ledger.jsonl").write_bytes(b'{"to')
    recorder = Recorder(run_dir)
    assert recorder.state == fold(whole_run()[:10]) or recorder.state.last_began == "host.preflight"
    play(recorder, whole_run()[10:])
    recorder.close()
    loaded = documents.load(run_dir)
    assert loaded.state.closed is not None
    assert (loaded.torn, loaded.state.missing_records) == (False, 0)
    assert (run_dir / "logs/torn-1.txt").read_bytes() == b'{"seq": 99, "ki'
    (line,) = (run_dir / "command_ledger.jsonl").read_bytes().splitlines()
    models.CommandLine.model_validate_json(line)


def test_an_illegal_change_of_a_step_is_refused_before_it_reaches_the_journal(tmp_path: Path) -> None:
    recorder = Recorder(make_run_dir(tmp_path))
    play(recorder, whole_run()[:1])
    for kind, fields in (
        ("step.ended", {"step": "host.discover", "state": "completed"}),
        ("step.began", {"step": "no.such"}),
    ):
        with pytest.raises(RackbenchError) as caught:
            recorder.record(kind, **fields)
        assert caught.value.code == "illegal_transition"
    recorder.close()
    assert len(journal.read(recorder.run_dir / "events.jsonl").records) == 1


def test_a_record_without_a_step_belongs_to_the_running_one(tmp_path: Path) -> None:
    recorder = Recorder(make_run_dir(tmp_path))
    play(recorder, whole_run()[:1])
    assert recorder.record("task.began", task="T", action="a", uuid="t1")["step"] is None
    recorder.record("step.began", step="host.discover")
    assert recorder.record("task.began", task="T", action="a", uuid="t2")["step"] == "host.discover"
    recorder.close()


def test_paths_of_transfers_in_the_run_directory_are_relative_to_it(tmp_path: Path) -> None:
    recorder = Recorder(make_run_dir(tmp_path))
    play(recorder, whole_run()[:1])
    recorder.record(
        "transfer", direction="download", source="thor:/x", bytes=1, duration_s=0,
        destination=str(recorder.run_dir / "benchmarks/x"),
    )  # fmt: skip
    recorder.close()
    assert (
        json.loads((recorder.run_dir / "transfer_ledger.jsonl").read_text())["destination"] == "benchmarks/x"
    )


def test_status_is_written_when_it_is_due_and_not_sooner(tmp_path: Path) -> None:
    recorder = Recorder(make_run_dir(tmp_path))
    play(recorder, whole_run()[:1])
    status = recorder.run_dir / "status.json"
    first = status.stat().st_mtime_ns
    recorder.record("task.began", task="T", action="a", uuid="t1")
    assert status.stat().st_mtime_ns == first
    assert not recorder.tick(clock.monotonic(), 3600)
    assert recorder.tick(clock.monotonic() + 3601, 3600)
    assert not recorder.tick(clock.monotonic() + 9000, 3600)
    assert json.loads(status.read_text())["last_event"]["kind"] == "task.began"
    recorder.close()


@pytest.mark.parametrize(("runs", "interval"), [(0, 0.25), (1, 0.25), (5, 0.25), (100, 5.0)])
def test_many_open_runs_share_the_writes_of_status(runs: int, interval: float) -> None:
    assert status_interval(runs) == interval


def test_live_beats_reach_status_at_once_and_the_journal_now_and_then(tmp_path: Path) -> None:
    recorder = Recorder(make_run_dir(tmp_path))
    records = whole_run()
    # The task that runs the benchmark hands over execution.began only when it ends; the beats come before.
    play(recorder, records[: [record["kind"] for record in records].index("execution.began")])
    live = recorder.run_dir / "state/live/latency.smoke.1.json"
    now = clock.monotonic()

    def beat(number: int, done: int) -> None:
        content = {"at_target": f"2026-11-21T08:00:0{number}.000Z", "done": done, "total": 9, "interval_s": 1}
        live.write_text(json.dumps(content))
        os.utime(live, ns=(number * 10**9, number * 10**9))

    def beats() -> list[Any]:
        read = journal.read(recorder.run_dir / "events.jsonl").records
        return [record["done"] for record in read if record["kind"] == "execution.beat"]

    def shown() -> Any:
        return json.loads((recorder.run_dir / "status.json").read_text())["progress"]["done"]

    beat(1, 1)
    assert recorder.tick(now, 0)
    beat(2, 2)
    assert recorder.tick(now + 1, 0)
    assert (shown(), beats()) == (2, [1])
    # The same beat in a newer file is the same beat.
    os.utime(live, ns=(5 * 10**9, 5 * 10**9))
    assert not recorder.tick(now + 2, 0)
    recorder.tick(now + BEAT_INTERVAL_S + 1, 0)
    assert beats() == [1, 2]
    began_at = recorder.state.executions["latency.smoke.1"].began_at
    recorder.record(
        "execution.began", execution="latency.smoke.1", adapter="latency", family="smoke", repeat=1
    )
    assert recorder.state.executions["latency.smoke.1"].began_at == began_at
    recorder.close()


def test_after_a_failed_write_every_call_fails_in_the_same_way(tmp_path: Path) -> None:
    recorder = Recorder(make_run_dir(tmp_path))
    play(recorder, whole_run()[:1])
    shutil.rmtree(recorder.run_dir)
    for _ in range(2):
        with pytest.raises(RackbenchError) as caught:
            recorder.record("step.began", step="host.discover")
        assert caught.value.code == "ledger_write_failed"
    recorder.close()


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """Yield a run directory on a file system that is read-only."""
    run_dir = make_run_dir(tmp_path)
    if os.geteuid() != 0:
        run_dir.chmod(0o555)
        yield run_dir
        run_dir.chmod(0o755)
        return
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "ro,size=64k", "tmpfs", str(run_dir)], capture_output=True, text=True
    )
    if done.returncode != 0:
        pytest.skip(f"No tmpfs can be mounted here: {done.stderr.strip()}")
    yield run_dir
    subprocess.run(["umount", str(run_dir)], check=True)


def test_a_read_only_run_directory_is_a_ledger_failure_that_names_it(read_only: Path) -> None:
    with pytest.raises(RackbenchError) as caught:
        Recorder(read_only)
    assert caught.value.code == "ledger_write_failed"
    assert str(read_only) in str(caught.value)


def test_the_recorders_of_a_play_give_out_open_runs_only(tmp_path: Path) -> None:
    runs = Recorders()
    recorder = runs.open("thor", make_run_dir(tmp_path))
    assert runs.get("thor") is None
    play(recorder, whole_run()[:1])
    assert runs.get("thor") is recorder
    recorder.close_run()
    assert runs.get("thor") is None
    assert [host for host, _recorder in runs.by_host()] == ["thor"]
    runs.close()


def test_this_process_is_alive_and_an_ended_one_is_not() -> None:
    own = identity.controller(os.getpid())
    assert liveness.is_alive(own) is True
    assert liveness.is_alive({**own, "start_ticks": own["start_ticks"] + 1}) is False
    assert liveness.is_alive({**own, "boot_id": "earlier"}) is False
    assert liveness.is_alive({**own, "boot_id": "earlier", "hostname": "elsewhere"}) is None
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    ended = identity.controller(child.pid)
    assert liveness.is_alive(ended) is True
    child.communicate(b"\n")
    assert liveness.is_alive(ended) is False


def test_a_controller_without_a_pid_namespace_as_in_older_journals_is_looked_up_by_its_pid() -> None:
    own = identity.controller(os.getpid())
    older = {name: value for name, value in own.items() if name != "pid_namespace"}
    assert liveness.is_alive(older) is True
    assert liveness.is_alive({**older, "start_ticks": 1}) is False


@pytest.mark.skipif(os.geteuid() != 0, reason="Only root can make a pid namespace.")
def test_a_controller_in_another_pid_namespace_cannot_be_asked() -> None:
    made = ["unshare", "--pid", "--fork", "--mount-proc"]
    if subprocess.run([*made, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("This machine lets root make no pid namespace.")
    code = (
        "import json, os; from rackbench.ledger import identity;"
        "print(json.dumps(identity.controller(os.getpid())), flush=True); input()"
    )
    with subprocess.Popen(
        [*made, sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(Path(rundir.__file__).parents[2])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        there = json.loads(process.stdout.readline())
        assert (there["pid"], there["boot_id"]) == (1, liveness.boot_id())
        assert liveness.is_alive(there) is None
        process.communicate("\n")
    assert liveness.is_alive(there) is None


@pytest.mark.parametrize(
    "controller", [None, {}, {"pid": "1"}, {"pid": 1, "start_ticks": None, "boot_id": "x"}]
)
def test_a_controller_that_is_not_named_whole_is_neither_alive_nor_dead(controller: Any) -> None:
    assert liveness.is_alive(controller) is None


def test_the_journal_of_a_dead_controller_reads_as_interrupted(tmp_path: Path) -> None:
    gone = {**identity.controller(os.getpid()), "start_ticks": 1}
    run_dir = make_run_dir(tmp_path)
    recorder = Recorder(run_dir)
    recorder.record("run.opened", **opened(controller=gone))
    recorder.record("step.began", step="host.discover")
    recorder.close()
    status = documents.current_status(run_dir, START + timedelta(hours=1))
    assert (status["state"], status["last_step_begun"]) == ("interrupted", "host.discover")


def test_the_ledger_starts_without_pydantic_or_ansible() -> None:
    code = (
        "import sys, rackbench.ledger.recorder, rackbench.ledger.documents, rackbench.ledger.gate;"
        "print([name for name in ('pydantic', 'ansible', 'yaml', 'jmespath') if name in sys.modules])"
    )
    source = Path(rundir.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "[]", done.stderr
