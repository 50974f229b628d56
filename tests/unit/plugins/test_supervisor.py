# SPDX-License-Identifier: GPL-3.0-or-later
"""The supervisor as a real process around real benchmarks of a few lines."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import struct
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from rackbench.ledger.verdict import judge
from rackbench.models.conditions import JobConditions
from rackbench.models.job import JobHeartbeat, JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import ModuleType

pytestmark = pytest.mark.slow

PATIENCE_S = 120.0
NEVER_S = 600.0


def eventually(condition: Callable[[], Any], what: str) -> Any:
    """Wait until `condition` gives something and return it; only a machine that hangs fails here."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what} did not happen in {PATIENCE_S} s")


class Job:
    """One job directory, and a benchmark that is a script for `sh`."""

    def __init__(self, supervisor: ModuleType, root: Path, script: str, **spec: Any) -> None:
        self.supervisor = supervisor
        bundle = root / "bundle"
        bundle.mkdir()
        self.directory = root / "jobs" / "run" / "made-up.short.1"
        supervisor.prepare(
            self.directory,
            {
                "execution_id": "made-up.short.1",
                "bundle_dir": str(bundle),
                "argv": ["/bin/sh", "-c", script, "run", str(self.directory / "out")],
                "time_limit_s": NEVER_S,
                "grace_s": NEVER_S,
                "interval_s": 0.1,
                **spec,
            },
            {"schema": "rackbench.job/1.0"},
        )

    def start(self) -> Job:
        """Start the supervisor; the process that is called ends at once and leaves it alone."""
        subprocess.run([sys.executable, "-I", self.supervisor.__file__, str(self.directory)], check=True)
        return self

    def state(self) -> dict[str, Any]:
        return json.loads((self.directory / "state.json").read_text())

    def end(self) -> dict[str, Any]:
        def ended() -> dict[str, Any] | None:
            state = self.state()
            return state if state["state"] == "ended" else None

        return eventually(ended, "the end")

    def out(self, name: str) -> str:
        return (self.directory / "out" / name).read_text()

    def wait_for(self, name: str) -> str:
        """Return the text of a file of the benchmark as soon as it holds a whole line."""
        path = self.directory / "out" / name
        return eventually(lambda: path.exists() and "\n" in path.read_text() and path.read_text(), name)

    def tidy(self) -> None:
        """End what a failed test left: only processes whose start we recorded."""
        state = self.state()
        for pid, ticks in (
            (state["pid"], state["start_ticks"]),
            (state["benchmark_pid"], state["benchmark_start_ticks"]),
        ):
            if pid and ticks and self.supervisor.start_ticks(pid) == ticks:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(os.getpgid(pid), signal.SIGKILL)


@pytest.fixture
def job(supervisor: ModuleType, tmp_path: Path) -> Iterator[Callable[..., Job]]:
    made: list[Job] = []

    def make(script: str, **spec: Any) -> Job:
        made.append(Job(supervisor, tmp_path, script, **spec))
        return made[-1]

    yield make
    for each in made:
        each.tidy()


def gone(supervisor: ModuleType, pid: int) -> bool:
    return supervisor.start_ticks(pid) is None


def test_a_benchmark_that_passes_is_recorded_with_its_output(job: Callable[..., Job]) -> None:
    one = job(
        'echo said; echo complained >&2; pwd > "$1/where"; cat > "$1/stdin"; echo $TZ > "$1/zone"'
    ).start()
    state = one.end()
    assert (state["outcome"], state["rc"], state["signal"], state["reason"]) == ("passed", 0, None, None)
    assert state["duration_s"] >= 0
    assert state["started_at"].endswith("Z")
    assert (one.directory / "stdout").read_text() == "said\n"
    assert (one.directory / "stderr").read_text() == "complained\n"
    assert one.out("where").strip().endswith("/bundle")
    assert one.out("stdin") == ""
    assert one.out("zone") == "UTC\n"
    assert not (one.directory / ".reserve").exists()
    assert [path.name for path in one.directory.iterdir() if path.name.endswith(".tmp")] == []


@pytest.mark.parametrize(
    ("script", "outcome", "rc"),
    [
        ("exit 1", "failed", 1),
        ("exit 2", "failed", 2),
        ("exit 3", "failed", 3),
        ("""echo '{"status": "partial"}' > "$1/result.json"; exit 1""", "partial", 1),
        ("""echo '{"status": "failed"}' > "$1/result.json"; exit 1""", "failed", 1),
        ("""echo '{"status": "partial"}' > "$1/result.json"; exit 0""", "partial", 0),
        ("""echo '{"status": "par' > "$1/result.json"; exit 1""", "failed", 1),
        ("kill -9 $$", "killed", -9),
        ("kill -11 $$", "killed", -11),
    ],
)
def test_how_it_ended_is_told_apart(job: Callable[..., Job], script: str, outcome: str, rc: int) -> None:
    state = job(script).start().end()
    assert (state["outcome"], state["rc"]) == (outcome, rc)
    assert state["signal"] == (signal.Signals(-rc).name if rc < 0 else None)
    assert state["reason"]


def test_a_program_that_cannot_be_started_is_an_end_with_its_reason(job: Callable[..., Job]) -> None:
    state = job("", argv=["/nonexistent/bin/run"]).start().end()
    assert (state["outcome"], state["rc"]) == ("failed", None)
    assert "/nonexistent/bin/run" in state["reason"]


# A supervisor that looks at the clock only when the benchmark is ready, however long that takes on a busy machine.
PATIENT = """
import sys, time
from pathlib import Path
sys.path.insert(0, str(Path(sys.argv[1]).parent))
import _supervisor

class Patient(_supervisor.Supervisor):
    def watch(self):
        while not (self.job_dir / "out" / "ready").exists():
            time.sleep(0.05)
        super().watch()

with _supervisor.job_lock(Path(sys.argv[2])) as held:
    Patient(Path(sys.argv[2])).run()
"""


def supervised(one: Job) -> dict[str, Any]:
    """Run a job whose benchmark makes `out/ready`; return its end."""
    program = [sys.executable, "-I", "-B", "-c", PATIENT, one.supervisor.__file__, str(one.directory)]
    subprocess.run(program, check=True, timeout=NEVER_S)
    return one.state()


def test_the_time_limit_ends_a_benchmark(job: Callable[..., Job]) -> None:
    state = job("sleep 1000 & sleep 1000", time_limit_s=0.5).start().end()
    assert (state["outcome"], state["rc"], state["signal"]) == ("timeout", -15, "SIGTERM")
    assert "0.5 s" in state["reason"]


def test_the_time_limit_asks_the_benchmark_first_and_ends_its_children(
    job: Callable[..., Job], supervisor: ModuleType
) -> None:
    one = job(
        """trap 'echo asked > "$1/asked"; exit 1' TERM; sleep 1000 & echo $! > "$1/child"; echo > "$1/ready"; wait""",
        time_limit_s=0.1,
    )
    state = supervised(one)
    assert (state["outcome"], state["rc"]) == ("timeout", 1)
    assert one.out("asked") == "asked\n"
    eventually(lambda: gone(supervisor, int(one.out("child"))), "the child's end")


def test_who_ignores_sigterm_is_killed_with_its_children(
    job: Callable[..., Job], supervisor: ModuleType
) -> None:
    one = job(
        """trap '' TERM; sleep 1000 & echo $! > "$1/child"; echo > "$1/ready"; while :; do sleep 0.1; done""",
        time_limit_s=0.1,
        grace_s=0.5,
    )
    state = supervised(one)
    assert (state["outcome"], state["rc"], state["signal"]) == ("timeout", -9, "SIGKILL")
    eventually(lambda: gone(supervisor, int(one.out("child"))), "the child's end")


def test_a_starter_that_ignores_signals_changes_nothing(job: Callable[..., Job]) -> None:
    one = job("sleep 1000", time_limit_s=0.5)
    script = 'trap "" TERM INT HUP CHLD; exec "$@"'
    subprocess.run(
        ["/bin/sh", "-c", script, "sh", sys.executable, "-I", one.supervisor.__file__, str(one.directory)],
        check=True,
    )
    state = one.end()
    assert (state["outcome"], state["signal"]) == ("timeout", "SIGTERM")


def test_what_a_benchmark_leaves_running_ends_with_it(
    job: Callable[..., Job], supervisor: ModuleType
) -> None:
    one = job("""sleep 1000 & echo $! > "$1/child"; exit 0""").start()
    assert one.end()["outcome"] == "passed"
    eventually(lambda: gone(supervisor, int(one.out("child"))), "the child's end")


def test_heartbeats_tell_the_last_whole_line_of_progress(job: Callable[..., Job]) -> None:
    one = job(
        """cd "$1"; echo '{"done": 1, "total": 3, "unit": "pairs", "label": "0-1"}' > progress.ndjson
        while [ ! -e go ]; do sleep 0.05; done
        printf '{"done": 2, "total": 3, "unit": "pairs", "label": "0-2"}\\n{"done": 3, "tot' >> progress.ndjson
        while [ ! -e end ]; do sleep 0.05; done"""
    ).start()
    beat = one.directory / "heartbeat.json"

    def done(number: int) -> Callable[[], Any]:
        return lambda: beat.exists() and json.loads(beat.read_text())["done"] == number

    eventually(done(1), "the first beat")
    (one.directory / "out/go").touch()
    eventually(done(2), "the second beat")
    assert one.state()["state"] == "running"
    (one.directory / "out/end").touch()
    assert one.end()["outcome"] == "passed"
    last = json.loads(beat.read_text())
    assert {name: last[name] for name in ("done", "total", "unit", "label")} == {
        "done": 2,
        "total": 3,
        "unit": "pairs",
        "label": "0-2",
    }
    assert last["interval_s"] == 0.1
    assert JobHeartbeat.model_validate(last).schema_ is not None


def test_it_survives_the_group_and_session_that_started_it(
    job: Callable[..., Job], supervisor: ModuleType
) -> None:
    one = job("""while [ ! -e "$1/end" ]; do sleep 0.05; done""")
    starter = subprocess.Popen(
        [
            "/bin/sh",
            "-c",
            f'"{sys.executable}" -I "$0" "$1"; sleep 1000',
            supervisor.__file__,
            str(one.directory),
        ],
        start_new_session=True,
    )
    eventually(lambda: one.state()["benchmark_start_ticks"], "the start")
    os.killpg(starter.pid, signal.SIGHUP)
    os.killpg(starter.pid, signal.SIGKILL)
    starter.wait()
    pid = one.state()["pid"]
    assert os.getsid(pid) != starter.pid
    assert os.getpgid(one.state()["benchmark_pid"]) == one.state()["benchmark_pid"]
    (one.directory / "out/end").touch()
    assert one.end()["outcome"] == "passed"


def test_a_supervisor_that_is_asked_to_stop_asks_the_benchmark(job: Callable[..., Job]) -> None:
    one = job("""trap 'exit 1' TERM; echo ready > "$1/ready"; while :; do sleep 0.05; done""").start()
    one.wait_for("ready")
    os.kill(one.state()["pid"], signal.SIGTERM)
    state = one.end()
    assert (state["outcome"], state["rc"]) == ("killed", 1)
    assert "asked to stop" in state["reason"]


def ask_to_stop(one: Job, reason: str | None = "the lab is needed") -> None:
    (one.directory / "stop.json").write_text(json.dumps({"by": "thora@desk", "reason": reason, "at": "now"}))
    os.kill(one.state()["pid"], signal.SIGTERM)


@pytest.mark.parametrize("reason", ["the lab is needed", None])
def test_a_stopped_execution_is_cancelled_by_name_and_asks_the_benchmark_first(
    job: Callable[..., Job], reason: str | None
) -> None:
    one = job(
        """trap 'echo asked > "$1/asked"; exit 0' TERM; echo ready > "$1/ready"; while :; do sleep 0.05; done"""
    )
    one.start().wait_for("ready")
    ask_to_stop(one, reason)
    state = one.end()
    assert (state["outcome"], state["rc"]) == ("cancelled", 0)
    assert state["reason"] == "thora@desk stopped it" + (f": {reason}" if reason else "")
    assert one.out("asked") == "asked\n"


def test_a_stop_kills_who_ignores_it_after_its_grace(job: Callable[..., Job], supervisor: ModuleType) -> None:
    script = """trap '' TERM; sleep 1000 & echo $! > "$1/child"; while :; do sleep 0.1; done"""
    one = job(script, grace_s=0.5).start()
    child = int(one.wait_for("child"))
    ask_to_stop(one)
    state = one.end()
    assert (state["outcome"], state["signal"]) == ("cancelled", "SIGKILL")
    eventually(lambda: gone(supervisor, child), "the child's end")


# Leaves the group and the session, and its parent: a daemon.
DAEMON = """setsid sh -c 'sleep 1000 & echo $! > "$1/child"' daemon "$1" & wait; echo ready > "$1/ready" """


@pytest.mark.parametrize("end", ["by itself", "by a stop", "by its time limit"])
def test_a_process_that_left_the_group_and_its_parent_ends_with_the_benchmark(
    job: Callable[..., Job], supervisor: ModuleType, end: str
) -> None:
    limit = {"time_limit_s": 1.0} if end == "by its time limit" else {}
    one = job(DAEMON + ("" if end == "by itself" else "; sleep 1000"), **limit).start()
    if end == "by a stop":
        one.wait_for("ready")
        ask_to_stop(one)
    outcome = one.end()["outcome"]
    assert outcome == {"by itself": "passed", "by a stop": "cancelled", "by its time limit": "timeout"}[end]
    if (one.directory / "out/child").exists():
        # Nothing of it is left when the end is written down: the next execution begins alone.
        assert gone(supervisor, int(one.out("child")))
    else:
        assert end == "by its time limit"


# A supervisor that is asked to stop at the moment at which the benchmark has just ended.
RACE = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, str(Path(sys.argv[1]).parent))
import _supervisor

class Race(_supervisor.Supervisor):
    def reap_orphans(self):
        (self.job_dir / "stop.json").write_text('{"by": "thora@desk", "reason": null}')
        os.kill(os.getpid(), signal.SIGTERM)
        (self.job_dir / "out" / "end").touch()
        os.waitid(os.P_PID, self.state["benchmark_pid"], os.WEXITED | os.WNOWAIT)

with _supervisor.job_lock(Path(sys.argv[2])):
    Race(Path(sys.argv[2])).run()
"""


def test_a_stop_that_comes_with_the_end_leaves_the_benchmarks_own_outcome(job: Callable[..., Job]) -> None:
    one = job("""while [ ! -e "$1/end" ]; do sleep 0.05; done; exit 3""")
    program = [sys.executable, "-I", "-B", "-c", RACE, one.supervisor.__file__, str(one.directory)]
    subprocess.run(program, check=True, timeout=NEVER_S)
    assert (one.state()["outcome"], one.state()["rc"]) == ("failed", 3)


# A machine that shuts down asks the benchmark, which ends before anybody asks the supervisor.
SHUTDOWN = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, str(Path(sys.argv[1]).parent))
import _supervisor

class Shutdown(_supervisor.Supervisor):
    def watch(self):
        while not (self.job_dir / "out" / "ready").exists():
            pass
        self.signal_group(signal.SIGTERM)
        os.waitid(os.P_PID, self.state["benchmark_pid"], os.WEXITED | os.WNOWAIT)
        super().watch()
        os.kill(os.getpid(), signal.SIGTERM)

with _supervisor.job_lock(Path(sys.argv[2])):
    Shutdown(Path(sys.argv[2])).run()
"""


@pytest.mark.parametrize(("rc", "outcome"), [(1, "killed"), (0, "passed")])
def test_a_benchmark_that_a_shutdown_ends_before_its_supervisor_has_not_failed_by_itself(
    job: Callable[..., Job], rc: int, outcome: str
) -> None:
    one = job(f"""trap 'exit {rc}' TERM; echo > "$1/ready"; while :; do sleep 0.05; done""")
    program = [sys.executable, "-I", "-B", "-c", SHUTDOWN, one.supervisor.__file__, str(one.directory)]
    subprocess.run(program, check=True, timeout=NEVER_S)
    assert (one.state()["outcome"], one.state()["rc"]) == (outcome, rc)


def test_the_supervisor_of_a_unit_stays_where_it_was_started_and_names_it(job: Callable[..., Job]) -> None:
    one = job("exit 0")
    program = [
        sys.executable,
        "-I",
        one.supervisor.__file__,
        "--unit",
        "rackbench-made-up",
        str(one.directory),
    ]
    subprocess.run(program, check=True, timeout=NEVER_S)
    state = one.state()
    assert (state["state"], state["unit"]) == ("ended", "rackbench-made-up")
    JobState.model_validate(state)


@pytest.mark.parametrize("arguments", [[], ["--unit"], ["--unit", "x"], ["a", "b", "c"]])
def test_a_wrong_command_line_runs_nothing(supervisor: ModuleType, arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-I", supervisor.__file__, *arguments], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "usage" in done.stderr or "no job directory" in done.stderr


# A process that computes for two seconds, whatever else the machine does.
BURNER = "import time\nwhile time.process_time() < 2: pass"


@pytest.mark.full
def test_the_conditions_before_and_after_are_kept_and_count_the_time_of_all_its_processes(
    job: Callable[..., Job],
) -> None:
    # What computes has lost its parent by then.
    script = """setsid sh -c '{ "$2" -c "$3"; echo done > "$1/done"; } &' daemon "$1" "PYTHON" "BURNER"
        while [ ! -e "$1/done" ]; do sleep 0.05; done"""
    one = job(script.replace("PYTHON", sys.executable).replace("BURNER", BURNER)).start()
    assert one.end()["outcome"] == "passed"
    document = json.loads((one.directory / "conditions.json").read_text())
    conditions = JobConditions.model_validate(document)
    assert conditions.before is not None
    assert conditions.after is not None
    assert conditions.after.own_cpu_s is not None
    assert conditions.after.own_cpu_s >= 2
    assert conditions.before.own_cpu_s is None
    assert conditions.before.since_job_s is None
    assert conditions.before.boot_id == conditions.after.boot_id == one.state()["boot_id"]
    assert conditions.after.mono > conditions.before.mono
    for name in ("cpu_busy_ticks", "cpu_total_ticks"):
        assert document["after"][name] >= document["before"][name] > 0
    verdict = judge(document, outcome="passed", clock_offset_s=0.0)
    assert verdict.inputs["boot_id"] is not None


@pytest.mark.full
def test_a_process_beside_the_benchmark_makes_it_suspect_and_another_boot_void(
    job: Callable[..., Job],
) -> None:
    one = job("""echo ready > "$1/ready"; while [ ! -e "$1/end" ]; do sleep 0.05; done""").start()
    one.wait_for("ready")
    subprocess.run([sys.executable, "-c", BURNER], check=True)
    (one.directory / "out/end").touch()
    one.end()
    document = json.loads((one.directory / "conditions.json").read_text())
    verdict = judge(document, outcome="passed", clock_offset_s=0.0)
    assert verdict.verdict == "suspect"
    assert any(reason.startswith("Other processes") for reason in verdict.reasons), verdict
    document["after"]["boot_id"] = "another boot"
    assert judge(document, outcome="passed", clock_offset_s=0.0).verdict == "void"


def test_the_load_of_an_earlier_job_is_known_as_such(job: Callable[..., Job], tmp_path: Path) -> None:
    earlier = tmp_path / "jobs/another run/one"
    earlier.mkdir(parents=True)
    (earlier / "state.json").write_text("{}")
    one = job("exit 0").start()
    one.end()
    before = json.loads((one.directory / "conditions.json").read_text())["before"]
    assert before["since_job_s"] >= 0


def login_records(size: int, *types: int) -> bytes:
    return b"".join(struct.pack("=h", each).ljust(size, b"\0") for each in types)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", 0),
        (login_records(384, 2, 7, 8, 7), 2),
        (login_records(400, 2, 7, 8), 1),
        (b"x" * 384, None),
        (b"\0" * 383, None),
    ],
    ids=["empty", "384 bytes each", "400 bytes each", "garbage", "torn"],
)
def test_logins_are_counted_in_either_layout_of_utmp(
    supervisor: ModuleType, data: bytes, expected: int | None
) -> None:
    assert supervisor.logins(data) == expected


# A supervisor that renews without delay.
RENEWING = """
import sys
from pathlib import Path
sys.path.insert(0, str(Path(sys.argv[1]).parent))
import _supervisor

_supervisor.LEASE_RENEWAL_S = 0.05
with _supervisor.job_lock(Path(sys.argv[2])):
    _supervisor.Supervisor(Path(sys.argv[2])).run()
"""


def test_the_lease_is_renewed_while_the_benchmark_runs(job: Callable[..., Job], tmp_path: Path) -> None:
    path = tmp_path / "lease.json"
    path.write_text('{"lease_id": "ours"}')
    os.utime(path, (1, 1))
    script = """while [ ! -e "$1/end" ]; do sleep 0.05; done"""
    one = job(script, lease={"path": str(path), "lease_id": "ours"}, interval_s=NEVER_S)
    program = [sys.executable, "-I", "-B", "-c", RENEWING, one.supervisor.__file__, str(one.directory)]
    with subprocess.Popen(program) as process:
        for _ in range(2):
            eventually(lambda: path.stat().st_mtime > 1, "the renewal")
            os.utime(path, (1, 1))
        (one.directory / "out/end").touch()
        assert process.wait(NEVER_S) == 0
    assert one.state()["outcome"] == "passed"


@pytest.mark.parametrize(
    "there", ["another's", "a link", "a pipe", "no JSON", "a list", "empty", "no file", "no directory"]
)
def test_what_is_not_our_lease_is_left_as_it_is(supervisor: ModuleType, tmp_path: Path, there: str) -> None:
    path = tmp_path / "lease.json"
    ours = tmp_path / "ours.json"
    ours.write_text('{"lease_id": "ours"}')
    os.utime(ours, (1, 1))
    texts = {"another's": '{"lease_id": "theirs"}', "no JSON": "{", "a list": "[]", "empty": ""}
    if there in texts:
        path.write_text(texts[there])
        os.utime(path, (1, 1))
    elif there == "a link":
        path.symlink_to(ours)
    elif there == "a pipe":
        os.mkfifo(path)
    elif there == "no directory":
        path = tmp_path / "none/lease.json"
    supervisor.renew_lease(str(path), "ours")
    assert ours.stat().st_mtime == 1
    assert not path.is_file() or path.stat().st_mtime == 1


def test_starting_again_runs_nothing_twice(job: Callable[..., Job], supervisor: ModuleType) -> None:
    one = job("""echo run >> "$1/runs"; while [ ! -e "$1/end" ]; do sleep 0.05; done""").start()
    one.wait_for("runs")
    one.start()
    (one.directory / "out/end").touch()
    one.end()
    one.start()
    with supervisor.job_lock(one.directory, patience_s=PATIENCE_S) as held:
        assert held
    assert one.out("runs") == "run\n"


def test_a_job_directory_is_made_once_and_whole(supervisor: ModuleType, tmp_path: Path) -> None:
    directory = tmp_path / "run" / "one"
    assert supervisor.prepare(directory, {"execution_id": "one"}, {})
    before = {path.name for path in directory.iterdir()}
    assert not supervisor.prepare(directory, {"execution_id": "other"}, {})
    assert json.loads((directory / "spec.json").read_text())["execution_id"] == "one"
    assert {path.name for path in directory.iterdir()} == before
    assert [path.name for path in directory.parent.iterdir()] == ["one"]


def test_what_a_killed_process_of_the_same_number_left_is_in_nobodys_way(
    supervisor: ModuleType, tmp_path: Path
) -> None:
    """After a reboot of the target the numbers of processes come again."""
    (tmp_path / f".one.{os.getpid()}.tmp").mkdir()
    assert supervisor.prepare(tmp_path / "one", {"execution_id": "one"}, {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", {}),
        (b'{"done": 1', {}),
        (b'{"done": 1}\n{"done": 2}', {"done": 1, "total": None, "unit": None, "label": None}),
        (b'{"done": 1}\n\x00\xff\n', {"done": 1, "total": None, "unit": None, "label": None}),
        (b'{"done": 1}\n' + b"[" * 60_000 + b"\n", {"done": 1, "total": None, "unit": None, "label": None}),
        (b'{"done": NaN, "label": {"a": 1}}\n', {"done": None, "total": None, "unit": None, "label": None}),
        (b"x" * 200_000 + b'\n{"done": 4}\n', {"done": 4, "total": None, "unit": None, "label": None}),
    ],
    ids=["empty", "torn only", "torn last", "garbage last", "nested too deep last", "odd values", "long"],
)
def test_progress_is_read_whatever_the_file_holds(
    supervisor: ModuleType, tmp_path: Path, text: bytes, expected: dict[str, Any]
) -> None:
    (tmp_path / "progress.ndjson").write_bytes(text)
    assert supervisor.progress_of(tmp_path / "progress.ndjson") == expected


def test_a_link_in_the_place_of_a_temporary_file_is_not_followed(
    supervisor: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("as it was")
    # Even of somebody who knows the number of the process, and what comes out of the kernel's random numbers.
    monkeypatch.setattr(os, "urandom", bytes)
    for guess in (os.getpid(), bytes(8).hex()):
        (tmp_path / f".state.json.{guess}.tmp").symlink_to(theirs)
    with pytest.raises(FileExistsError):
        supervisor.write_document(tmp_path / "state.json", {}, sync=False)
    assert theirs.read_text() == "as it was"
    assert not (tmp_path / "state.json").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "rackbench-test", str(place)], capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a tmpfs needs root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_does_not_lose_the_end(supervisor: ModuleType, small_disk: Path) -> None:
    one = Job(supervisor, small_disk, """cat /dev/zero > "$1/big"; exit 1""").start()
    try:
        state = one.end()
        assert (state["outcome"], state["rc"]) == ("failed", 1)
        assert "disk of the job directory is full" in state["reason"]
        assert (one.directory / "out/big").stat().st_size > 500_000
        with supervisor.job_lock(one.directory, patience_s=PATIENCE_S) as held:
            assert held
    finally:
        one.tidy()


# A supervisor that comes to writing down the benchmark's number only after that has filled the disk and ended.
LATE = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, str(Path(sys.argv[1]).parent))
import _supervisor

ticks = _supervisor.start_ticks

def late(pid):
    while pid != os.getpid() and ticks(pid) is not None:
        time.sleep(0.05)
    return ticks(pid)

_supervisor.start_ticks = late
with _supervisor.job_lock(Path(sys.argv[2])):
    _supervisor.Supervisor(Path(sys.argv[2])).run()
"""


def test_a_disk_that_is_full_before_the_benchmarks_number_is_written_does_not_lose_the_end(
    supervisor: ModuleType, small_disk: Path
) -> None:
    one = Job(supervisor, small_disk, """cat /dev/zero > "$1/big"; exit 1""")
    program = [sys.executable, "-I", "-B", "-c", LATE, supervisor.__file__, str(one.directory)]
    with (one.directory / "supervisor.log").open("ab") as log:
        subprocess.run(program, check=True, timeout=NEVER_S, stderr=log)
    state = one.state()
    assert (state["state"], state["outcome"], state["rc"]) == ("ended", "failed", 1)
    assert "disk of the job directory is full" in state["reason"]


# A supervisor whose beats fail, for a reason that nobody has thought of.
BEATLESS = """
import sys
from pathlib import Path
sys.path.insert(0, str(Path(sys.argv[1]).parent))
import _supervisor

def broken(path):
    raise RuntimeError("no beat")

_supervisor.progress_of = broken
with _supervisor.job_lock(Path(sys.argv[2])):
    _supervisor.Supervisor(Path(sys.argv[2])).run()
"""


def test_beats_that_fail_do_not_lose_the_end(job: Callable[..., Job], supervisor: ModuleType) -> None:
    one = job("exec sleep 1000")
    program = [sys.executable, "-I", "-B", "-c", BEATLESS, supervisor.__file__, str(one.directory)]
    done = subprocess.run(program, timeout=NEVER_S, capture_output=True, text=True)
    state = one.state()
    assert (state["state"], state["outcome"], state["signal"]) == ("ended", "failed", "SIGKILL")
    assert state["reason"] == "the benchmark could not be run: no beat"
    assert done.stderr.endswith("RuntimeError: no beat\n")


def test_a_job_that_does_not_fit_on_the_disk_leaves_nothing(supervisor: ModuleType, small_disk: Path) -> None:
    with contextlib.suppress(OSError), (small_disk / "big").open("wb") as stream:
        stream.write(bytes(2_000_000))
    with pytest.raises(OSError, match="No space left"):
        supervisor.prepare(small_disk / "one", {"execution_id": "one"}, {})
    assert [path.name for path in small_disk.iterdir()] == ["big"]
