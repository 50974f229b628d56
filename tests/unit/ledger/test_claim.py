# SPDX-License-Identifier: Apache-2.0
"""One writer at a time: what a recorder keeps locked, what takes a run over, and the sign of a silent controller."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rackbench import clock
from rackbench.errors import RackbenchError
from rackbench.ledger import claim, control, documents, identity, journal, rundir
from rackbench.ledger.recorder import Recorder

from tests.unit.ledger.samples import make_run_dir, opened, whole_run

if TYPE_CHECKING:
    from collections.abc import Iterator

ELSEWHERE = {"pid": 7, "start_ticks": 7, "boot_id": "another", "hostname": "elsewhere", "user": "op"}
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(rundir.__file__).parents[2])}
KEEP = (
    "import sys; from pathlib import Path; from rackbench.ledger.recorder import Recorder;"
    "recorder = Recorder(Path(sys.argv[1])); print('open', flush=True); input()"
)
TAKE = (
    "import sys; from pathlib import Path; from rackbench.errors import RackbenchError\n"
    "from rackbench.ledger import claim\n"
    "try:\n"
    "    with claim.claim(Path(sys.argv[1])): print('taken')\n"
    "except RackbenchError as error: print(error.code)\n"
)


def closed_run(root: Path) -> Path:
    """Return the directory of a run that came to its end."""
    run_dir = make_run_dir(root)
    (run_dir / rundir.EVENTS).write_bytes(b"".join(journal.encode(record) for record in whole_run()))
    return run_dir


@contextlib.contextmanager
def recorder_elsewhere(run_dir: Path) -> Iterator[None]:
    """Keep a recorder of the run open in another process."""
    with subprocess.Popen(
        [sys.executable, "-c", KEEP, run_dir],
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        try:
            yield
        finally:
            process.communicate("\n")


def taken_elsewhere(run_dir: Path) -> str:
    """Let another process take the run over; return what came of it."""
    done = subprocess.run(
        [sys.executable, "-c", TAKE, run_dir],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout.strip()


def test_a_closed_run_is_busy_as_long_as_its_recorder_is_open(tmp_path: Path) -> None:
    run_dir = closed_run(tmp_path)
    with recorder_elsewhere(run_dir):
        with pytest.raises(RackbenchError) as caught, claim.claim(run_dir):
            pass
        assert caught.value.code == "run_busy"
        with pytest.raises(RackbenchError) as caught:
            Recorder(run_dir)
        assert caught.value.code == "run_busy"
    with claim.claim(run_dir):
        pass


def test_a_recorder_that_is_opened_in_a_claim_keeps_the_run_after_it(tmp_path: Path) -> None:
    run_dir = closed_run(tmp_path)
    with claim.claim(run_dir):
        recorder = Recorder(run_dir)
    assert taken_elsewhere(run_dir) == "run_busy"
    recorder.close()
    assert taken_elsewhere(run_dir) == "taken"


# Ansible forks its workers beside the recorder's thread too, which Python 3.12 warns of.
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_worker_neither_ends_nor_keeps_the_lock_of_its_controller(tmp_path: Path) -> None:
    run_dir = closed_run(tmp_path)
    recorder = Recorder(run_dir)
    reading, writing = os.pipe()
    worker = os.fork()
    if worker == 0:
        # It has copies of all descriptors, closes some, and lives on.
        try:
            os.close(writing)
            recorder.close()
            os.read(reading, 1)
        finally:
            os._exit(0)
    os.close(reading)
    try:
        assert taken_elsewhere(run_dir) == "run_busy"
        recorder.close()
        assert taken_elsewhere(run_dir) == "taken"
    finally:
        os.close(writing)
        os.waitpid(worker, 0)


def silent_elsewhere(root: Path) -> tuple[Recorder, Path]:
    """Return the recorder of a run whose controller is on another machine, and its directory."""
    run_dir = make_run_dir(root)
    recorder = Recorder(run_dir)
    recorder.record("run.opened", **opened(controller=ELSEWHERE))
    return recorder, run_dir


def is_busy(run_dir: Path) -> bool:
    """Return whether the run counts as one that a controller is at work on."""
    try:
        claim.check_free(documents.load(run_dir), clock.utc_now())
    except RackbenchError as error:
        return error.code == "run_busy"
    return False


def fall_silent(run_dir: Path) -> None:
    """Make all files of a run very old."""
    for path in run_dir.rglob("*"):
        if path.is_file():
            os.utime(path, (0, 0))


def test_a_controller_on_another_machine_that_writes_nothing_still_gives_a_sign(tmp_path: Path) -> None:
    recorder, run_dir = silent_elsewhere(tmp_path)
    fall_silent(run_dir)
    assert not is_busy(run_dir)
    recorder.tick(100.0, 3600.0)
    assert is_busy(run_dir)
    fall_silent(run_dir)
    recorder.tick(100.0 + claim.SIGN_INTERVAL_S / 2, 3600.0)
    assert not is_busy(run_dir)
    recorder.tick(100.0 + claim.SIGN_INTERVAL_S, 3600.0)
    assert is_busy(run_dir)
    recorder.close()


def test_a_sign_is_no_heartbeat(tmp_path: Path) -> None:
    recorder, run_dir = silent_elsewhere(tmp_path)
    recorder.tick(100.0, 3600.0)
    assert [path.name for path in (run_dir / rundir.LIVE).iterdir()] == [".controller"]
    assert list((run_dir / rundir.LIVE).glob("*.json")) == []
    recorder.close()


def test_the_command_for_a_run_directory_with_a_space_in_its_path_is_quoted(tmp_path: Path) -> None:
    controller: dict[str, Any] = identity.controller(os.getpid())
    run_dir = make_run_dir(tmp_path / "my runs")
    recorder = Recorder(run_dir)
    recorder.record("run.opened", **opened(controller=controller))
    recorder.close()
    with pytest.raises(RackbenchError) as caught:
        claim.check_free(documents.load(run_dir), clock.utc_now())
    assert caught.value.next_command == f"rackbench status --run-dir '{run_dir}'"


@pytest.mark.parametrize(
    "name", [rundir.CLAIM, "state/live/.controller", rundir.EVENTS, rundir.COMMAND_LEDGER]
)
def test_a_link_in_the_place_of_what_a_writer_opens_makes_nothing_outside(tmp_path: Path, name: str) -> None:
    run_dir = closed_run(tmp_path / "runs")
    (run_dir / name).unlink(missing_ok=True)
    (run_dir / name).symlink_to(tmp_path / "outside")
    with pytest.raises(RackbenchError, match=r"is a (symbolic )?link") as caught, claim.claim(run_dir):
        Recorder(run_dir).close()
    # The journal is read before anything is written.
    assert caught.value.code == ("ledger_damaged" if name == rundir.EVENTS else "ledger_write_failed")
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("name", ["state", rundir.EVIDENCE, *rundir.DIRECTORIES])
def test_who_takes_a_run_or_asks_something_of_it_writes_nothing_where_a_link_leads(
    tmp_path: Path, name: str
) -> None:
    run_dir = closed_run(tmp_path / "runs")
    outside = tmp_path / "outside"
    if (run_dir / name).exists():
        (run_dir / name).rename(outside)
    else:
        outside.mkdir()
    (run_dir / name).symlink_to(outside)
    before = sorted(outside.rglob("*"))
    with pytest.raises(RackbenchError, match="is a symbolic link") as caught, claim.claim(run_dir):
        pass
    assert caught.value.code == "ledger_damaged"
    with pytest.raises(RackbenchError, match="is a symbolic link"):
        control.request(run_dir, control.STOP, None)
    assert sorted(outside.rglob("*")) == before
