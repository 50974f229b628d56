# SPDX-License-Identifier: GPL-3.0-or-later
"""A call in a process of its own: its answer, its failures, and that nothing of it stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from rackbench.ledger.liveness import start_ticks

from plugins.plugin_utils._forked import ForkedCall

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT_S = 60.0
# More than a pipe holds.
LARGE = "x" * 1_000_000


def run(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Do the work in a process of its own and return its answer."""
    with ForkedCall(work) as call:
        assert call.wait(LIMIT_S)
        return call.answer()


def wait_until(condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_answer_comes_from_another_process_however_large_it_is() -> None:
    assert run(lambda: {"pid": os.getpid(), "text": LARGE}) != {"pid": os.getpid(), "text": LARGE}
    assert run(lambda: {"text": LARGE}) == {"text": LARGE}


def test_what_the_work_raises_is_raised_with_its_words() -> None:
    def fail() -> NoReturn:
        raise ValueError("no such thing")

    with pytest.raises(RuntimeError, match="ValueError: no such thing"):
        run(fail)


def test_a_process_that_is_killed_gives_no_answer() -> None:
    def die() -> dict[str, Any]:
        os.kill(os.getpid(), signal.SIGKILL)
        return {}

    with pytest.raises(RuntimeError, match="ended from outside"):
        run(die)


def test_an_answer_that_is_no_json_is_a_failure_and_not_an_answer() -> None:
    with pytest.raises(RuntimeError, match="TypeError"):
        run(lambda: {"strange": object()})


def test_leaving_the_block_ends_the_call_with_what_it_started(tmp_path: Path) -> None:
    def work() -> dict[str, Any]:
        child = subprocess.Popen(["sleep", "600"])
        (tmp_path / "made").write_text(f"{os.getpid()} {child.pid}")
        (tmp_path / "made").rename(tmp_path / "pids")
        child.wait()
        return {}

    with ForkedCall(work) as call:
        wait_until((tmp_path / "pids").exists)
        assert not call.wait(0)
    pid, child = map(int, (tmp_path / "pids").read_text().split())
    # Reaped by us, and the other one by whoever adopts it.
    assert not Path(f"/proc/{pid}").exists()
    wait_until(lambda: start_ticks(child) is None)


def test_the_call_ends_with_the_process_that_made_it_even_by_sigkill(tmp_path: Path) -> None:
    program = f"""
import os, pathlib, subprocess, time
from plugins.plugin_utils._forked import ForkedCall

def work():
    child = subprocess.Popen(["sleep", "600"])
    pathlib.Path({str(tmp_path)!r}, "made").write_text(f"{{os.getpid()}} {{child.pid}}")
    pathlib.Path({str(tmp_path)!r}, "made").rename(pathlib.Path({str(tmp_path)!r}, "pids"))
    child.wait()

with ForkedCall(work) as call:
    call.wait(600)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    maker = subprocess.Popen([sys.executable, "-c", program], env=environment)
    wait_until((tmp_path / "pids").exists)
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    maker.kill()
    maker.wait()
    wait_until(lambda: [start_ticks(pid) for pid in pids] == [None, None])
