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

from rackbench.collection import find_collection
from rackbench.errors import BLOCKED, FAILURES, INTERRUPTED, OUR_FAULT, RackbenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType

# The tasks that open a run or take one up again.
OPENING = frozenset({"rackbench.lab.plan", "rackbench.lab.resume", "rackbench.lab.reopen"})
RESUME = "rackbench.lab.resume"
PUBLISH = "rackbench.lab.publish"
# How long ansible-runner may wait before it looks at our wish to leave, in seconds.
_POLL_S = 1
# What Ansible exits with when its user interrupted it.
_ANSIBLE_INTERRUPTED = 99


def variables_options(given: Iterable[str]) -> list[str]:
    """Return the options of ansible-playbook for variables as users write them, be it `name=value`, JSON or `@FILE`.

    A relative FILE starts from where the user is: ansible-playbook would look for it in a directory of ansible-runner.
    """
    return [
        part
        for text in given
        for part in (
            "--extra-vars",
            f"@{Path(text[1:]).expanduser().absolute()}" if text.startswith("@") else text,
        )
    ]


@dataclass(frozen=True)
class Request:
    """What to run. `hosts` is an Ansible limit; empty settings mean that the project's own hold."""

    hosts: str
    template: str = ""
    benchmarks: str = ""
    families: str = ""
    phases: str = ""
    repeats: int | None = None
    repeats_until: float | None = None
    repeats_max: int | None = None
    warmups: int | None = None
    changes: tuple[str, ...] = ()
    label: str = ""
    tags: tuple[str, ...] = ()
    parent: str = ""
    worker_group_count: int | None = None
    worker_group_id: int | None = None
    wait: bool = False
    steal_reason: str = ""
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
            "lab_template": self.template,
            "lab_benchmarks": self.benchmarks,
            "lab_families": self.families,
            "lab_phases": self.phases,
            "lab_repeats": self.repeats,
            "lab_repeats_until": self.repeats_until,
            "lab_repeats_max": self.repeats_max,
            "lab_warmups": self.warmups,
            "lab_set": list(self.changes) or None,
            "lab_label": self.label,
            "lab_tags": list(self.tags) or None,
            "lab_parent": self.parent,
            "lab_worker_group_count": self.worker_group_count,
            "lab_worker_group_id": self.worker_group_id,
            "lab_wait": self.wait or None,
            "lab_steal": bool(self.steal_reason) or None,
            "lab_steal_reason": self.steal_reason,
        }
        chosen = {name: value for name, value in settings.items() if value is not None and value != ""}
        if chosen:
            arguments += ["--extra-vars", json.dumps(chosen)]
        arguments += variables_options(self.extra_vars)
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

    def as_dict(self, status: int) -> dict[str, Any]:
        """Return what ``rackbench run --json`` prints."""
        from rackbench.ledger.documents import current_status

        return {
            "schema": "rackbench.run-outcome/1.0",
            "exit_status": status,
            "interrupted": self.interrupted,
            "runs": [current_status(run_dir) for run_dir in self.run_dirs.values()],
            "failures": [{"host": host, **failure} for host, failure in self.failures.items()],
        }

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


def run_play(
    project: Path,
    request: Request,
    *,
    quiet: bool,
    say: Callable[[str], None],
    playbook: str | None = None,
) -> Outcome:
    """Run the project's ``run.yml`` and return how it ended; its console output is streamed unless `quiet`.

    `playbook` is another one that opens runs, as `RESUME` does.
    """
    outcome = Outcome()
    stopping = _Stopping(project, outcome, say)

    def on_event(event: dict[str, Any]) -> None:
        _read_event(event, outcome)
        stopping.go_on()

    ended = start(
        project,
        playbook or str(project / "run.yml"),
        request.arguments(),
        quiet=quiet,
        say=say,
        on_event=on_event,
        stopping=stopping,
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
    stopping: _Stopping | None = None,
) -> Ended:
    """Run a playbook, which is a path or a name such as `rackbench.lab.clean`; `on_event` gets each event of it.

    The first Ctrl-C asks the open runs of `stopping` to stop. Without any it is handed to Ansible, which ends at once.
    The second kills the play. `say` is told so, one sentence at a time.

    Raises `RackbenchError` (collection_missing) where Ansible would fail with many words.
    """
    find_collection(project)
    from ansible_runner.interface import run as run_ansible

    last_output: list[str] = []
    interrupts = _Interrupts(say, stopping)
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
    return Ended(int(runner.rc or 0), interrupts.broke_off, last_output)


def _read_event(event: dict[str, Any], outcome: Outcome) -> None:
    data = event.get("event_data") or {}
    result = data.get("res")
    ours = result.get("rackbench") if isinstance(result, dict) else None
    if not isinstance(ours, dict):
        return
    host = str(data.get("host"))
    if event.get("event") == "runner_on_ok" and data.get("task_action") in OPENING and ours.get("open"):
        outcome.run_dirs[host] = Path(ours["open"]["run_dir"])
    elif event.get("event") == "runner_on_failed" and ours.get("failure"):
        failure = ours["failure"]
        # Inside a run the ledger tells; without one, or when it broke, this is all there is.
        if host not in outcome.run_dirs or failure.get("code") == "ledger_write_failed":
            outcome.failures[host] = failure


class _Stopping:
    """Asks the runs of a play to stop, also those that are opened only later."""

    def __init__(self, project: Path, outcome: Outcome, say: Callable[[str], None]) -> None:
        # Not first within a handler of signals: another one would find the modules half imported.
        from rackbench.ledger import control, documents

        self._request, self._load = control.request, documents.load
        self._project = project
        self._outcome = outcome
        self._say = say
        self._begun = False
        self._asked: set[Path] = set()

    def begin(self) -> bool:
        """Ask the open runs to stop; return False when none was opened, or when one cannot be asked."""
        if not self._outcome.run_dirs:
            return False
        self._say("Stopping in order; press Ctrl-C again to leave at once.")
        self._begun = True
        return self.go_on()

    def go_on(self) -> bool:
        """Ask the runs that were opened since, if stopping was begun; return False when one cannot be asked."""
        try:
            for run_dir in self._outcome.run_dirs.values() if self._begun else ():
                if run_dir not in self._asked:
                    self._asked.add(run_dir)
                    if self._is_open(run_dir):
                        self._request(run_dir, "stop", "Ctrl-C")
        except RackbenchError as error:
            self._say(error.message)
            return False
        return True

    def last_words(self) -> str:
        """Return how to find what is left when the play is killed."""
        left = [path for path in self._outcome.run_dirs.values() if self._is_open(path)]
        if not left:
            return "Leaving at once; `rackbench status` says where the run stands."
        commands = (
            f"`rackbench resume --run-dir {shlex.quote(os.path.relpath(path, self._project))}`"
            for path in left
        )
        return f"Leaving at once; what has begun on a host may go on there. To find it again: {', '.join(commands)}."

    def _is_open(self, run_dir: Path) -> bool:
        try:
            return self._load(run_dir).state.closed is None
        except RackbenchError:
            # It cannot be read: who leaves it is told of it all the same.
            return True


class _Interrupts:
    """Ctrl-C, counted: the first stops the runs, or Ansible while there are none; the second makes us leave.

    Ansible has a terminal of its own here, so the one that we are in does not signal it.
    """

    def __init__(self, say: Callable[[str], None], stopping: _Stopping | None) -> None:
        self._count = 0
        self._answered = 0
        self._answering = False
        self.child: int | None = None
        self.leave = False
        # Whether the play was not left to come to its own end.
        self.broke_off = False
        self._say = say
        self._stopping = stopping
        self._before: Any = None

    def __enter__(self) -> None:
        self._before = signal.signal(signal.SIGINT, self._on_interrupt)

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _on_interrupt(self, _number: int, _frame: FrameType | None) -> None:
        self._count += 1
        if self._answering:
            # The second one came within the answer to the first, which sees to it when it is done.
            return
        self._answering = True
        try:
            while self._answered < self._count:
                self._answered += 1
                self._answer(first=self._answered == 1)
        finally:
            self._answering = False

    def _answer(self, *, first: bool) -> None:
        if not first or not self.child:
            self.leave = self.broke_off = True
            self._say(
                self._stopping.last_words()
                if self._stopping
                else "Leaving at once; `rackbench status` says where the run stands."
            )
        elif not (self._stopping and self._stopping.begin()):
            self.broke_off = True
            self._say("Ending at once; press Ctrl-C again if it does not.")
            os.kill(self.child, signal.SIGINT)
