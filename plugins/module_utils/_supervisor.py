# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one benchmark detached from whoever asked for it: `python3 _supervisor.py [--unit NAME] JOB_DIR`.

With `--unit` it is started by systemd as that unit, and is detached already; else it leaves its session by itself.

PRIVATE to rackbench.lab. The job module copies this file to the target as it is, so it needs nothing but the
standard library of Python 3.9, and the module imports it for the files that both share. The job directory holds:

- `spec.json` and `job.json`: what to run; written by `prepare` and never changed.
- `state.json`: `starting`, `running`, `ended`; replaced atomically, always whole.
- `heartbeat.json`: how far the benchmark says it is, about every `interval_s` seconds.
- `conditions.json`: what may have disturbed the benchmark, as it was right before and right after.
- `stop.json`: who asked that the execution stops; written before the supervisor gets SIGTERM.
- `private/`: secrets that the benchmark was handed, and what it keeps of them; only there as long as it runs.
- `stdout`, `stderr`, `out/`: what the benchmark writes. `supervisor.log`: what could not be said elsewhere.
- `.lock`: held as long as the supervisor lives.
- `.reserve`: bytes that are given up at the end, so that a full disk cannot lose how the execution ended.

The supervisor adopts what the benchmark's processes leave behind, so that all of them end with the benchmark, also
those that left its process group. It writes `state.json` while it lives. Only when its lock is free and its process is
gone may another process declare the execution lost.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import json
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

STATE_SCHEMA = "rackbench.job-state/1.0"
BEAT_SCHEMA = "rackbench.job-heartbeat/1.0"
SPEC_SCHEMA = "rackbench.job-spec/1.0"
CONDITIONS_SCHEMA = "rackbench.conditions/1.0"
STOP_SCHEMA = "rackbench.job-stop/1.0"
RESERVE_BYTES = 64 * 1024
PROGRESS_TAIL_BYTES = 64 * 1024
RESULT_LIMIT_BYTES = 64 * 1024 * 1024
LEASE_LIMIT_BYTES = 64 * 1024
# The lease of a target lasts much longer than this, so that some renewals may fail.
LEASE_RENEWAL_S = 60.0
# How long processes may take to die of SIGKILL: one that waits for a broken disk does not die at all.
ORPHANS_S = 10.0
PR_SET_CHILD_SUBREAPER = 36
# The two layouts of utmp(5) records on Linux: 64-bit machines whose 32-bit programs share the file have the first.
LOGIN_RECORD_BYTES = (384, 400)
LOGIN_TYPES, USER_PROCESS = range(10), 7
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
    fields = _stat_of(pid)
    return int(fields[19]) if fields else None


def descendants(pid: int) -> list[int]:
    """Return the living processes whose parent is this one, or one of these, parents first."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*"):
        if fields := _stat_of(int(path.name)):
            children.setdefault(int(fields[1]), []).append(int(path.name))
    found = [pid]
    for parent in found:
        found += children.get(parent, ())
    return found[1:]


def _stat_of(pid: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat from the state on; None if the process is gone or waits to be reaped."""
    text = _text_of(f"/proc/{pid}/stat") or ""
    # The command's name, in parentheses, may hold anything: count the fields after it.
    fields = text.rpartition(")")[2].split()
    return fields if len(fields) >= 20 and fields[0] not in "ZX" else None


def _text_of(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def write_document(path: Path, document: Any, *, sync: bool) -> None:
    """Replace a JSON file in one step. Raises `OSError`; the old file then still stands."""
    data = (json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8")
    write_file(path, data, sync=sync)


def write_file(path: Path, data: bytes, *, sync: bool) -> None:
    """Replace a file in one step. Raises `OSError`; the old file then still stands.

    What is first written is a new file of a name that nobody can know before: no link is followed.
    """
    temporary = path.with_name(f".{path.name}.{os.urandom(8).hex()}.tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
    try:
        with os.fdopen(handle, "wb") as stream:
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


def prepare(
    job_dir: Path, spec: dict[str, Any], job: dict[str, Any], private: dict[str, bytes] | None = None
) -> bool:
    """Make the job directory of an execution; return False if it is there already.

    `private` are secrets that the benchmark is handed, by the names of their files. All of it appears in one step, so a
    directory that exists is complete. Raises `OSError`; nothing is left then.
    """
    job_dir.parent.mkdir(parents=True, exist_ok=True)
    # Never the name of one that a killed call left: after a reboot numbers of processes come again.
    temporary = job_dir.with_name(f".{job_dir.name}.{os.urandom(8).hex()}.tmp")
    temporary.mkdir(mode=0o755)
    made = ["out"]
    try:
        (temporary / "out").mkdir()
        if private:
            made.append("private")
            write_private(temporary, private)
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
        if name == "private":
            remove_private(directory)
            continue
        with contextlib.suppress(OSError):
            (directory / name).rmdir() if name == "out" else (directory / name).unlink()
    with contextlib.suppress(OSError):
        directory.rmdir()


def write_private(job_dir: Path, secrets: dict[str, bytes]) -> None:
    """Write secrets to files that only the owner may read, in a directory that only the owner may enter."""
    place = job_dir / "private"
    place.mkdir(mode=0o700)
    for name, content in secrets.items():
        handle = os.open(place / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())


def remove_private(job_dir: Path) -> None:
    """Remove the secrets of a job, and all that the benchmark made of them."""
    shutil.rmtree(job_dir / "private", ignore_errors=True)


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
        "unit": None,
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
        except (ValueError, RecursionError):
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


def snapshot(job_dir: Path) -> dict[str, Any]:
    """Return what may disturb a benchmark, or tells of it, as it is now; None for what this machine does not tell."""
    return {
        "at": utc_text(),
        "mono": time.monotonic(),
        **_cpu_ticks(),
        "pressure_cpu_us": _cpu_pressure(),
        "own_cpu_s": None,
        "boot_id": boot_id() or None,
        "host_key": host_key(),
        "ticks_per_s": os.sysconf("SC_CLK_TCK"),
        "cpus": os.sysconf("SC_NPROCESSORS_ONLN"),
        "load_1m": _load(),
        "since_job_s": _since_job(job_dir),
        "sessions": _sessions(),
        "throttle_events": _throttle_events(),
    }


def _cpu_ticks() -> dict[str, int | None]:
    """Return how many clock ticks all CPUs together were busy, were taken by the hypervisor, and lived through."""
    line = (_text_of("/proc/stat") or "").partition("\n")[0].split()
    if len(line) < 9 or line[0] != "cpu":
        return {"cpu_busy_ticks": None, "cpu_steal_ticks": None, "cpu_total_ticks": None}
    # What follows these are guests, which `user` and `nice` count already.
    user, nice, system, idle, iowait, irq, softirq, steal = (int(field) for field in line[1:9])
    busy = user + nice + system + irq + softirq
    return {
        "cpu_busy_ticks": busy,
        "cpu_steal_ticks": steal,
        "cpu_total_ticks": busy + idle + iowait + steal,
    }


def _cpu_pressure() -> int | None:
    """Return for how many microseconds so far some process waited for a CPU."""
    for line in (_text_of("/proc/pressure/cpu") or "").splitlines():
        name, _mark, total = line.rpartition(" total=")
        if name.startswith("some ") and total.isdigit():
            return int(total)
    return None


def host_key() -> str | None:
    """Return the fingerprint of the machine's own ssh key, as ssh-keygen(1) prints it."""
    fields = (_text_of("/etc/ssh/ssh_host_ed25519_key.pub") or "").split()
    if len(fields) < 2:
        return None
    try:
        digest = hashlib.sha256(base64.b64decode(fields[1])).digest()
    except ValueError:
        return None
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def _load() -> float | None:
    try:
        return os.getloadavg()[0]
    except OSError:
        return None


def _since_job(job_dir: Path) -> float | None:
    """Return how many seconds ago another job here began or ended: its load is in the load average for a while."""
    times = []
    for path in job_dir.parent.parent.glob("*/*/state.json"):
        if path.parent != job_dir:
            with contextlib.suppress(OSError):
                times.append(path.stat().st_mtime)
    return round(max(0.0, time.time() - max(times)), 3) if times else None


def _sessions() -> int | None:
    try:
        return logins(Path("/run/utmp").read_bytes())
    except OSError:
        return None


def logins(data: bytes) -> int | None:
    """Return how many logins a utmp(5) file has; None if it is none."""
    for size in LOGIN_RECORD_BYTES:
        types = [
            int.from_bytes(data[place : place + 2], sys.byteorder) for place in range(0, len(data), size)
        ]
        if len(data) % size == 0 and all(each in LOGIN_TYPES for each in types):
            return types.count(USER_PROCESS)
    return None


def _throttle_events() -> int | None:
    """Return how often CPUs were slowed down because they were hot; a package's count stands at each of its CPUs."""
    counts = [
        int(text)
        for path in Path("/sys/devices/system/cpu").glob("cpu[0-9]*/thermal_throttle/*_throttle_count")
        if (text := (_text_of(str(path)) or "").strip()).isdigit()
    ]
    return sum(counts) if counts else None


def write_conditions(job_dir: Path, before: dict[str, Any] | None, after: dict[str, Any] | None) -> None:
    """Write conditions.json; a full disk costs it and nothing else."""
    document = {"schema": CONDITIONS_SCHEMA, "before": before, "after": after}
    with contextlib.suppress(OSError):
        write_document(job_dir / "conditions.json", document, sync=after is not None)


def adopt_orphans() -> None:
    """Become the parent of processes below us whose own parent ends. Where that cannot be had, init is it as ever."""
    with contextlib.suppress(ImportError, OSError, AttributeError):
        # A Python without it still supervises.
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1))


def renew_lease(path: str, lease_id: str) -> None:
    """Renew the target's lease if it is still this one; whatever is in the way costs the renewal and nothing else.

    Anybody may put anything there: no link is followed, and nothing waits for the other end of a pipe.
    """
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if stat.S_ISREG(os.fstat(handle).st_mode):
                lease = json.loads(os.read(handle, LEASE_LIMIT_BYTES))
                if lease["lease_id"] == lease_id:
                    os.utime(handle)
        finally:
            os.close(handle)


class Supervisor:
    """Starts one benchmark in its own process group, watches it, and writes down how it ended."""

    def __init__(self, job_dir: Path, unit: str | None = None) -> None:
        self.job_dir = job_dir
        self.unit = unit
        self.spec = read_document(job_dir / "spec.json") or {}
        self.state = read_document(job_dir / "state.json") or {}
        self.interval_s = float(self.spec["interval_s"])
        self.process: subprocess.Popen[bytes] | None = None
        self.began = 0.0
        self.progress: dict[str, Any] = {}
        self.before: dict[str, Any] | None = None
        self.asked = False
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
            state="running",
            pid=own,
            start_ticks=start_ticks(own),
            boot_id=boot_id(),
            unit=self.unit,
            started_at=utc_text(),
        )
        adopt_orphans()
        try:
            # Said before the benchmark exists: an execution found as `starting` was certainly never begun.
            write_document(self.job_dir / "state.json", self.state, sync=True)
            self.before = snapshot(self.job_dir)
            write_conditions(self.job_dir, self.before, None)
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
        lease = self.spec.get("lease")
        next_renewal = self.began + LEASE_RENEWAL_S if lease else float("inf")
        kill_at: float | None = None
        while not self.has_ended():
            self.reap_orphans()
            now = time.monotonic()
            if now >= next_beat:
                self.beat(now)
                next_beat = now + self.interval_s
            if now >= next_renewal:
                renew_lease(str(lease["path"]), str(lease["lease_id"]))
                next_renewal = now + LEASE_RENEWAL_S
            if self.ending is None and now >= limit:
                kill_at = self.ask_to_end(
                    "timeout", f"it passed its time limit of {self.spec['time_limit_s']} s", now
                )
            if kill_at is not None and now >= kill_at:
                self.signal_group(signal.SIGKILL)
                kill_at = None
            following = min(next_beat, next_renewal)
            following = following if self.ending else min(following, limit)
            following = following if kill_at is None else min(following, kill_at)
            event = signal.sigtimedwait(EVENTS, max(0.0, following - time.monotonic()))
            # Python's sigtimedwait returns nonsense when this process was stopped and continued meanwhile.
            if event is None or event.si_signo not in (signal.SIGTERM, signal.SIGINT):
                continue
            self.asked = True
            # A benchmark that has ended by now has ended by itself, however soon the request came after that.
            if self.ending is None and not self.has_ended():
                kill_at = self.ask_to_end(*stopped_by(self.job_dir), time.monotonic())

    def ask_to_end(self, outcome: str, reason: str, now: float) -> float:
        """Send SIGTERM to the group; return when to send SIGKILL, on the monotonic clock."""
        self.ending, self.reason = outcome, reason
        self.signal_group(signal.SIGTERM)
        return now + float(self.spec["grace_s"])

    def has_ended(self) -> bool:
        """Say whether the benchmark's first process has ended, and leave it unreaped: its number stays its own."""
        pid = self.state["benchmark_pid"]
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def reap_orphans(self) -> None:
        """Reap the processes that the benchmark left to us and that have ended; its first process stays as it is."""
        while True:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None or ended.si_pid == self.state["benchmark_pid"]:
                return
            os.waitpid(ended.si_pid, 0)

    def end_orphans(self) -> None:
        """Kill and reap all that is left below us, when the benchmark's first process is gone."""
        deadline = time.monotonic() + ORPHANS_S
        while True:
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                return
            for pid in descendants(os.getpid()):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > deadline:
                sys.stderr.write(f"{utc_text()} some processes of the benchmark do not end\n")
                return
            signal.sigtimedwait((signal.SIGCHLD,), 0.1)

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to all processes of the benchmark's group."""
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)

    def beat(self, now: float) -> None:
        """Write heartbeat.json; a full disk costs this beat and nothing else."""
        self.progress = progress_of(self.job_dir / "out" / "progress.ndjson") or self.progress
        beat = {
            "schema": BEAT_SCHEMA,
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
        """End what is left of the benchmark's processes, and record its end and the conditions then."""
        rc: int | None = None
        if self.process is not None:
            self.signal_group(signal.SIGKILL)
            rc = self.process.wait()
        now = time.monotonic()
        self.end_orphans()
        remove_private(self.job_dir)
        self.asked = self.asked or signal.SIGTERM in signal.sigpending()
        full = False
        try:
            after = snapshot(self.job_dir)
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
            after["own_cpu_s"] = round(used.ru_utime + used.ru_stime, 6)
            full = self.disk_is_full()
            with contextlib.suppress(OSError):
                (self.job_dir / ".reserve").unlink()
            write_conditions(self.job_dir, self.before, after)
            self.beat(now)
        finally:
            # An execution without its end would be waited for as long as its time limit allows.
            self.write_end(rc, now, full=full)

    def write_end(self, rc: int | None, now: float, *, full: bool) -> None:
        """Record in `state.json` how the benchmark ended; a disk without room for that is asked again for a while."""
        outcome, reason = self.outcome(rc)
        if full and outcome != "passed":
            reason = f"{reason}; the disk of the job directory is full"
        self.state.update(
            state="ended",
            outcome=outcome,
            rc=rc,
            signal=signal.Signals(abs(rc)).name if rc is not None and rc < 0 else None,
            ended_at=utc_text(),
            duration_s=round(now - self.began, 3),
            reason=reason,
        )
        for _attempt in range(30):
            try:
                write_document(self.job_dir / "state.json", self.state, sync=True)
                break
            except OSError as error:
                with contextlib.suppress(OSError):
                    sys.stderr.write(f"{utc_text()} state.json cannot be written: {error}\n")
                time.sleep(1)

    def outcome(self, rc: int | None) -> tuple[str, str | None]:
        """Return the outcome and its reason from the exit code, what we did, and what result.json says of itself."""
        if self.ending is not None:
            return self.ending, self.reason
        if self.asked and rc and not (self.job_dir / "stop.json").exists():
            # A machine that shuts down asks the benchmark and us at once.
            return stopped_by(self.job_dir)
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


def stopped_by(job_dir: Path) -> tuple[str, str]:
    """Return the outcome, and its reason, of an execution that is ended because its supervisor was asked to stop."""
    request = read_document(job_dir / "stop.json")
    if request is None:
        return "killed", "its supervisor was asked to stop"
    reason = request.get("reason")
    return "cancelled", f"{request.get('by')} stopped it" + (f": {reason}" if reason else "")


def _own_group() -> None:
    """In the new process: leave the supervisor's group, and take the signals that it keeps blocked."""
    os.setpgid(0, 0)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, EVENTS)


def detach() -> None:
    """Go on as a process of nobody's session; the process that was called exits with 0."""
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    os.chdir("/")


def log_to(log: Path) -> None:
    """Read from nowhere, and let all that this process says go to a file."""
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
    """Supervise the job directory named, detached; an execution that was begun before is left alone."""
    unit = arguments[1] if len(arguments) == 3 and arguments[0] == "--unit" else None
    if len(arguments) != 1 and unit is None:
        sys.stderr.write("usage: supervisor [--unit NAME] JOB_DIR\n")
        return 2
    job_dir = Path(arguments[-1]).resolve()
    if not (job_dir / "spec.json").is_file():
        sys.stderr.write(f"{job_dir} is no job directory\n")
        return 2
    if unit is None:
        detach()
    log_to(job_dir / "supervisor.log")
    with job_lock(job_dir, patience_s=5.0) as held:
        if held and (read_document(job_dir / "state.json") or {}).get("state") == "starting":
            Supervisor(job_dir, unit).run()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
