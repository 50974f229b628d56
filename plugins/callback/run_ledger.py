# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keep the ledger of each run: the journal, the command and transfer ledgers, and every document computed from them."""

from __future__ import annotations

DOCUMENTATION = r"""
name: run_ledger
type: notification
short_description: Keep the ledger of Rackbench runs
version_added: 0.1.0
description:
  - Writes C(events.jsonl), the journal of a run, while the play goes on, and every document that is computed from it,
    among them C(status.json), C(command_ledger.jsonl) and C(transfer_ledger.jsonl).
  - A run begins for a host when its M(rackbench.lab.plan) task ends well, and ends with its M(rackbench.lab.close)
    task. Outside a run, and so in every other playbook, this callback writes nothing.
  - What tasks return is not recorded, except what the actions of C(rackbench.lab) hand over on purpose, and of that
    only the fields of an allow-list. Arguments of tasks are never read. Names of tasks are recorded as they stand in
    the playbook, before templating.
  - A ledger that cannot be written stops the play. The error is shown once, the next action of C(rackbench.lab) on each
    host fails, and C(ansible-playbook) ends with 1.
options:
  webhook:
    description:
      - An C(http) or C(https) address that is sent one C(POST) with a JSON document when the run of a host finishes,
        fails or stalls, with the next command; once for each change.
      - It may hold a token, and is written nowhere. The play does not wait for it; its end does for 10 seconds at most.
    type: str
    env:
      - name: RACKBENCH_WEBHOOK
    ini:
      - section: rackbench
        key: webhook
requirements:
  - enable in configuration (C(callbacks_enabled = rackbench.lab.run_ledger))
  - the Python package C(rackbench) beside ansible-core on the controller
author:
  - Rackbench contributors (!UNKNOWN)
seealso:
  - module: rackbench.lab.plan
  - module: rackbench.lab.close
  - plugin: rackbench.lab.console
    plugin_type: callback
"""

EXAMPLES = r"""
ansible.cfg: |
  [defaults]
  callbacks_enabled = rackbench.lab.run_ledger
"""

import os
import shlex
import signal
import threading
import typing as t
from pathlib import Path

from ansible.playbook.task_include import TaskInclude
from ansible.plugins.callback import CallbackBase
from ansible.utils.display import Display
from ansible_collections.rackbench.lab.plugins.plugin_utils import _ledger_link, _package
from ansible_collections.rackbench.lab.plugins.plugin_utils._forked import Terminal
from ansible_collections.rackbench.lab.plugins.plugin_utils._names import written_name

try:
    _package.require_release()
    from rackbench import clock
    from rackbench.errors import RackbenchError
    from rackbench.files import let_only_us_write
    from rackbench.ledger import campaign, claim, journal, steps
    from rackbench.ledger.recorder import Recorder, Recorders
except ImportError as error:
    MISSING: ImportError | None = error
else:
    MISSING = None

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ansible.executor.stats import AggregateStats
    from ansible.executor.task_result import CallbackTaskResult
    from ansible.inventory.host import Host
    from ansible.playbook import Playbook
    from ansible.playbook.play import Play
    from ansible.playbook.task import Task
    from rackbench.ledger.notify import Delivery, Notifier

OURS = "rackbench.lab."
TICK_S = 0.25
_META = frozenset({"meta", "ansible.builtin.meta", "ansible.legacy.meta"})
# Records that end something: the task that brings them is recorded as ended first.
_ENDINGS = frozenset({"step.ended", "run.closed"})
# Records that only this callback makes.
_OUR_OWN = frozenset({"run.opened", "play.began", "task.began", "task.ended", "ledger.incomplete"})


class _HostSeen:
    """What was seen of one host: counts as Ansible's own statistics count, and the task that is open."""

    def __init__(self) -> None:
        self.ok = 0
        self.included = 0
        self.failures = 0
        self.unreachable = 0
        self.skipped = 0
        self.tasks = 0
        self.items = 0
        self.open: _OpenTask | None = None

    def differs(self, summary: Mapping[str, int]) -> bool:
        """Return whether Ansible counted other results than were seen.

        An include counts as one ok for each file it brought in, which no public event tells, so oks have a range.
        """
        return (
            summary["failures"] + summary["rescued"] != self.failures
            or summary["unreachable"] != self.unreachable
            or summary["skipped"] != self.skipped
            or not self.ok <= summary["ok"] <= self.ok + self.included
        )

    def as_dict(self) -> dict[str, int]:
        """Return the counts as they stand in a `ledger.incomplete` record."""
        return {
            name: getattr(self, name) for name in ("ok", "included", "failures", "unreachable", "skipped")
        }


class _OpenTask(t.NamedTuple):
    """A recorded task that has not ended."""

    uuid: str
    name: str
    step: str | None
    began: float


class CallbackModule(CallbackBase):
    """`rackbench.lab.run_ledger`."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "rackbench.lab.run_ledger"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        """Start without any run."""
        super().__init__(*args, **kwargs)
        self._seen: dict[str, _HostSeen] = {}
        self._campaigns: set[tuple[Path, str]] = set()
        self._play = ""
        self._failure: Exception | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._notifier: Notifier | None = None
        if MISSING is None:
            self._runs = Recorders()

    def v2_playbook_on_start(self, playbook: Playbook) -> None:  # noqa: ARG002 - Ansible's signature
        """Tell the actions that the ledger is on."""
        if MISSING is not None:
            self.disabled = True
            Display().warning(
                f"rackbench.lab.run_ledger is off, and Rackbench runs refuse to start. {_package.refusal(MISSING)}"
            )
            return
        if address := self.get_option("webhook"):
            from rackbench.ledger.notify import Notifier

            self._notifier = Notifier(address)
            # What runs on this machine as a target inherits our environment.
            os.environ.pop("RACKBENCH_WEBHOOK", None)
        _ledger_link.announce(clock.stamp(clock.utc_now()))
        self._thread = threading.Thread(target=self._keep_current, name="rackbench-ledger", daemon=True)
        self._thread.start()

    def v2_playbook_on_play_start(self, play: Play) -> None:
        """Record the play in each open run."""
        self._play = written_name(play)
        if self._failure is None:
            self._guard(self._record_play)

    def v2_runner_on_start(self, host: Host, task: Task) -> None:
        """Record that a host begins a task."""
        if self._failure is None and (recorder := self._runs.get(host.name)) is not None:
            self._guard(self._begin, recorder, host.name, task)

    def v2_runner_on_ok(self, result: CallbackTaskResult) -> None:
        """Record a task that ended well."""
        seen = self._host(result)
        if isinstance(result.task, TaskInclude):
            seen.included += 1 if not result.task.loop else 0
        else:
            seen.ok += 1
        self._end(result, "changed" if result.is_changed() else "ok")

    def v2_runner_on_failed(self, result: CallbackTaskResult, ignore_errors: bool = False) -> None:  # noqa: FBT001, FBT002 - Ansible's signature
        """Record a task that failed."""
        seen = self._host(result)
        if ignore_errors:
            seen.ok += 1
        else:
            seen.failures += 1
        self._end(result, "ignored" if ignore_errors else "failed")

    def v2_runner_on_skipped(self, result: CallbackTaskResult) -> None:
        """Record a task that was skipped."""
        # A skipped meta task is told here and is not in Ansible's statistics.
        self._host(result).skipped += result.task.action not in _META
        self._end(result, "skipped")

    def v2_runner_on_unreachable(self, result: CallbackTaskResult) -> None:
        """Record a host that was lost, and close its run: Ansible will run nothing more on it."""
        if result.task.ignore_unreachable:
            self._host(result).ok += 1
            self._end(result, "ignored")
            return
        self._host(result).unreachable += 1
        self._end(result, "unreachable")
        if self._failure is None and (recorder := self._runs.get(result.host.name)) is not None:
            failure = _failure(
                "host_unreachable",
                f"The connection to {result.host.name} was lost.",
                result.host.name,
                shlex.join(["rackbench", "validate", "--host", result.host.name, "--scope", "connectivity"]),
            )
            self._guard(_give_up, recorder, failure)

    def v2_runner_item_on_ok(self, result: CallbackTaskResult) -> None:
        """Record an item of a loop that ended well."""
        if isinstance(result.task, TaskInclude):
            self._host(result).included += 1
        self._end_item(result, "changed" if result.is_changed() else "ok")

    def v2_runner_item_on_failed(self, result: CallbackTaskResult) -> None:
        """Record an item of a loop that failed."""
        self._end_item(result, "failed")

    def v2_runner_item_on_skipped(self, result: CallbackTaskResult) -> None:
        """Record an item of a loop that was skipped."""
        self._end_item(result, "skipped")

    def v2_playbook_on_stats(self, stats: AggregateStats) -> None:
        """Close what the play left open, compare what was seen with Ansible's own counts, and close the files.

        Raises `SystemExit` after a ledger that could not be written: a run without a ledger is not a run.
        """
        if self._failure is None:
            self._guard(self._finish, stats)
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if self._notifier is not None and self._failure is None:
            self._guard(self._notify_last, self._notifier)
        self._runs.close()
        failed = self._failure is not None
        _ledger_link.withdraw()
        if failed:
            raise SystemExit(1)

    def _guard(self, work: t.Callable[..., object], *args: t.Any) -> None:
        """Do a piece of work on the ledger; whatever goes wrong stops the play, since Ansible would only warn."""
        try:
            work(*args)
        except RackbenchError as error:
            self._fail(error, error.message)
        except Exception as error:  # noqa: BLE001 - any error leaves the ledger without a record
            self._fail(error, f"rackbench.lab.run_ledger failed: {type(error).__name__}: {error}")

    def _fail(self, error: Exception, message: str) -> None:
        if self._failure is None:
            self._failure = error
            _ledger_link.fail(message)
            Display().error(str(error) if isinstance(error, RackbenchError) else message)

    def _host(self, result: CallbackTaskResult) -> _HostSeen:
        return self._seen.setdefault(result.host.name, _HostSeen())

    def _record_play(self) -> None:
        for _host, recorder in self._runs.by_host():
            if recorder.is_open:
                recorder.record("play.began", play=self._play)

    def _begin(self, recorder: Recorder, host: str, task: Task) -> None:
        seen = self._seen.setdefault(host, _HostSeen())
        seen.tasks += 1
        seen.items = 0
        part = len(recorder.state.resumed)
        uuid, name = f"{f'r{part}.' if part else ''}t{seen.tasks}", written_name(task)
        record = recorder.record("task.began", task=name, action=task.action, uuid=uuid)
        seen.open = _OpenTask(uuid, name, record["step"], clock.monotonic())

    def _end(self, result: CallbackTaskResult, status: str) -> None:
        if self._failure is not None:
            return
        ours = str(result.task.action).startswith(OURS)
        if ours or self._runs.get(result.host.name) is not None:
            self._guard(self._record_end, result, status, ours and not result.task.loop)

    def _end_item(self, result: CallbackTaskResult, status: str) -> None:
        if self._failure is None and self._runs.get(result.host.name) is not None:
            ours = str(result.task.action).startswith(OURS)
            seen = self._host(result)
            self._guard(self._record_end, result, status, ours, seen.items)
            seen.items += 1

    def _record_end(
        self,
        result: CallbackTaskResult,
        status: str,
        handed_over: bool,  # noqa: FBT001 - called by _guard
        item: int | None = None,
    ) -> None:
        # Only our own actions' results are looked at, and of those only what they hand over to the ledger.
        given = result.result.get("rackbench") if handed_over else None
        payload: dict[str, t.Any] = given if isinstance(given, dict) else {}
        if "open" in payload and status in {"ok", "changed"}:
            self._open_run(result.host.name, payload["open"])
        recorder = self._runs.get(result.host.name)
        if recorder is None:
            return
        records = list(_records(payload))
        for kind, fields in records:
            if kind not in _ENDINGS:
                recorder.record(kind, **fields)
        self._record_task_end(recorder, result, status, payload, item)
        for kind, fields in records:
            if kind in _ENDINGS:
                recorder.record(kind, **fields)

    def _record_task_end(
        self,
        recorder: Recorder,
        result: CallbackTaskResult,
        status: str,
        payload: Mapping[str, t.Any],
        item: int | None,
    ) -> None:
        seen = self._host(result)
        task = seen.open
        if task is None:
            return
        failure = payload.get("failure")
        fields: dict[str, t.Any] = {} if task.step is None else {"step": task.step}
        recorder.record(
            "task.ended",
            task=task.name,
            uuid=task.uuid,
            status=status,
            duration_s=round(clock.monotonic() - task.began, 3),
            item=item,
            failure=failure.get("code") if isinstance(failure, dict) else None,
            remote=payload.get("remote") or 0,
            **fields,
        )
        if item is None:
            seen.open = None

    def _open_run(self, host: str, opening: Mapping[str, t.Any]) -> None:
        run_dir = Path(opening["run_dir"])
        let_only_us_write()
        if opening["kind"] == "run.resumed":
            # Between the look of the action and now another one may have been faster.
            with claim.claim(run_dir):
                recorder = self._runs.open(host, run_dir)
                recorder.resume(opening["record"])
        else:
            recorder = self._runs.open(host, run_dir)
            recorder.record("run.opened", **{**opening["record"], "schema": journal.SCHEMA})
        recorder.record("play.began", play=self._play)
        parent = recorder.state.opened.get("parent")
        if parent and not recorder.state.check:
            runs_dir = run_dir.parents[2]
            campaign.join(runs_dir, str(parent), str(recorder.state.run_id), run_dir)
            self._campaigns.add((runs_dir, str(parent)))
        if self._notifier is not None:
            self._notifier.watch(recorder)

    def _keep_current(self) -> None:
        terminal = Terminal()
        while not self._stop.wait(TICK_S):
            if terminal.is_gone():
                # Whoever started this play was killed. A play that ends so is resumed; one that hangs keeps the run.
                os.kill(os.getpid(), signal.SIGKILL)
            if self._failure is None:
                self._guard(self._runs.tick)
            if self._notifier is not None and self._failure is None:
                self._guard(self._notify, self._notifier)

    def _notify(self, notifier: Notifier) -> None:
        notifier.look(clock.monotonic())
        for delivery in notifier.ended():
            _record_delivery(delivery)

    def _notify_last(self, notifier: Notifier) -> None:
        notifier.look(clock.monotonic())
        for delivery in notifier.wait():
            _record_delivery(delivery)

    def _finish(self, stats: AggregateStats) -> None:
        for host, recorder in self._runs.by_host():
            if recorder.is_open:
                failure = _failure(
                    "play_ended_early", f"The play ended on {host} before the run was closed.", host, None
                )
                _give_up(recorder, failure)
            seen, summary = self._seen.setdefault(host, _HostSeen()), stats.summarize(host)
            if seen.differs(summary):
                recorder.record("ledger.incomplete", expected=dict(summary), seen=seen.as_dict())
        for runs_dir, campaign_id in sorted(self._campaigns):
            campaign.refresh(runs_dir, campaign_id, clock.utc_now())


def _records(payload: Mapping[str, t.Any]) -> Iterator[tuple[str, dict[str, t.Any]]]:
    for record in payload.get("records") or ():
        kind = record.get("kind")
        if kind in journal.KINDS and kind not in _OUR_OWN:
            yield kind, {name: value for name, value in record.items() if name != "kind"}


def _failure(code: str, message: str, host: str, command: str | None) -> dict[str, t.Any]:
    return RackbenchError(code, message, where=host, next_command=command).as_dict()


def _record_delivery(delivery: Delivery) -> None:
    reason = delivery.reason
    delivery.recorder.record("notified", event=delivery.event, delivered=reason is None, reason=reason)
    if reason is not None:
        run_id = delivery.recorder.state.run_id
        Display().warning(f"The webhook was not told of {run_id}, {delivery.event}: {reason}")


def _give_up(recorder: Recorder, failure: Mapping[str, t.Any]) -> None:
    """Close a run that cannot go on: the open step failed, what was to come is skipped."""
    for step_id, state in recorder.state.step_states().items():
        if state == steps.RUNNING:
            recorder.record("step.ended", step=step_id, state=steps.FAILED, failure=failure)
    reached = bool(recorder.state.failed_steps)
    for step_id, state in recorder.state.step_states().items():
        if state == steps.PENDING:
            # Between two steps there is none that failed: the next one carries the failure.
            own = None if reached else failure
            recorder.record(
                "step.ended", step=step_id, state=steps.SKIPPED, reason=failure["message"], failure=own
            )
            reached = True
    recorder.close_run()
