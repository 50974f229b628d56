# SPDX-License-Identifier: Apache-2.0
"""`rackbench watch` on runs that this very process records while they are watched."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pexpect
import pytest
from rackbench.ledger import campaign, rundir
from rackbench.ledger.recorder import Recorder
from rackbench.models.run_documents import Status

from .conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .conftest import Command

pytestmark = pytest.mark.slow

Begin = Callable[[], Recorder]
LIMIT_S = 120
ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|[@-_])")


def environment(**more: str) -> dict[str, str]:
    """Return the environment of the command."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RACKBENCH_")}
    # pytest-xdist tells its workers how wide its own terminal is.
    for name in ("NO_COLOR", "COLUMNS", "LINES"):
        kept.pop(name, None)
    return {**kept, "PYTHONPATH": str(ROOT / "python"), "TERM": "xterm-256color", **more}


class Watch:
    """The command with its output in a pipe, line by line."""

    def __init__(self, project: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rackbench", "watch", *arguments],
            cwd=project, env=environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.said: list[str] = []

    def until(self, words: str) -> str:
        """Read lines until one has these words, and return it."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.said.append(line.rstrip("\n"))
            if words in line:
                return self.said[-1]
        raise AssertionError(f"{words!r} was never said: {self.said} {self.end()}")

    def end(self) -> tuple[int, str]:
        """Wait for the end; return the exit status and what was said on standard error."""
        rest, errors = self.process.communicate(timeout=LIMIT_S)
        self.said += rest.splitlines()
        return self.process.returncode, errors


@pytest.fixture
def watch(project: Path) -> Iterator[Callable[..., Watch]]:
    """Return a function that begins to watch; what is left of it at the end is ended."""
    begun: list[Watch] = []

    def begin(*arguments: str) -> Watch:
        begun.append(Watch(project, *arguments))
        return begun[-1]

    yield begin
    for one in begun:
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate()


def progress(recorder: Recorder, done: int) -> None:
    """Record that an execution is so far."""
    fields: dict[str, Any] = {"total": 8, "unit": "pairs", "label": f"0-{done}", "interval_s": 3600}
    recorder.record("execution.beat", execution="demo.smoke.1", done=done, elapsed_s=1.5 * done, **fields)


def begin_execution(recorder: Recorder) -> None:
    """Record that the benchmark begins."""
    recorder.record("execution.began", execution="demo.smoke.1", adapter="demo", family="smoke", repeat=1)


def end_well(recorder: Recorder) -> None:
    """Record how a run comes to its end, and give its directory away."""
    recorder.record("execution.ended", execution="demo.smoke.1", outcome="passed", rc=0, duration_s=12.0)
    recorder.record("step.ended", step="demo.execute", state="completed")
    headline = [{"label": "median", "value": 52.125, "unit": "ns"}]
    recorder.record(
        "result", adapter="demo", execution="demo.smoke.1", family="smoke", repeat=1, status="passed", metrics=[],
        headline=headline, path="benchmarks/demo/result.json",
    )  # fmt: skip
    recorder.close_run()
    recorder.close()


@pytest.mark.full
def test_lines_tell_each_change_until_the_run_ends(watch: Callable[..., Watch], begin_run: Begin) -> None:
    recorder = begin_run()
    watching = watch()
    watching.until("box: running")
    watching.until("step demo.execute: running")
    begin_execution(recorder)
    progress(recorder, 2)
    told = watching.until("2 of 8 pairs")
    assert re.search(
        r"demo.smoke.1: 2 of 8 pairs, 0-2, 3.0 s so far, about \d\.\d s left, at the pace so far$", told
    )
    progress(recorder, 5)
    watching.until("5 of 8 pairs")
    end_well(recorder)
    status, errors = watching.end()
    assert (status, errors) == (0, "")
    said = [line[10:] for line in watching.said]
    for line in (
        "step host.discover: completed",
        "execution demo.smoke.1: passed, 12.0 s",
        "step demo.execute: completed",
        "result demo.smoke.1: median 52.12 ns",
        "box: completed",
    ):
        assert sum(line in one for one in said) == 1, watching.said


@pytest.mark.full
def test_documents_are_one_on_a_line_for_each_change(watch: Callable[..., Watch], begin_run: Begin) -> None:
    recorder = begin_run()
    watching = watch("--json", "--run-dir", str(recorder.run_dir))
    watching.until("demo.execute")
    begin_execution(recorder)
    progress(recorder, 2)
    watching.until('"done": 2')
    end_well(recorder)
    assert watching.end() == (0, "")
    documents = [json.loads(line) for line in watching.said]
    for document in documents:
        Status.model_validate(document)
    assert documents[0]["state"] == "running"
    assert [document["state"] for document in documents].count("completed") == 1
    numbers = [document["last_event"]["seq"] for document in documents]
    assert numbers == sorted(set(numbers))
    (told,) = [
        document["progress"] for document in documents if (document["progress"] or {}).get("done") == 2
    ]
    assert told["left_by"] == "pace"


def test_the_exit_status_is_that_of_the_run(rackbench: Command, begin_run: Begin) -> None:
    recorder = begin_run()
    failure = {"code": "execution_failed", "message": "It broke.", "next_step": "Read its stderr."}
    recorder.record("step.ended", step="demo.execute", state="failed", failure=failure)
    recorder.close_run()
    recorder.close()
    answer = rackbench("watch", "--run-dir", str(recorder.run_dir))
    assert answer.returncode == 1 == rackbench("status").returncode
    assert "It broke. [execution_failed]" in answer.stdout
    assert "rackbench resume --run-dir" in answer.stdout


def test_a_run_whose_controller_is_gone_is_not_waited_for(
    rackbench: Command, project: Path, begin_run: Begin
) -> None:
    recorder = begin_run()
    recorder.close()
    events = recorder.run_dir / rundir.EVENTS
    gone = events.read_text().replace('"start_ticks":', '"start_ticks":1', 1)
    events.write_text(gone)
    answer = rackbench("watch")
    assert answer.returncode == 130
    assert "box: interrupted" in answer.stdout


def test_a_journal_that_cannot_be_read_is_told_and_not_waited_for(
    rackbench: Command, begin_run: Begin
) -> None:
    recorder = begin_run()
    recorder.close()
    (recorder.run_dir / rundir.EVENTS).write_text("no journal\n")
    answer = rackbench("watch")
    assert answer.returncode == 4
    assert "[ledger_unreadable]" in answer.stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--run-dir", "roles"), "not_a_run_directory"),
        (("--run-dir", "no-such"), "not_a_run_directory"),
        (("--host", "no-such"), "not_a_run_directory"),
        (("--campaign", "no-such"), "not_a_campaign"),
        (("--host", "box", "--run-dir", "roles"), "wrong_usage"),
    ],
)
def test_what_is_no_run_is_refused(
    rackbench: Command, begin_run: Begin, arguments: tuple[str, ...], code: str
) -> None:
    begin_run().close()
    answer = rackbench("watch", *arguments)
    assert answer.returncode == 2
    assert f"code   {code}" in answer.stderr


def test_a_host_means_its_newest_run(rackbench: Command, begin_run: Begin) -> None:
    old, new = begin_run(), begin_run()
    begin_execution(old)
    for recorder in (old, new):
        recorder.record("step.ended", step="demo.execute", state="completed")
        recorder.close_run()
        recorder.close()
    answer = rackbench("watch", "--host", "box", "--json")
    assert json.loads(answer.stdout)["run_id"] == rundir.run_id_of(new.run_dir)


@pytest.mark.full
def test_a_campaign_is_followed_until_its_last_run_ends(
    watch: Callable[..., Watch], project: Path, begin_run: Begin
) -> None:
    one, two = begin_run(), begin_run()
    for recorder in (one, two):
        campaign.join(
            project / "automation-runs", "together", rundir.run_id_of(recorder.run_dir), recorder.run_dir
        )
    watching = watch("--campaign", "together")
    watching.until("box: box: running")
    begin_execution(one)
    end_well(one)
    watching.until("box: box: completed")
    two.record(
        "step.ended",
        step="demo.execute",
        state="failed",
        failure={"code": "host_unreachable", "message": "."},
    )
    two.close_run()
    two.close()
    status, _errors = watching.end()
    assert status == 3
    assert any("box: box: failed" in line for line in watching.said)


def test_the_view_follows_a_run_and_ends_with_its_status(project: Path, begin_run: Begin) -> None:
    recorder = begin_run()
    with _terminal(project, rows=24, columns=80) as child:
        child.expect_exact("> demo.execute")
        begin_execution(recorder)
        progress(recorder, 2)
        child.expect_exact("2 of 8 pairs")
        child.expect("about .* left, at the pace so far")
        progress(recorder, 6)
        child.expect_exact("75 %")
        end_well(recorder)
        child.expect_exact("box: completed")
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 0


def test_in_a_narrow_terminal_lines_are_cut_and_without_colours_if_nobody_wants_them(
    project: Path, begin_run: Begin
) -> None:
    recorder = begin_run()
    begin_execution(recorder)
    progress(recorder, 2)
    with _terminal(project, rows=30, columns=20, NO_COLOR="1") as child:
        child.expect_exact("Ctrl-C leaves")
        shown = child.before
    recorder.close()
    assert "> demo.execute" in shown
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", shown)
    lines = ESCAPES.sub("", shown).replace("\r", "").split("\n")
    assert [line for line in lines if len(line) > 20] == []


def test_ctrl_c_leaves_the_view_and_not_the_run(project: Path, begin_run: Begin) -> None:
    recorder = begin_run()
    with _terminal(project, "--host", "box") as child:
        child.expect_exact("> demo.execute")
        child.sendintr()
        child.expect_exact("Left the view, and not the run, which goes on.")
        child.expect_exact("To come back: rackbench watch --host box")
        child.expect_exact("rackbench stop --run-dir automation-runs/")
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 130
    assert recorder.is_open
    recorder.tick(0.0, 0.0)
    assert recorder.state.stop is None
    recorder.close()


def test_who_is_ended_from_outside_gives_the_terminal_back(project: Path, begin_run: Begin) -> None:
    recorder = begin_run()
    with _terminal(project) as child:
        child.expect_exact("> demo.execute")
        child.kill(signal.SIGTERM)
        child.expect_exact("\x1b[?1049l")
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 128 + signal.SIGTERM
    recorder.close()


def test_a_dumb_terminal_gets_lines(project: Path, begin_run: Begin) -> None:
    recorder = begin_run()
    with _terminal(project, TERM="dumb") as child:
        child.expect_exact("step demo.execute: running")
        assert "\x1b" not in child.before
    recorder.close()


def _terminal(
    project: Path, *arguments: str, rows: int = 24, columns: int = 80, **more: str
) -> pexpect.spawn[str]:
    """Return the command on a terminal of this size."""
    return pexpect.spawn(
        sys.executable,
        ["-m", "rackbench", "watch", *arguments],
        cwd=str(project), env=environment(**more), dimensions=(rows, columns), encoding="utf-8", timeout=LIMIT_S,
    )  # fmt: skip
