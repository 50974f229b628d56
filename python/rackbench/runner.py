# SPDX-License-Identifier: Apache-2.0
"""Starting the project's playbooks through ansible-runner, as CI does: one path into a run, whoever starts it.

ansible-runner wants a private data directory. Ours is temporary, mode 0700, and gone afterwards: the truth about a
run is in its run directory, and the environment that ansible-runner writes down is nobody's business.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rackbench.errors import BLOCKED, FAILURES, INTERRUPTED, OUR_FAULT, RackbenchError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

PLAN = "rackbench.lab.plan"
# How long ansible-runner may wait before it looks at our wish to leave, in seconds.
_POLL_S = 1
# What Ansible exits with when its user interrupted it.
_ANSIBLE_INTERRUPTED = 99


@dataclass(frozen=True)
class Request:
    """What to run. `hosts` is an Ansible limit; empty settings mean that the project's own hold."""

    hosts: str
    benchmarks: str = ""
    families: str = ""
    phases: str = ""
    repeats: int | None = None
    parent: str = ""
    worker_group_count: int | None = None
    worker_group_id: int | None = None
    check: bool = False
    extra_vars: tuple[str, ...] = ()
    inventories: tuple[str, ...] = ()
    verbosity: int = 0

    def arguments(self) -> list[str]:
        """Return the command line after ``ansible-playbook run.yml``."""
        arguments = ["--limit", self.hosts]
        for inventory in self.inventories:
            arguments += ["--inventory", inventory]
        settings = {
            "lab_benchmarks": self.benchmarks,
            "lab_families": self.families,
            "lab_phases": self.phases,
            "lab_repeats": self.repeats,
            "lab_parent": self.parent,
            "lab_worker_group_count": self.worker_group_count,
            "lab_worker_group_id": self.worker_group_id,
        }
        chosen = {name: value for name, value in settings.items() if value is not None and value != ""}
        if chosen:
            arguments += ["--extra-vars", json.dumps(chosen)]
        for extra in self.extra_vars:
            arguments += ["--extra-vars", extra]
        if self.check:
            arguments.append("--check")
        if self.verbosity:
            arguments.append("-" + "v" * self.verbosity)
        return arguments


@dataclass
class Outcome:
    """How the play ended: Ansible's exit code, the run directory of each host, failures outside of any run."""

    rc: int = 0
    run_dirs: dict[str, Path] = field(default_factory=dict)
    failures: dict[str, dict[str, Any]] = field(default_factory=dict)
    interrupted: bool = False
    last_output: list[str] = field(default_factory=list)

    def exit_status(self) -> int:
        """Return what ``rackbench run`` exits with: the worst of what the ledgers say, never Ansible's own code.

        Raises `RackbenchError("ansible_failed")` when Ansible stopped before our plan was asked.
        """
        from rackbench.ledger.documents import current_status

        worst = INTERRUPTED if self.interrupted or self.rc == _ANSIBLE_INTERRUPTED else 0
        for failure in self.failures.values():
            worst = max(
                worst, FAILURES[failure["code"]].exit_status if failure["code"] in FAILURES else OUR_FAULT
            )
        for run_dir in self.run_dirs.values():
            status = current_status(run_dir)["exit_status"]
            # A run that is neither closed nor interrupted: its play ended without it.
            worst = max(worst, BLOCKED if status is None else int(status))
        if worst == 0 and self.rc != 0:
            if self.run_dirs:
                return OUR_FAULT
            raise RackbenchError(
                "ansible_failed",
                f"ansible-playbook ended with exit code {self.rc} before any run began.",
                detail="\n".join(filter(None, self.last_output)) or None,
                next_command="ansible-inventory --graph",
            )
        return worst


@dataclass
class Ended:
    """How a playbook ended: Ansible's exit code, whether it was interrupted, and its last output if it was quiet."""

    rc: int
    interrupted: bool
    last_output: list[str]


def run_play(project: Path, request: Request, *, quiet: bool, say: Callable[[str], None]) -> Outcome:
    """Run the project's ``run.yml`` and return how it ended; its console output is streamed unless `quiet`."""
    outcome = Outcome()
    ended = start(
        project,
        str(project / "run.yml"),
        request.arguments(),
        quiet=quiet,
        say=say,
        on_event=lambda event: _read_event(event, outcome),
    )
    outcome.rc, outcome.interrupted, outcome.last_output = ended.rc, ended.interrupted, ended.last_output
    return outcome


def start(
    project: Path,
    playbook: str,
    arguments: list[str],
    *,
    quiet: bool,
    say: Callable[[str], None],
    on_event: Callable[[dict[str, Any]], None],
) -> Ended:
    """Run a playbook, which is a path or a name such as `rackbench.lab.clean`; `on_event` gets each event of it.

    The first Ctrl-C is handed to Ansible, which ends in order (a job on a target runs on); the second kills the play.
    `say` is told so, one sentence at a time.
    """
    from ansible_runner.interface import run as run_ansible

    last_output: list[str] = []
    interrupts = _Interrupts(say)
    live = sys.stdout.isatty() and not quiet
    environment = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "ANSIBLE_CONFIG": str(project / "ansible.cfg"),
        "ANSIBLE_STDOUT_CALLBACK": "rackbench.lab.console",
        # ansible-runner would switch the check of host keys off.
        "ANSIBLE_HOST_KEY_CHECKING": os.environ.get("ANSIBLE_HOST_KEY_CHECKING", "True"),
        # Ansible writes to a pseudo-terminal here, so it cannot see by itself whether a person looks at it.
        "RACKBENCH_CONSOLE_LIVE": "1" if live else "0",
    }
    if not live or os.environ.get("NO_COLOR"):
        environment["ANSIBLE_NOCOLOR"] = "1"

    def read(event: dict[str, Any]) -> bool:
        interrupts.child = interrupts.child or event.get("pid")
        if quiet:
            # What nobody has seen may be needed to explain a failure.
            last_output.append(str(event.get("stdout") or "").strip())
            del last_output[:-20]
        on_event(event)
        return False  # nothing of the event is kept on disk

    with tempfile.TemporaryDirectory(prefix="rackbench-") as private, interrupts:
        settings = {
            "pexpect_timeout": _POLL_S,
            "suppress_output_file": True,
            "suppress_ansible_output": quiet,
        }
        (Path(private) / "env").mkdir()
        (Path(private) / "env" / "settings").write_text(json.dumps(settings), encoding="utf-8")
        runner = run_ansible(  # type: ignore[no-untyped-call]
            private_data_dir=private,
            host_cwd=str(project),
            playbook=playbook,
            cmdline=shlex.join(arguments),
            envvars=environment,
            suppress_env_files=True,
            quiet=quiet,
            event_handler=read,
            cancel_callback=lambda: interrupts.leave,
        )
    return Ended(int(runner.rc or 0), interrupts.count > 0, last_output)


def _read_event(event: dict[str, Any], outcome: Outcome) -> None:
    data = event.get("event_data") or {}
    result = data.get("res")
    ours = result.get("rackbench") if isinstance(result, dict) else None
    if not isinstance(ours, dict):
        return
    host = str(data.get("host"))
    if event.get("event") == "runner_on_ok" and data.get("task_action") == PLAN and ours.get("open"):
        outcome.run_dirs[host] = Path(ours["open"]["run_dir"])
    elif event.get("event") == "runner_on_failed" and ours.get("failure"):
        failure = ours["failure"]
        # Inside a run the ledger tells; without one, or when it broke, this is all there is.
        if host not in outcome.run_dirs or failure.get("code") == "ledger_write_failed":
            outcome.failures[host] = failure


class _Interrupts:
    """Ctrl-C, counted: the first asks Ansible to end, the second makes us leave."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.count = 0
        self.child: int | None = None
        self.leave = False
        self._say = say
        self._before: Any = None

    def __enter__(self) -> None:
        self._before = signal.signal(signal.SIGINT, self._on_interrupt)

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _on_interrupt(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1
        if self.count == 1 and self.child:
            self._say("Ending in order; press Ctrl-C again to leave at once.")
            os.kill(self.child, signal.SIGINT)
        else:
            self._say("Leaving at once; `rackbench status` says where the run stands.")
            self.leave = True
