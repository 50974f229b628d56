# SPDX-License-Identifier: Apache-2.0
"""``rackbench stop``: ask a run that goes on to stop, from any machine that sees its directory, and wait for it."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING, Any, BinaryIO

from rackbench import clock
from rackbench.cli.output import add_json_option
from rackbench.cli.status import run_dir_of
from rackbench.errors import CHECK_SAYS_NO, GOOD, RackbenchError
from rackbench.files import open_regular
from rackbench.ledger import control, documents, journal, liveness, monitoring, rundir
from rackbench.ledger import state as states
from rackbench.ledger.steps import CANCELLED

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from rackbench.cli.output import Output

# Seconds between two looks at the journal, and how many a controller may take to take the request up.
_LOOK_S = 0.25
_ANSWER_S = 30.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--run-dir", required=True, metavar="DIR", help="the run's directory")
    parser.add_argument("--reason", metavar="TEXT", help="why; the run's journal keeps it")
    add_json_option(parser)


def run(args: argparse.Namespace, output: Output) -> int:
    """Stop the run; return 0 when it was stopped, and 1 when it had come to its end by itself."""
    run_dir = run_dir_of(args.run_dir)
    state = documents.load(run_dir).state
    if not state.opened:
        raise RackbenchError(
            "ledger_unreadable",
            "The journal of this run is missing or holds no record that can be read.",
            where=str(run_dir / rundir.EVENTS),
        )
    if state.closed is not None:
        output.line(f"There is nothing to stop: the run on {state.host} is {state.closed.get('outcome')}.")
        return _answered(_Wait(run_dir, state), output)
    if liveness.is_alive(state.controller) is False:
        raise _nobody_there(run_dir, state)
    wait = _Wait(run_dir, state, control.request(run_dir, control.STOP, args.reason))
    output.note(f"Asked the run on {state.host} to stop.")
    try:
        with open_regular(run_dir / rundir.EVENTS) as stream:
            wait.for_the_end(_Followed(stream), output)
    except OSError as error:
        raise RackbenchError(
            "ledger_unreadable",
            f"The journal cannot be read any more: {error.strerror or error}.",
            where=str(run_dir / rundir.EVENTS),
        ) from error
    output.line(f"The run on {wait.state.host} is {wait.outcome}.")
    return _answered(wait, output)


class _Followed:
    """A journal that is read, and folded, as it grows."""

    def __init__(self, stream: BinaryIO) -> None:
        self.state = states.RunState()
        self._stream = stream
        self._begun = b""

    def read_on(self) -> states.RunState:
        """Return the state after what was written meanwhile."""
        for piece in self._stream:
            line = self._begun + piece
            self._begun = b"" if line.endswith(b"\n") else line
            record = None if self._begun else journal.decode(line)
            if record is not None:
                states.apply(self.state, record)
        return self.state


class _Wait:
    """The wait for the end of a run: what was asked of it, and when it answered."""

    def __init__(self, run_dir: Path, state: states.RunState, request: dict[str, Any] | None = None) -> None:
        self.run_dir = run_dir
        self.state = state
        self.request = request
        self.answered_s: float | None = None
        self.closed_s: float | None = None
        self._began = time.monotonic()

    @property
    def outcome(self) -> str:
        """How the run was closed."""
        return str((self.state.closed or {}).get("outcome") or "failed")

    def for_the_end(self, followed: _Followed, output: Output) -> None:
        """Wait until the journal says that the run is closed, and tell what happens until then.

        Raises `RackbenchError("stop_unanswered")` when the request is not taken up, and `interrupted` when the
        controller vanishes.
        """
        told = ""
        while not self._is_over(followed.read_on()):
            if liveness.is_alive(self.state.controller) is False:
                # Its last words may have been written since they were looked for.
                if self._is_over(followed.read_on()):
                    return
                raise _nobody_there(self.run_dir, self.state)
            if self.answered_s is None and self._seconds() > _ANSWER_S:
                raise _unanswered(self.run_dir, self.state)
            summary = monitoring.monitoring_block(self.state, clock.utc_now())["summary"]
            if self.answered_s is not None and summary != told:
                told = summary
                output.note(summary)
            time.sleep(_LOOK_S)

    def _is_over(self, state: states.RunState) -> bool:
        self.state = state
        if self.answered_s is None and self.request and self.request["id"] in state.controls:
            self.answered_s = self._seconds()
        if state.closed is None:
            return False
        self.closed_s = self._seconds()
        return True

    def _seconds(self) -> float:
        return round(time.monotonic() - self._began, 3)


def _answered(wait: _Wait, output: Output) -> int:
    status = GOOD if wait.request and wait.outcome == CANCELLED else CHECK_SAYS_NO
    if output.as_json:
        output.document(
            {
                "schema": "rackbench.stop/1.0",
                "run_dir": str(wait.run_dir),
                "run_id": wait.state.run_id,
                "exit_status": status,
                "state": wait.outcome,
                "request": wait.request,
                "answered_after_s": wait.answered_s,
                "closed_after_s": wait.closed_s,
            }
        )
    return status


def _nobody_there(run_dir: Path, state: states.RunState) -> RackbenchError:
    return RackbenchError(
        "interrupted",
        f"Nobody works on the run on {state.host}: its controller process is gone. What it began there may go on.",
        where=str(run_dir),
        next_step="End it there and close the run. Or resume it: what runs on the host is found again.",
        next_command=shlex.join(["rackbench", "recover", "--run-dir", str(run_dir)]),
    )


def _unanswered(run_dir: Path, state: states.RunState) -> RackbenchError:
    controller = state.controller
    return RackbenchError(
        "stop_unanswered",
        f"The run on {state.host} was asked to stop, and its controller has not answered in {_ANSWER_S:.0f} s. "
        "The request stays: it is honoured when the controller sees it.",
        where=str(run_dir),
        next_step=f"Look whether process {controller.get('pid')} of {controller.get('user')} on "
        f"{controller.get('hostname')} is alive and sees this directory. If it is gone, recover the run.",
        next_command=shlex.join(["rackbench", "status", "--run-dir", str(run_dir)]),
    )
