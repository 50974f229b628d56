# SPDX-License-Identifier: Apache-2.0
"""``rackbench watch``: follow runs until they end, from any machine that sees their directories.

The directory is looked at once a second and never waited upon, as file systems on a network tell no changes. Of the
journal only what was appended is read.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sys
import time
from typing import TYPE_CHECKING, Self

from rackbench.cli import status as status_verb
from rackbench.cli import watching
from rackbench.errors import INTERRUPTED

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from rackbench.cli.output import Output
    from rackbench.cli.summary import Status
    from rackbench.ledger.documents import Loaded

POLL_S = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--run-dir", metavar="DIR", help="the run's directory (default: the newest run)")
    which.add_argument("--host", metavar="H", help="the newest run of this host")
    which.add_argument("--campaign", metavar="ID", help="all runs of a campaign, a line for each")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON document on a line for each change: the status"
    )


def run(args: argparse.Namespace, output: Output) -> int:
    """Follow the runs and return their exit status, the worst of several; 130 when the user left before."""
    find = _finder(args)
    shown: dict[Path, Status] = {}
    try:
        with _display(output) as display, _noted_interrupts() as interrupts:
            _follow(find, display, shown, interrupts)
    except KeyboardInterrupt:
        _take_leave(args, list(shown.values()), output)
        return INTERRUPTED
    display.end(list(shown.values()))
    return max(int(status["exit_status"]) for status in shown.values())


def _finder(args: argparse.Namespace) -> Callable[[], Sequence[Path]]:
    """Return what tells the directories to follow; a campaign may get more of them.

    Raises `RackbenchError`: not_a_run_directory, not_a_campaign.
    """
    from rackbench.ledger import campaign
    from rackbench.project import RUNS, find_project, newest_run

    if args.campaign:
        runs_dir = find_project() / RUNS
        return lambda: campaign.members(runs_dir, args.campaign)
    run_dir = status_verb.run_dir_of(args.run_dir) if args.run_dir else newest_run(find_project(), args.host)
    return lambda: [run_dir]


@contextlib.contextmanager
def _noted_interrupts() -> Iterator[list[int]]:
    """Give a list that each interrupt is noted in: Python drops one that comes while something is being finalised."""
    noted: list[int] = []

    def interrupted(number: int, _frame: object) -> None:
        noted.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, before)


def _follow(
    find: Callable[[], Sequence[Path]],
    display: _Display,
    shown: dict[Path, Status],
    interrupts: Sequence[int],
) -> None:
    """Show the runs until each has ended; `shown` holds what is seen of them now. Raises `KeyboardInterrupt`."""
    from rackbench import clock
    from rackbench.ledger import documents

    loaded: dict[Path, Loaded] = {}
    while True:
        for run_dir in find():
            known = loaded.get(run_dir)
            loaded[run_dir] = documents.refreshed(known) if known else documents.load(run_dir)
        statuses = {run_dir: documents.status_of(one, clock.utc_now()) for run_dir, one in loaded.items()}
        before = dict(shown)
        # First, since the user may leave as soon as it is seen.
        shown.update(statuses)
        display.show([(before.get(run_dir), status) for run_dir, status in statuses.items()])
        if statuses and all(status["exit_status"] is not None for status in statuses.values()):
            return
        time.sleep(POLL_S)
        if interrupts:
            raise KeyboardInterrupt


def _take_leave(args: argparse.Namespace, shown: Sequence[Status], output: Output) -> None:
    again = shlex.join(
        ["rackbench", "watch"]
        + [
            word
            for name in ("run-dir", "host", "campaign")
            if (value := getattr(args, name.replace("-", "_")))
            for word in (f"--{name}", value)
        ]
    )
    output.note(f"Left the view, and not the run, which goes on. To come back: {again}")
    for status in shown:
        if status["exit_status"] is None:
            output.note(f"To stop it: {shlex.join(['rackbench', 'stop', '--run-dir', status['run_dir']])}")


class _Display:
    """Where what is followed is shown. This one prints nothing."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Put back what was changed for showing."""

    def show(self, runs: Sequence[tuple[Status | None, Status]]) -> None:
        """Show each run, as it was when it was shown last (None: never) and as it is."""

    def end(self, statuses: Sequence[Status]) -> None:
        """Show how the runs came out."""


def _display(output: Output) -> _Display:
    if output.as_json:
        return _Documents(output)
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        return _View(output)
    return _Lines(output)


class _Documents(_Display):
    """A status document for each change, on a line of its own."""

    def show(self, runs: Sequence[tuple[Status | None, Status]]) -> None:
        for before, after in runs:
            if before is None or watching.mark(before) != watching.mark(after):
                self._output.record(after)


class _Lines(_Display):
    """A line for each change, with the time and, if there are several runs, the host."""

    def show(self, runs: Sequence[tuple[Status | None, Status]]) -> None:
        for before, after in runs:
            of = f"{after['host']}: " if len(runs) > 1 else ""
            for line in watching.changes(before, after):
                self._output.line(f"{after['at'][11:19]}  {of}{line}")
        sys.stdout.flush()


class _View(_Display):
    """A view that fills the terminal and is painted over, never wiped. At the end what was there before comes back."""

    def __init__(self, output: Output) -> None:
        from rich.console import Console
        from rich.live import Live

        super().__init__(output)
        self._console = Console(file=sys.stdout, highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, screen=True, redirect_stderr=False)

    def __enter__(self) -> Self:
        # Who is ended from outside gives the terminal back too.
        self._before = signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()
        signal.signal(signal.SIGTERM, self._before)

    def show(self, runs: Sequence[tuple[Status | None, Status]]) -> None:
        from rich.console import Group
        from rich.text import Text

        size = self._console.size
        lines = watching.view([status for _before, status in runs], size.width, size.height)
        texts = (
            Text(line.text, line.style, no_wrap=line.cut, overflow="ellipsis" if line.cut else "fold")
            for line in lines
        )
        self._live.update(Group(*texts), refresh=True)

    def end(self, statuses: Sequence[Status]) -> None:
        for status in statuses:
            status_verb.show(status, self._output)
