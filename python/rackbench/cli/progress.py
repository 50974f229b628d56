# SPDX-License-Identifier: Apache-2.0
"""A progress bar on standard error, for a person at a terminal; nothing anywhere else."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from rackbench.cli.output import is_fancy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextlib.contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Give a function that is told how much of how much is done; the bar goes away at the end."""
    if not is_fancy(sys.stderr):
        yield lambda _done, _all: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # No thread draws it: work that forks processes goes on meanwhile.
    bar = Progress(*columns, console=Console(file=sys.stderr), transient=True, auto_refresh=False)
    with bar:
        task = bar.add_task(what)

        def told(done: int, everything: int) -> None:
            bar.update(task, completed=done, total=everything, refresh=True)

        yield told
