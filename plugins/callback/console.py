# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run on the terminal: a line for each step, what went wrong and what to do next, and a summary of each host."""

from __future__ import annotations

DOCUMENTATION = r"""
name: console
type: stdout
short_description: Shows a Rackbench run as a person wants to read it
version_added: 0.1.0
description:
  - Prints one line for each step of a host with its state and seconds, and the executions of benchmarks in it.
  - Prints each failure with its code, its cause and the next step, and Ansible's warnings.
  - Ends with a summary for each host. The last lines are the run directories, one for each host.
  - With C(-v) every task is a line of its own. With C(-vv) and more, and for playbooks that are not Rackbench's, the
    output is that of P(ansible.builtin.default#callback).
extends_documentation_fragment:
  - default_callback
  - result_format_callback
options:
  live:
    description:
      - Whether to show the progress of running executions.
      - By default this is done when standard output is a terminal.
    type: bool
    env:
      - name: RACKBENCH_CONSOLE_LIVE
    ini:
      - section: rackbench
        key: console_live
requirements:
  - set as stdout in configuration
author:
  - Rackbench contributors (!UNKNOWN)
seealso:
  - plugin: rackbench.lab.run_ledger
    plugin_type: callback
"""

EXAMPLES = r"""
ansible.cfg: |
  [defaults]
  stdout_callback = rackbench.lab.console

  [rackbench]
  console_live = false
"""

import json
import os
import re
import sys
import threading
import time
import typing as t
from pathlib import Path

from ansible import constants
from ansible.plugins.callback.default import CallbackModule as DefaultCallback
from ansible.utils.color import ANSIBLE_COLOR
from ansible_collections.rackbench.lab.plugins.plugin_utils import _package
from ansible_collections.rackbench.lab.plugins.plugin_utils._names import written_name

try:
    _package.require_release()
    from rackbench.cli import summary
    from rackbench.errors import RackbenchError
    from rackbench.ledger.documents import current_status
    from rackbench.ledger.resume import Difference
    from rackbench.words import printable, quoted
except ImportError:
    # The plan's action says how to install it; the output must not fail before that.
    HAVE_PACKAGE = False
else:
    HAVE_PACKAGE = True

if t.TYPE_CHECKING:
    from ansible.executor.stats import AggregateStats
    from ansible.executor.task_result import CallbackTaskResult
    from ansible.playbook.play import Play
    from ansible.playbook.task import Task

OURS = "rackbench.lab."
# One by one: ansible-doc understands no tuple of names.
PLAN = f"{OURS}plan"
RESUME = f"{OURS}resume"
VALIDATE = f"{OURS}validate"
OUR_PLAYS = "Rackbench"
# The readiness of an adapter whose configured bundle is not used.
REPLACED = "bundle_invalid_fallback_available"
# Seconds between two looks at the live beats, and between two lines about one execution.
LOOK_S = 1.0
PROGRESS_S = 5.0
# How Ansible writes colours into its texts.
COLOR = re.compile(r"(\x1b\[(?:0|[01];3\d|38;5;\d{1,3})m)")
COLORS = {
    "completed": constants.COLOR_OK,
    "passed": constants.COLOR_OK,
    "skipped": constants.COLOR_SKIP,
    "partial": constants.COLOR_WARN,
    "cancelled": constants.COLOR_WARN,
    "running": constants.COLOR_VERBOSE,
}


class CallbackModule(DefaultCallback):
    """`rackbench.lab.console`."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "rackbench.lab.console"

    def __init__(self) -> None:
        super().__init__()
        if HAVE_PACKAGE:
            _show_only_text(self._display)
        self._ours = False
        self._run_dirs: dict[str, Path] = {}
        self._began: dict[tuple[str, str], float] = {}
        self._told: set[tuple[str, str]] = set()
        # Failures of plans that are not shown yet: message -> host -> failure. Hosts often share one.
        self._unplanned: dict[str, dict[str, dict[str, t.Any]]] = {}
        # Whether something was said that Ansible's counts of tasks would only hide.
        self._explained = False
        self._ended = threading.Event()
        self._watcher: threading.Thread | None = None

    @property
    def _short(self) -> bool:
        """Whether this is a play of ours that is not to be shown in all of Ansible's detail."""
        return self._ours and self._display.verbosity < 2

    # Plays and tasks

    def v2_playbook_on_play_start(self, play: Play) -> None:
        self._ours = play.get_name().strip().startswith(OUR_PLAYS)
        if not self._short:
            super().v2_playbook_on_play_start(play)
            return
        self._play = play
        if play.check_mode:
            self._say("Dry run: nothing is changed.", constants.COLOR_VERBOSE)

    def v2_playbook_on_task_start(self, task: Task, is_conditional: bool) -> None:  # noqa: FBT001 - Ansible's signature
        if task.action not in {PLAN, RESUME}:
            self._show_unplanned()
        if not self._short:
            super().v2_playbook_on_task_start(task, is_conditional)

    def v2_playbook_on_handler_task_start(self, task: Task) -> None:
        if not self._short:
            super().v2_playbook_on_handler_task_start(task)

    def v2_playbook_on_include(self, included_file: t.Any) -> None:
        if not self._short:
            super().v2_playbook_on_include(included_file)

    def v2_playbook_on_no_hosts_remaining(self) -> None:
        if not self._short:
            super().v2_playbook_on_no_hosts_remaining()

    # Results

    def v2_runner_on_ok(self, result: CallbackTaskResult) -> None:
        self._show_records(result)
        if not self._short:
            super().v2_runner_on_ok(result)
            return
        self._handle_warnings_and_exception(result)
        self._show_answer(result)
        self._show_task(result, "changed" if result.is_changed() else "ok")

    def v2_runner_on_failed(
        self,
        result: CallbackTaskResult,
        ignore_errors: bool = False,  # noqa: FBT001, FBT002 - Ansible's signature
    ) -> None:
        self._show_records(result)
        if not self._short:
            super().v2_runner_on_failed(result, ignore_errors)
            return
        if ignore_errors:
            self._show_task(result, "failed, ignored")
            return
        # A loop's failures were shown item by item.
        if "results" not in result.result:
            self._show_failure(result)

    def v2_runner_on_skipped(self, result: CallbackTaskResult) -> None:
        if self._short:
            self._show_task(result, "skipped")
        else:
            super().v2_runner_on_skipped(result)

    def v2_runner_on_unreachable(self, result: CallbackTaskResult) -> None:
        if self._short:
            self._show_failure(result, code="host_unreachable")
        else:
            super().v2_runner_on_unreachable(result)

    def v2_runner_item_on_ok(self, result: CallbackTaskResult) -> None:
        self._show_records(result)
        if not self._short:
            super().v2_runner_item_on_ok(result)
        else:
            self._handle_warnings_and_exception(result)

    def v2_runner_item_on_failed(self, result: CallbackTaskResult) -> None:
        self._show_records(result)
        if not self._short:
            super().v2_runner_item_on_failed(result)
        elif not result.task.ignore_errors:
            self._show_failure(result)

    def v2_runner_item_on_skipped(self, result: CallbackTaskResult) -> None:
        if not self._short:
            super().v2_runner_item_on_skipped(result)

    def v2_runner_retry(self, result: CallbackTaskResult) -> None:
        if not self._short:
            super().v2_runner_retry(result)

    def v2_playbook_on_stats(self, stats: AggregateStats) -> None:
        self._ended.set()
        if self._watcher:
            self._watcher.join(timeout=LOOK_S)
        self._show_unplanned()
        if not self._short or not (self._run_dirs or self._explained):
            super().v2_playbook_on_stats(stats)
        hosts = [host for host in sorted(stats.processed) if host in self._run_dirs]
        for host in hosts:
            self._show_summary(host)
        for host in hosts:
            self._say(f"run_dir: {self._relative(self._run_dirs[host])}")

    def _handle_warnings_and_exception(self, result: CallbackTaskResult) -> None:
        # Of a task with no_log, Ansible (2.19 to 2.22) shows these, and a failure's message is in them.
        if "censored" not in result.result:
            super()._handle_warnings_and_exception(result)

    # What our own actions report

    def _show_records(self, result: CallbackTaskResult) -> None:
        if not result.task.action.startswith(OURS):
            return
        ours = result.result.get("rackbench")
        if not isinstance(ours, dict):
            return
        host = result.host.get_name()
        if opened := ours.get("open"):
            self._open(host, opened)
        for record in ours.get("records") or ():
            self._show_record(host, record)

    def _show_answer(self, result: CallbackTaskResult) -> None:
        """Show what a task of ours answers in words: the report of validate, and a host that is not this worker's."""
        if result.task.action == VALIDATE:
            lines = result.result.get("lines") or ()
        elif result.task.action == PLAN and not result.result.get("mine", True):
            lines = (result.result["msg"],)
        else:
            return
        self._explained = True
        for line in lines:
            self._say(line)

    def _open(self, host: str, opened: dict[str, t.Any]) -> None:
        self._run_dirs[host] = Path(opened["run_dir"])
        record = opened["record"]
        names = ", ".join(record.get("benchmarks") or ()) or "host steps only"
        if self._short and opened["kind"] == "run.resumed":
            self._show_resumed(host, record)
        elif self._short:
            self._say(f"{host}: {names}, {len(record['steps'])} steps")
        if self._watcher is None and self._is_live():
            self._watcher = threading.Thread(target=self._watch, name="rackbench-console", daemon=True)
            self._watcher.start()

    def _show_resumed(self, host: str, record: dict[str, t.Any]) -> None:
        for one in record["differences"]:
            self._say(f"{host}: {Difference(**one)}", constants.COLOR_WARN)
        left = len(record["steps"]) - len(record["reused"])
        again = "".join(f", found again: {name}" for name in record["reattached"])
        self._say(f"{host}: resumed, {len(record['reused'])} steps reused, {left} to run{again}")

    def _show_record(self, host: str, record: dict[str, t.Any]) -> None:
        kind = record.get("kind")
        if kind == "step.began":
            self._began[host, record["step"]] = time.monotonic()
            if self._short and record["step"].endswith(".execute"):
                self._line(host, record["step"], "running")
        elif kind == "readiness" and self._short and record["status"] == REPLACED:
            # Whoever named a bundle thinks that it is the one that is measured.
            self._say(f"{host}: {record['adapter']}: {record['message']}", constants.COLOR_WARN)
        elif kind == "step.ended" and self._short:
            began = self._began.pop((host, record["step"]), None)
            seconds = "" if began is None else f"{time.monotonic() - began:.1f} s"
            failure = record.get("failure") or {}
            self._line(
                host,
                record["step"],
                record["state"],
                seconds,
                record.get("reason") or failure.get("code") or "",
            )
        elif kind == "execution.ended" and self._short:
            self._line(
                host, f"  {record['execution']}", record["outcome"], f"{record.get('duration_s') or 0:.1f} s"
            )
        elif kind == "repeats" and self._short and (ended := summary.repeats_text(record)):
            self._say(f"{host}    {record['adapter']}.{record['family']}: {ended}", constants.COLOR_VERBOSE)

    def _line(self, host: str, name: str, state: str, seconds: str = "", remark: str = "") -> None:
        text = f"{host}  {name:<28}  {state:<10}  {seconds:>8}  {remark}".rstrip()
        self._say(text, COLORS.get(state, constants.COLOR_ERROR))

    def _show_task(self, result: CallbackTaskResult, status: str) -> None:
        if self._display.verbosity:
            self._say(
                f"{result.host.get_name()}    {_name_of(result)}: {status}",
                constants.COLOR_VERBOSE,
            )

    def _show_failure(self, result: CallbackTaskResult, code: str = "task_failed") -> None:
        host = result.host.get_name()
        ours = result.result.get("rackbench") if result.task.action.startswith(OURS) else None
        failure = (ours or {}).get("failure") or {
            "code": code,
            "message": str(result.result.get("msg") or "the task failed without a message").strip(),
        }
        if result.task.action in {PLAN, RESUME} and host not in self._run_dirs:
            self._unplanned.setdefault(str(failure.get("message")), {})[host] = failure
            return
        key = (host, str(failure.get("message")))
        # The end of a run repeats what the summary says better; several tasks may repeat one cause. Who stopped a run
        # stands at each step that was cancelled.
        if failure["code"] in {"steps_failed", "run_cancelled"} or key in self._told:
            return
        self._told.add(key)
        self._tell_failure(host, failure, task="" if ours else _name_of(result))

    def _show_unplanned(self) -> None:
        """Show the failures of plans, each once with all of its hosts."""
        for failures in self._unplanned.values():
            hosts = sorted(failures)
            self._tell_failure(", ".join(hosts), failures[hosts[0]])
        self._unplanned.clear()

    def _tell_failure(self, hosts: str, failure: dict[str, t.Any], task: str = "") -> None:
        self._explained = True
        self._say(f"{hosts}: {failure['message']} [{failure['code']}]", constants.COLOR_ERROR)
        if task:
            self._say(f"  task  {task}")
        for label, name in (("next", "next_step"), ("run", "next_command"), ("read", "next_path")):
            if failure.get(name):
                self._say(f"  {label:<5} {failure[name]}")
        if self._display.verbosity and failure.get("detail"):
            self._say(str(failure["detail"]))

    # The end

    def _show_summary(self, host: str) -> None:
        if not HAVE_PACKAGE:
            return
        try:
            status = current_status(self._run_dirs[host])
        except RackbenchError as error:
            self._say(str(error), constants.COLOR_ERROR)
            return
        good = status["exit_status"] == 0
        self._say("")
        self._say(summary.headline(status), constants.COLOR_OK if good else constants.COLOR_ERROR)
        for columns, rows, right in (
            (summary.STEP_COLUMNS, summary.step_rows(status), (2,)),
            (summary.RESULT_COLUMNS, summary.result_rows(status), (2,)),
        ):
            if rows:
                for line in summary.plain_table(columns, rows, right):
                    self._say(f"  {line}")
                self._say("")
        for line in summary.alert_lines(status):
            self._say(f"  {line}", None if line.startswith(" ") else constants.COLOR_ERROR)

    def _relative(self, path: Path) -> str:
        project = Path(constants.CONFIG_FILE).parent if constants.CONFIG_FILE else Path.cwd()
        return os.path.relpath(path, project)

    def _say(self, text: str, color: str | None = None) -> None:
        self._display.display(quoted(text) if HAVE_PACKAGE else text, color=color)

    # Progress of what is running

    def _is_live(self) -> bool:
        chosen = self.get_option("live")
        return HAVE_PACKAGE and (sys.stdout.isatty() if chosen is None else bool(chosen))

    def _watch(self) -> None:
        """Show new heartbeats until the play ends, at most one line in PROGRESS_S for an execution."""
        shown: dict[Path, tuple[float, str]] = {}
        while not self._ended.wait(LOOK_S):
            for host, run_dir in list(self._run_dirs.items()):
                for path in sorted((run_dir / "state" / "live").glob("*.json")):
                    beat = _read_beat(path)
                    text = summary.progress_text(beat) if beat else ""
                    last, before = shown.get(path, (0.0, ""))
                    if text and text != before and time.monotonic() - last >= PROGRESS_S and self._short:
                        shown[path] = (time.monotonic(), text)
                        self._say(f"{host}    {path.stem}: {text}", constants.COLOR_VERBOSE)


def _name_of(result: CallbackTaskResult) -> str:
    return written_name(result.task) or str(result.task.action)


def _show_only_text(display: t.Any) -> None:
    """Replace what a terminal would obey in all that Ansible shows from now on, its warnings and -vvv included.

    What a host answers is in there. Everything that Ansible shows, also what its workers send home, ends in `display`.
    """
    show = display.display

    def display_text(msg: str, *args: t.Any, **options: t.Any) -> None:
        msg = msg.replace("\r\n", "\n")
        if msg.startswith("["):
            # An error or a warning, which may be a host's own words.
            show(quoted(msg.rstrip("\n")), *args, **options)
            return
        parts = COLOR.split(msg) if ANSIBLE_COLOR else [msg]
        # Every second part is a colour.
        msg = "".join(part if at % 2 else printable(part) for at, part in enumerate(parts))
        show(msg, *args, **options)

    display.display = display_text


def _read_beat(path: Path) -> dict[str, t.Any] | None:
    try:
        beat = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return beat if isinstance(beat, dict) else None
