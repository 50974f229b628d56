# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE. The base of our action plugins: arguments checked, failures with a code, records for the ledger."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import time
import typing as t
from pathlib import Path

from ansible import constants
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.rackbench.lab.plugins.plugin_utils import _controller, _ledger_link, _package
from ansible_collections.rackbench.lab.plugins.plugin_utils._forked import die_with_parent

if t.TYPE_CHECKING:
    from rackbench.adapters.catalog import Adapter
    from rackbench.ledger.state import RunState

try:
    _package.require_release()
    from rackbench.errors import FAILURES, RackbenchError
    from rackbench.files import json_text, let_only_us_write, sha256_of, write_atomic
    from rackbench.ledger import control, documents, rundir
    from rackbench.transport.failures import MARKED, connection_error
except ImportError as error:
    MISSING: ImportError | None = error
else:
    MISSING = None

RUN_DIR = {"run_dir": {"type": "path", "required": True}}
NO_SPACE = "No space left on device"
# What Ansible says of a user who may not become root without a password, or with this one.
NO_PASSWORD = re.compile(r"(Missing|Incorrect) \S+ password")
# Of a file; a refused login says `Permission denied (publickey)`.
REFUSED = re.compile(r"Permission denied(?! \()|Read-only file system")


class LabAction(ActionBase):
    """A `rackbench.lab` action. Subclasses name their ARGUMENTS and do their `work`.

    What it returns reaches the ledger through the result's `rackbench`: records, failure and the count of remote calls.
    """

    ARGUMENTS: t.ClassVar[dict[str, t.Any]] = {}
    _supports_check_mode = True
    _supports_async = False
    # Where modules keep their things when they run on the controller; None when they run on the host.
    _root: Path | None = None
    # What the callback begins or goes on with the journal of a run with.
    _opened: dict[str, t.Any] | None = None

    def __init__(self, *arguments: t.Any, **options: t.Any) -> None:
        super().__init__(*arguments, **options)
        self._connection_to_host = self._connection

    def work(self, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """Do the task and return the keys that its result has beside `rackbench`; raise `RackbenchError` to fail."""
        raise NotImplementedError

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run the task as Ansible asks for it."""
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        if MISSING is not None:
            raise AnsibleError(_package.refusal(MISSING))
        # What a worker does after its controller was killed nobody records, and a resumed run does it again.
        die_with_parent(os.getppid())
        let_only_us_write()
        self._task_vars = task_vars or {}
        self._records: list[dict[str, t.Any]] = []
        self._remote_calls = 0
        self._args: dict[str, t.Any] = {}
        failure = None
        try:
            self._require_ledger()
            self._args = self._checked_arguments()
            result.update(self.work(self._args, self._task_vars))
        except RackbenchError as error:
            failure = error.as_dict()
            result.update(failed=True, msg=str(error))
        result["rackbench"] = {"records": self._records, "remote": self._remote_calls}
        if failure:
            result["rackbench"]["failure"] = failure
        elif self._opened:
            result["rackbench"]["open"] = self._opened
        return result

    def open_run(self, run_dir: Path, kind: str, record: dict[str, t.Any]) -> None:
        """Hand the ledger the record that opens or resumes a run; nothing is opened if the task fails after all."""
        self._opened = {"run_dir": str(run_dir), "kind": kind, "record": record}

    def record(self, kind: str, **fields: t.Any) -> None:
        """Hand one record to the ledger; the callback appends it when this task ends."""
        self._records.append({"kind": kind, **fields})

    def register(self, path: Path, *, kind: str, publishable: bool, execution: str | None = None) -> None:
        """Record a file of the run directory as an artifact of the step that is running."""
        self.record(
            "artifact",
            path=path.relative_to(self.run_dir).as_posix(),
            bytes=path.stat().st_size,
            sha256=sha256_of(path),
            artifact_kind=kind,
            execution=execution,
            publishable=publishable,
        )

    @property
    def check_mode(self) -> bool:
        """Whether this is a dry run."""
        return bool(self._task.check_mode)

    @property
    def host(self) -> str:
        """The name of the host in the inventory."""
        return str(self._task_vars["inventory_hostname"])

    @property
    def project(self) -> Path:
        """The directory that relative paths of settings start from: where ansible.cfg is, else the current one."""
        return Path(constants.CONFIG_FILE).parent if constants.CONFIG_FILE else Path.cwd()

    def in_project(self, path: str | Path) -> Path:
        """Return a setting's path, absolute."""
        return self.project / Path(path).expanduser()

    @property
    def run_dir(self) -> Path:
        """The run directory that the task was given, which a person may have named from the project."""
        return self.in_project(self._args["run_dir"]).resolve()

    def command(self, verb: str, *more: str) -> str:
        """Return `rackbench VERB` for this run as it can be pasted."""
        return shlex.join(["rackbench", verb, "--run-dir", str(self.run_dir), *more])

    def state(self) -> RunState:
        """Return the run's state: a fold of the journal as it stands."""
        return documents.load(self.run_dir).state

    def stop_request(self) -> dict[str, t.Any] | None:
        """Return who asked that this run stops, or None."""
        state = self.state()
        # The ledger may not have taken it up yet. A resumed run has answered the requests of its earlier part.
        open_ones = control.open_requests(self.run_dir, state.controls)
        return state.stop or next(iter(open_ones), None)

    def go_where_it_runs(self, adapter: Adapter) -> None:
        """Let modules and copies from now on go to the machine that the adapter's program runs on.

        That is the target, or the controller, where `cache_dir` holds what a target has in its home.
        """
        if not adapter.on_controller:
            return
        self._root = self.controller_store()
        self._play_context = _controller.context_of_here(self._play_context)
        self._connection = _controller.connection_to_here(self._play_context)
        self._task_vars = _controller.variables_of_here(self._task_vars)

    @contextlib.contextmanager
    def where_it_runs(self, adapter: Adapter) -> t.Iterator[None]:
        """Let modules and copies go there in the block only."""
        before = self._root, self._play_context, self._connection, self._task_vars
        self.go_where_it_runs(adapter)
        try:
            yield
        finally:
            self._root, self._play_context, self._connection, self._task_vars = before

    def controller_store(self) -> Path:
        """Return the directory of what benchmarks that run on the controller have here."""
        return self.in_project(self.state().options["cache_dir"]) / "store"

    @property
    def on_controller(self) -> bool:
        """Whether modules and copies go to this machine and not to the host."""
        return self._root is not None

    @property
    def machine(self) -> str:
        """What messages call the machine that modules and copies go to."""
        return "the controller" if self.on_controller else self.host

    def address(self, path: str) -> str:
        """Return how records name a path of that machine."""
        return path if self.on_controller else f"{self.host}:{path}"

    def remote(self, module: str, **module_args: t.Any) -> dict[str, t.Any]:
        """Run a module of ours on the target and return its result.

        Raises `RackbenchError` with the module's own code, `host_unreachable`, `target_python_missing`,
        `target_disk_full`, `become_failed`, `task_failed`, or what `connection_error` says of a broken chain.
        """
        self._remote_calls += 1
        try:
            result = self._execute_module(
                module_name=f"rackbench.lab.{module}",
                module_args={"root": str(self._root), **module_args} if self._root else module_args,
                task_vars=self._task_vars,
            )
        except AnsibleConnectionFailure as error:
            raise self._connection_failure(str(error)) from error
        except AnsibleError as error:
            if not NO_PASSWORD.search(str(error)):
                raise
            raise RackbenchError(
                "become_failed", f"sudo on {self.host} refused: {error}", where=self.host
            ) from error
        if result.get("unreachable"):
            raise self._connection_failure(str(result.get("msg", "")))
        if result.get("failed"):
            raise self._module_failure(module, result)
        return t.cast("dict[str, t.Any]", result)

    def write_live(self, name: str, beat: dict[str, t.Any]) -> None:
        """Put a heartbeat where the callback finds it. A beat that is lost costs nothing."""
        document = {"schema": "rackbench.live-beat/1.0", **beat}
        with contextlib.suppress(OSError):
            write_atomic(self.run_dir / rundir.live_document(name), json_text(document), sync=False)

    def upload(self, local: Path, remote: str) -> None:
        """Copy a file to the target's path and record the transfer."""
        self._transfer("upload", local, remote, lambda: self._connection.put_file(str(local), remote))

    def download(self, remote: str, local: Path) -> None:
        """Copy a file from the target's path and record the transfer."""
        self._transfer("download", local, remote, lambda: self._connection.fetch_file(remote, str(local)))

    def _transfer(self, direction: str, local: Path, remote: str, copy: t.Callable[[], object]) -> None:
        self._remote_calls += 1
        began = time.monotonic()
        try:
            copy()
        except AnsibleConnectionFailure as error:
            raise self._connection_failure(str(error)) from error
        except AnsibleError as error:
            raise self._transfer_failure(direction, local, str(error)) from error
        duration = round(time.monotonic() - began, 3)
        ends = (str(local), self.address(remote))
        source, destination = ends if direction == "upload" else ends[::-1]
        self.record(
            "transfer",
            direction=direction,
            source=source,
            destination=destination,
            bytes=local.stat().st_size,
            sha256=sha256_of(local),
            duration_s=duration,
            reused=False,
        )

    def _checked_arguments(self) -> dict[str, t.Any]:
        try:
            _spec, args = self.validate_argument_spec(self.ARGUMENTS)
        except AnsibleActionFail as error:
            raise RackbenchError(
                "unknown_option", f"{self._task.action}: {error.message}", where=self.host
            ) from error
        return t.cast("dict[str, t.Any]", args)

    def _require_ledger(self) -> None:
        if (message := _ledger_link.failure()) is not None:
            raise RackbenchError("ledger_write_failed", message)
        if _ledger_link.session() is None:
            raise RackbenchError(
                "ledger_missing", "The callback rackbench.lab.run_ledger is not switched on."
            )

    def _connection_failure(self, text: str) -> RackbenchError:
        # Ansible takes a host on which it cannot make its temporary directory for one that cannot be reached.
        return self._disk_full(text) if NO_SPACE in text else self._where_it_broke(text)

    def _where_it_broke(self, text: str) -> RackbenchError:
        """Return the failure of a lost connection, at the machine on the way that does not answer now.

        A connection that breaks in the middle knows no more than that; one that is opened anew says where it stops.
        """
        error = connection_error(self.host, text)
        if MARKED.search(text):
            return error
        try:
            self._low_level_execute_command("true", sudoable=False)
        except AnsibleConnectionFailure as again:
            now = connection_error(self.host, str(again))
        else:
            return error
        return RackbenchError(
            now.code,
            f"The connection to {self.host} was lost. {now.message}",
            where=now.where,
            next_command=now.next_command,
            detail=error.detail,
        )

    def _disk_full(self, text: str) -> RackbenchError:
        return RackbenchError(
            "target_disk_full", f"The disk of {self.machine} is full.", where=self.machine, detail=text
        )

    def _transfer_failure(self, direction: str, local: Path, text: str) -> RackbenchError:
        """Return the failure of a copy that began: what is full or refused is at the end that is written to."""
        at_target = direction == "upload"
        if NO_SPACE in text and at_target:
            return self._disk_full(text)
        if NO_SPACE in text:
            return RackbenchError(
                "run_directory_failed",
                f"There is no space left on the controller for {local}.",
                where=str(local),
                detail=text,
            )
        if at_target and REFUSED.search(text):
            return RackbenchError(
                "target_unwritable",
                f"The upload of {local.name} to {self.machine} was refused.",
                where=self.machine,
                detail=text,
            )
        return self._where_it_broke(text)

    def _module_failure(self, module: str, result: dict[str, t.Any]) -> RackbenchError:
        own = result.get("rackbench_failure")
        text = " ".join(
            str(result.get(name) or "") for name in ("msg", "module_stderr", "module_stdout", "exception")
        )
        # It is the host that says so: whatever it is, it becomes a failure with a code.
        if isinstance(own, dict) and str(own.get("code")) in FAILURES:
            return RackbenchError(
                own["code"], str(own.get("what") or text), where=self.machine, detail=own.get("detail")
            )
        if NO_SPACE in text:
            return self._disk_full(text)
        if "module interpreter" in text or result.get("rc") == 127:
            return RackbenchError(
                "target_python_missing", f"{self.host} has no usable Python: {text.strip()}", where=self.host
            )
        if "sudo" in text and "password" in text:
            return RackbenchError(
                "become_failed", f"sudo on {self.host} refused: {text.strip()}", where=self.host
            )
        return RackbenchError(
            "task_failed",
            f"rackbench.lab.{module} failed on {self.machine}: {text.strip()}",
            where=self.machine,
        )
