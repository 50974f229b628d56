# SPDX-License-Identifier: Apache-2.0
"""Run one benchmark detached from whoever asked for it: `python3 _supervisor.py JOB_DIR`.

PRIVATE to rackbench.lab. The job module copies this file to the target as it is, so it needs nothing but the
standard library of Python 3.9, and the module imports it for the files that both share. The job directory holds:

- `spec.json` and `job.json`: what to run; written by `prepare` and never changed.
- `state.json`: `starting`, `running`, `ended`; replaced atomically, always whole.
- `heartbeat.json`: how far the benchmark says it is, about every `interval_s` seconds.
- `stdout`, `stderr`, `out/`: what the benchmark writes. `supervisor.log`: what could not be said elsewhere.
- `.lock`: held as long as the supervisor lives.
- `.reserve`: bytes that are given up at the end, so that a full disk cannot lose how the execution ended.

The supervisor writes `state.json` while it lives. Only when its lock is free and its process is gone may another
process declare the execution lost.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

STATE_SCHEMA = "rackbench.job-state/1.0"
SPEC_SCHEMA = "rackbench.job-spec/1.0"
RESERVE_BYTES = 64 * 1024
PROGRESS_TAIL_BYTES = 64 * 1024
RESULT_LIMIT_BYTES = 64 * 1024 * 1024
EVENTS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)
EXIT_MEANINGS = {
    2: "the benchmark says that its job.json or command line is unusable",
    3: "the benchmark says that this machine lacks something it needs",
}


def utc_text() -> str:
    """Return the time now in UTC with milliseconds, for example `2026-11-21T08:00:00.125Z`."""
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{nanoseconds // 1_000_000:03d}Z"


def boot_id() -> str:
    """Return what names this boot of the kernel; empty where the kernel does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def start_ticks(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None if it is gone or waits to be reaped."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The command's name, in parentheses, may hold anything: count the fields after it.
    fields = text.rpartition(")")[2].split()
    if len(fields) < 20 or fields[0] in "ZX":
        return None
    return int(fields[19])


def write_document(path: Path, document: Any, *, sync: bool) -> None:
    """Replace a JSON file in one step. Raises `OSError`; the old file then still stands."""
    data = (json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            if sync:
                os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    if sync:
        sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable. Raises `OSError`."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_document(path: Path) -> dict[str, Any] | None:
    """Return a JSON object from a file; None if it is missing, larger than 64 MiB, or no object."""
    try:
        if path.stat().st_size > RESULT_LIMIT_BYTES:
            return None
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def prepare(job_dir: Path, spec: dict[str, Any], job: dict[str, Any]) -> bool:
    """Make the job directory of an execution; return False if it is there already.

    All of it appears in one step, so a directory that exists is complete. Raises `OSError`; nothing is left then.
    """
    job_dir.parent.mkdir(parents=True, exist_ok=True)
    temporary = job_dir.with_name(f".{job_dir.name}.{os.getpid()}.tmp")
    temporary.mkdir(mode=0o755)
    made = ["out"]
    try:
        (temporary / "out").mkdir()
        for name, data in (
            (".reserve", bytes(RESERVE_BYTES)),
            (".lock", b""),
            ("stdout", b""),
            ("stderr", b""),
        ):
            made.append(name)
            with (temporary / name).open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
        for name, document in (
            ("spec.json", {"schema": SPEC_SCHEMA, **spec}),
            ("job.json", job),
            ("state.json", first_state(str(spec["execution_id"]))),
        ):
            made.append(name)
            write_document(temporary / name, document, sync=True)
        temporary.rename(job_dir)
        made = []
    except FileExistsError:
        return False
    except OSError:
        # rename() onto a directory that is not empty: another process was first.
        if job_dir.is_dir():
            return False
        raise
    finally:
        if made:
            discard(temporary, made)
    sync_directory(job_dir.parent)
    return True


def discard(directory: Path, names: list[str]) -> None:
    """Remove a directory that `prepare` did not finish."""
    for name in names:
        with contextlib.suppress(OSError):
            (directory / name).rmdir() if name == "out" else (directory / name).unlink()
    with contextlib.suppress(OSError):
        directory.rmdir()


def first_state(execution_id: str) -> dict[str, Any]:
    """Return the state of an execution whose benchmark was never started."""
    return {
        "schema": STATE_SCHEMA,
        "execution_id": execution_id,
        "state": "starting",
        "outcome": None,
        "rc": None,
        "signal": None,
        "pid": None,
        "start_ticks": None,
        "boot_id": boot_id(),
        "benchmark_pid": None,
        "benchmark_start_ticks": None,
        "started_at": None,
        "ended_at": None,
        "duration_s": None,
        "reason": None,
    }


@contextlib.contextmanager
def job_lock(job_dir: Path, patience_s: float = 0.0) -> Iterator[bool]:
    """Hold the job directory's lock in the block; the value is False if it was not free within `patience_s` seconds.

    Closing the file gives the lock back, and the kernel does that for a process which dies.
    """
    deadline = time.monotonic() + patience_s
    with (job_dir / ".lock").open("ab") as stream:
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    yield False
                    return
                time.sleep(0.05)
            else:
                yield True
                return


def progress_of(path: Path) -> dict[str, Any]:
    """Return `done`, `total`, `unit` and `label` of progress.ndjson's last whole line; empty if there is none."""
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - PROGRESS_TAIL_BYTES))
            lines = stream.read(PROGRESS_TAIL_BYTES).split(b"\n")[:-1]
    except OSError:
        return {}
    for line in reversed(lines):
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            return {name: _plain(record.get(name)) for name in ("done", "total", "unit", "label")}
    return {}


def _plain(value: Any) -> Any:
    """Return a number or a short text as it is, and None for anything else: a heartbeat stays small and valid JSON."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")[:200]
    if isinstance(value, int) or (isinstance(value, float) and value - value == 0):
        return value
    return None


class Supervisor:
    """Starts one benchmark in its own process group, watches it, and writes down how it ended."""

    def __init__(self, job_dir: Path) -> None:
        self.job_dir = job_dir
        self.spec = read_document(job_dir / "spec.json") or {}
        self.state = read_document(job_dir / "state.json") or {}
        self.interval_s = float(self.spec["interval_s"])
        self.process: subprocess.Popen[bytes] | None = None
        self.began = 0.0
        self.progress: dict[str, Any] = {}
        self.ending: str | None = None
        self.reason: str | None = None

    def run(self) -> None:
        """Run the benchmark to its end. Whatever happens, `state.json` says `ended` afterwards."""
        signal.pthread_sigmask(signal.SIG_BLOCK, EVENTS)
        for number in (*EVENTS, signal.SIGHUP):
            # Whoever started us may ignore signals (nohup does), and that is inherited.
            signal.signal(number, signal.SIG_DFL)
        own = os.getpid()
        self.began = time.monotonic()
        self.state.update(
            state="running", pid=own, start_ticks=start_ticks(own), boot_id=boot_id(), started_at=utc_text()
        )
        try:
            # Said before the benchmark exists: an execution found as `starting` was certainly never begun.
            write_document(self.job_dir / "state.json", self.state, sync=True)
            self.start()
            self.watch()
        except Exception as error:  # noqa: BLE001 - the end is recorded whatever the cause was
            self.ending = "failed"
            self.reason = f"the benchmark could not be run: {error}"
            # The log is on the disk that may be full.
            with contextlib.suppress(OSError):
                traceback.print_exc()
        self.end()

    def start(self) -> None:
        """Start `bin/run` in a process group of its own. Raises `OSError`."""
        bundle = str(self.spec["bundle_dir"])
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": os.environ.get("HOME", "/"),
            "USER": os.environ.get("USER", ""),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            # The bundle's directory is shared by all executions and verified by its bytes.
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        for name in self.spec.get("inherited") or ():
            if name in os.environ:
                environment[name] = os.environ[name]
        with (self.job_dir / "stdout").open("ab") as out, (self.job_dir / "stderr").open("ab") as err:
            self.process = subprocess.Popen(  # pylint: disable=ansible-bad-function # there is no AnsibleModule here
                [str(part) for part in self.spec["argv"]],
                cwd=bundle,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                preexec_fn=_own_group,  # noqa: PLW1509 - this program has one thread
            )
        pid = self.process.pid
        self.state.update(benchmark_pid=pid, benchmark_start_ticks=start_ticks(pid))
        # A benchmark that has filled the disk by now goes on as it would a moment later.
        with contextlib.suppress(OSError):
            write_document(self.job_dir / "state.json", self.state, sync=False)

    def watch(self) -> None:
        """Wait for the benchmark's end, beating, and end it at its time limit or when this process is asked to stop."""
        limit = self.began + float(self.spec["time_limit_s"])
        next_beat = self.began
        kill_at: float | None = None
        while not self.has_ended():
            now = time.monotonic()
            if now >= next_beat:
                self.beat(now)
                next_beat = now + self.interval_s
            if self.ending is None and now >= limit:
                kill_at = self.ask_to_end(
                    "timeout", f"it passed its time limit of {self.spec['time_limit_s']} s", now
                )
            if kill_at is not None and now >= kill_at:
                self.signal_group(signal.SIGKILL)
                kill_at = None
            following = next_beat if self.ending else min(next_beat, limit)
            following = following if kill_at is None else min(following, kill_at)
            event = signal.sigtimedwait(EVENTS, max(0.0, following - time.monotonic()))
            if event is not None and event.si_signo != signal.SIGCHLD and self.ending is None:
                kill_at = self.ask_to_end("killed", "its supervisor was asked to stop", time.monotonic())

    def ask_to_end(self, outcome: str, reason: str, now: float) -> float:
        """Send SIGTERM to the group; return when to send SIGKILL, on the monotonic clock."""
        self.ending, self.reason = outcome, reason
        self.signal_group(signal.SIGTERM)
        return now + float(self.spec["grace_s"])

    def has_ended(self) -> bool:
        """Say whether the benchmark's first process has ended, and leave it unreaped: its number stays its own."""
        pid = self.state["benchmark_pid"]
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to all processes of the benchmark's group."""
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)

    def beat(self, now: float) -> None:
        """Write heartbeat.json; a full disk costs this beat and nothing else."""
        self.progress = progress_of(self.job_dir / "out" / "progress.ndjson") or self.progress
        beat = {
            "at": utc_text(),
            "elapsed_s": round(now - self.began, 3),
            "done": self.progress.get("done"),
            "total": self.progress.get("total"),
            "unit": self.progress.get("unit"),
            "label": self.progress.get("label"),
            "interval_s": self.interval_s,
        }
        with contextlib.suppress(OSError):
            write_document(self.job_dir / "heartbeat.json", beat, sync=False)

    def end(self) -> None:
        """End what is left of the group, reap the benchmark and record the end."""
        rc: int | None = None
        if self.process is not None:
            self.signal_group(signal.SIGKILL)
            rc = self.process.wait()
        now = time.monotonic()
        outcome, reason = self.verdict(rc)
        self.state.update(
            state="ended",
            outcome=outcome,
            rc=rc,
            signal=signal.Signals(abs(rc)).name if rc is not None and rc < 0 else None,
            ended_at=utc_text(),
            duration_s=round(now - self.began, 3),
            reason=reason,
        )
        full = self.disk_is_full()
        with contextlib.suppress(OSError):
            (self.job_dir / ".reserve").unlink()
        if full and outcome != "passed":
            self.state["reason"] = f"{reason}; the disk of the job directory is full"
        self.beat(now)
        for _attempt in range(30):
            try:
                write_document(self.job_dir / "state.json", self.state, sync=True)
                break
            except OSError as error:
                with contextlib.suppress(OSError):
                    sys.stderr.write(f"{utc_text()} state.json cannot be written: {error}\n")
                time.sleep(1)

    def verdict(self, rc: int | None) -> tuple[str, str | None]:
        """Return the outcome and its reason from the exit code, what we did, and what result.json says of itself."""
        if self.ending is not None:
            return self.ending, self.reason
        if rc is None or rc < 0:
            name = signal.Signals(abs(rc)).name if rc else "an unknown signal"
            return "killed", f"a process that is not ours ended it with {name}"
        result = read_document(self.job_dir / "out" / "result.json") or {}
        status = result.get("status")
        if rc == 0 and status in ("partial", "failed"):
            return str(status), f"it exited with 0, and its result is {status}"
        if rc == 0:
            return "passed", None
        if rc == 1 and status == "partial":
            return "partial", "some planned measurements are missing"
        return "failed", EXIT_MEANINGS.get(rc, f"it exited with {rc}")

    def disk_is_full(self) -> bool:
        """Say whether fewer bytes are free than the reserve holds."""
        space = os.statvfs(self.job_dir)
        return space.f_bavail * space.f_frsize < RESERVE_BYTES


def _own_group() -> None:
    """In the new process: leave the supervisor's group, and take the signals that it keeps blocked."""
    os.setpgid(0, 0)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, EVENTS)


def detach(log: Path) -> None:
    """Go on as a process of nobody's session; the process that was called exits with 0."""
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDONLY)
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError:
        output = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.closerange(3, 256)


def main(arguments: list[str]) -> int:
    """Detach and supervise the job directory named; an execution that was begun before is left alone."""
    if len(arguments) != 1:
        sys.stderr.write("usage: supervisor JOB_DIR\n")
        return 2
    job_dir = Path(arguments[0]).resolve()
    if not (job_dir / "spec.json").is_file():
        sys.stderr.write(f"{job_dir} is no job directory\n")
        return 2
    detach(job_dir / "supervisor.log")
    with job_lock(job_dir, patience_s=5.0) as held:
        if held and (read_document(job_dir / "state.json") or {}).get("state") == "starting":
            Supervisor(job_dir).run()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
