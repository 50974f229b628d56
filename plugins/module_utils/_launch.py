# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting a job's supervisor so that it outlives whoever starts it: as a systemd unit, or in a session of its own.

PRIVATE to rackbench.lab. A unit has a control group, so that systemd ends whatever is left of the job when its
supervisor is gone, and it is no part of a login whose end might take it along. It needs root, or a user whose services
run without a login (`loginctl enable-linger`). All else starts in a session of its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pwd
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.rackbench.lab.plugins.module_utils import _supervisor

if TYPE_CHECKING:
    from collections.abc import Iterator

SYSTEMD = Path("/run/systemd/system")
LINGERING = Path("/var/lib/systemd/linger")
PROGRAM = re.compile(r"supervisor-[0-9a-f]{16}\.py")
# What the supervisor gets of our environment. On the controller there may be secrets in the rest.
ENVIRONMENT = ("PATH", "HOME", "USER", "LD_LIBRARY_PATH")
# A service manager that has not answered after this time does not start anything.
MANAGER_S = 30.0
# Between SIGTERM to the supervisor, when the machine shuts down, and SIGKILL; beside the time that the benchmark has.
END_S = 10.0


def launch(root: Path, job_dir: Path, inherited: list[str], grace_s: float) -> str:
    """Start the supervisor of a job directory; return what it or systemd said about a start that failed, else nothing.

    `inherited` names the environment variables that the benchmark takes over. They go the private way, from process to
    process: everybody may read the environment of a unit.
    """
    supervisor = [sys.executable, "-I", str(install(root))]
    names = [name for name in (*ENVIRONMENT, *inherited) if name in os.environ]
    environment = {name: os.environ[name] for name in names}
    if not any(name in os.environ for name in inherited):
        unit = unit_name(job_dir)
        prefix = unit_command(unit, environment, grace_s)
        # A manager that refuses has started nothing, and the job can run without it.
        if (
            prefix
            and _call([*prefix, *_literally([*supervisor, "--unit", unit, str(job_dir)])], environment) == ""
        ):
            return ""
    return _call([*supervisor, str(job_dir)], environment)


def unit_name(job_dir: Path) -> str:
    """Return the name of the unit of a job directory."""
    return f"rackbench-{hashlib.sha256(str(job_dir).encode()).hexdigest()[:16]}"


def kill_unit(job_dir: Path) -> None:
    """Kill all processes of a job directory's unit; where there is no such unit nothing happens."""
    if SYSTEMD.is_dir():
        user = ["--user"] if os.geteuid() != 0 else []
        _call(
            ["systemctl", *user, "kill", "--signal=SIGKILL", f"{unit_name(job_dir)}.service"],
            dict(os.environ),
        )


def supervisors(job_dir: Path) -> list[int]:
    """Return the processes that supervise a job directory, by their command lines."""
    return [
        pid
        for pid, words in _commands()
        if words[-1] == str(job_dir) and any(PROGRAM.fullmatch(Path(word).name) for word in words)
    ]


def benchmarks(job_dir: Path) -> list[int]:
    """Return the process groups of a job directory's benchmark, by the command line of their first process."""
    told = ["--config", f"{job_dir}/job.json", "--out", f"{job_dir}/out"]
    return [pid for pid, words in _commands() if words[-4:] == told and _leads_group(pid)]


def _leads_group(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return os.getpgid(pid) == pid
    return False


def _commands() -> Iterator[tuple[int, list[str]]]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield int(path.parent.name), os.fsdecode(path.read_bytes()).rstrip("\0").split("\0")


def unit_command(unit: str, environment: dict[str, str], grace_s: float) -> list[str]:
    """Return the words before a command that make it a unit; nothing where we can have no unit that outlives us."""
    if not SYSTEMD.is_dir():
        return []
    user = os.geteuid() != 0
    if user and not _lingers():
        return []
    return [
        "systemd-run",
        *(["--user"] if user else []),
        "--quiet",
        "--collect",
        f"--unit={unit}",
        # It answers when the program runs.
        "--property=Type=exec",
        # A stop asks the supervisor alone, which asks the benchmark; when it is gone, all that is left is killed.
        "--property=KillMode=mixed",
        f"--property=TimeoutStopSec={grace_s + END_S:g}",
        # A benchmark that takes too much memory has failed, and its supervisor says so.
        "--property=OOMPolicy=continue",
        # A service has limits of its own; the benchmark keeps those of the login that asked for it.
        "--property=TasksMax=infinity",
        *(f"--property={limit}" for limit in _limits()),
        *(f"--setenv={name}={value}" for name, value in environment.items()),
        "--",
    ]


def _lingers() -> bool:
    with contextlib.suppress(KeyError, OSError):
        return (LINGERING / pwd.getpwuid(os.geteuid()).pw_name).exists()
    return False


def _limits() -> list[str]:
    found = []
    for name in sorted(
        each for each in dir(resource) if each.startswith("RLIMIT_") and each != "RLIMIT_OFILE"
    ):
        values = [
            "infinity" if value == resource.RLIM_INFINITY else str(value)
            for value in resource.getrlimit(getattr(resource, name))
        ]
        found.append(f"Limit{name[7:]}={':'.join(values)}")
    return found


def _literally(command: list[str]) -> list[str]:
    """Return words that systemd takes as they are: it puts the values of variables into a unit's command."""
    return [word.replace("$", "$$") for word in command]


def _call(command: list[str], environment: dict[str, str]) -> str:
    """Run a command that returns at once; return what it said if it failed, and nothing if not."""
    is_systemd = command[0] in ("systemd-run", "systemctl")
    more = {"XDG_RUNTIME_DIR": f"/run/user/{os.geteuid()}"} if is_systemd else {}
    try:
        done = subprocess.run(  # pylint: disable=ansible-bad-function # run_command has no time limit
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            env={**environment, **more},
            timeout=MANAGER_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    said = done.stdout.decode("utf-8", "replace").strip()
    return "" if done.returncode == 0 else said or f"it exited with {done.returncode}"


def install(root: Path) -> Path:
    """Return the supervisor's program on this target; it is named by its digest and written if it is missing."""
    # The module runs from a zip file, where only the loader can read sources.
    loader: Any = _supervisor.__loader__
    source: bytes = loader.get_data(_supervisor.__file__)
    program = root / "lib" / f"supervisor-{hashlib.sha256(source).hexdigest()[:16]}.py"
    with contextlib.suppress(OSError):
        if program.read_bytes() == source:
            return program
    program.parent.mkdir(parents=True, exist_ok=True)
    _supervisor.write_file(program, source, sync=False)
    return program
