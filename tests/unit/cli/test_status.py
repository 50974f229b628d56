# SPDX-License-Identifier: Apache-2.0
"""`rackbench status` on runs that were recorded by the real recorder, whole and damaged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

from rackbench.ledger.recorder import Recorder

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Command

Begin = Callable[[], Recorder]


def _close(recorder: Recorder) -> Path:
    recorder.close_run()
    recorder.close()
    return recorder.run_dir


def test_a_completed_run_is_good(rackbench: Command, begin_run: Begin) -> None:
    recorder = begin_run()
    recorder.record("execution.began", execution="demo.smoke.1", adapter="demo", family="smoke", repeat=1)
    recorder.record("execution.ended", execution="demo.smoke.1", outcome="passed", rc=0, duration_s=3.0)
    recorder.record("step.ended", step="demo.execute", state="completed")
    recorder.record(
        "result",
        adapter="demo",
        execution="demo.smoke.1",
        family="smoke",
        repeat=1,
        status="passed",
        metrics=[],
        headline=[{"label": "median", "value": 52.125, "unit": "ns"}],
        path="benchmarks/demo/result.json",
    )
    answer = rackbench("status", "--run-dir", str(_close(recorder)))
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("box: completed")
    assert "52.12" in answer.stdout
    assert "wall s" in answer.stdout


def test_a_failed_run_names_code_and_next_step_and_exits_with_1(rackbench: Command, begin_run: Begin) -> None:
    recorder = begin_run()
    failure = {"code": "execution_failed", "message": "It broke.", "next_step": "Read its stderr."}
    recorder.record("step.ended", step="demo.execute", state="failed", failure=failure)
    answer = rackbench("status", "--run-dir", str(_close(recorder)))
    assert answer.returncode == 1
    assert "It broke. [execution_failed]" in answer.stdout
    assert "Read its stderr." in answer.stdout


def test_a_running_run_shows_its_position_and_progress(rackbench: Command, begin_run: Begin) -> None:
    recorder = begin_run()
    recorder.record("execution.began", execution="demo.smoke.1", adapter="demo", family="smoke", repeat=1)
    recorder.record(
        "execution.beat", execution="demo.smoke.1", done=3, total=8, unit="pairs", label="0-3", elapsed_s=1.5
    )
    answer = rackbench("status")
    recorder.close()
    assert answer.returncode == 0, answer.stderr
    assert "step 2 of 2: demo.execute" in answer.stdout
    assert "3 of 8 pairs, 0-3, 1.5 s" in answer.stdout


def test_what_a_benchmark_says_commands_no_terminal(rackbench: Command, begin_run: Begin) -> None:
    recorder = begin_run()
    recorder.record("execution.began", execution="demo.smoke.1", adapter="demo", family="smoke", repeat=1)
    title, clear, one_byte = "\x1b]0;owned\x07", "\x1b[2J", "\x9b31m"
    recorder.record(
        "execution.beat", execution="demo.smoke.1", done=3, total=8, unit=f"pairs{clear}",
        label=f"{title}0-3{one_byte}", elapsed_s=1.5,
    )  # fmt: skip
    failure = {
        "code": "execution_failed",
        "message": f"It{title} broke.\x7f",
        "next_step": f"Read {one_byte}it.",
    }
    running = rackbench("status")
    recorder.record("step.ended", step="demo.execute", state="failed", failure=failure)
    run_dir = str(_close(recorder))
    failed, watched = rackbench("status", "--run-dir", run_dir), rackbench("watch", "--run-dir", run_dir)
    assert "3 of 8 pairs?[2J, ?]0;owned?0-3?31m, 1.5 s" in running.stdout
    for answer in (failed, watched):
        assert "It?]0;owned? broke.? [execution_failed]" in answer.stdout
        assert "Read ?31mit." in answer.stdout
    for text in (running.stdout, failed.stdout, watched.stdout):
        assert not set(map(ord, text)) & ({*range(32), *range(0x7F, 0xA0)} - {ord("\n"), ord("\t")})
    document = json.loads(rackbench("status", "--json", "--run-dir", run_dir).stdout)
    assert document["alerts"]["primary"]["message"] == failure["message"]


def test_the_document_is_json_and_nothing_else(rackbench: Command, begin_run: Begin) -> None:
    recorder = begin_run()
    answer = rackbench("status", "--json", "--run-dir", str(recorder.run_dir))
    recorder.close()
    document = json.loads(answer.stdout)
    assert document["schema"] == "rackbench.status/1.0"
    assert document["last_step_begun"] == "demo.execute"


def test_the_newest_run_is_shown_without_a_directory(rackbench: Command, begin_run: Begin) -> None:
    begin_run().close()
    newer = begin_run()
    newer.close()
    assert json.loads(rackbench("status", "--json").stdout)["run_dir"].endswith(newer.run_dir.name)


def test_a_run_directory_may_be_given_as_its_last_line_prints_it(
    rackbench: Command, project: Path, begin_run: Begin
) -> None:
    recorder = begin_run()
    recorder.close()
    below = project / "roles"
    answer = rackbench("status", "--run-dir", recorder.run_dir.relative_to(project).as_posix(), cwd=below)
    assert answer.returncode == 0, answer.stderr


def test_a_torn_last_line_is_told_and_the_rest_shown(rackbench: Command, begin_run: Begin) -> None:
    recorder = begin_run()
    recorder.close()
    journal = recorder.run_dir / "events.jsonl"
    journal.write_bytes(journal.read_bytes()[:-9])
    answer = rackbench("status", "--run-dir", str(recorder.run_dir))
    assert "torn" in answer.stdout
    assert "host.discover" in answer.stdout


def test_a_directory_without_its_journal_is_told(rackbench: Command, begin_run: Begin) -> None:
    recorder = begin_run()
    recorder.close()
    (recorder.run_dir / "events.jsonl").unlink()
    answer = rackbench("status", "--run-dir", str(recorder.run_dir))
    assert "events.jsonl is missing" in answer.stdout
    assert "Traceback" not in answer.stderr
    assert answer.returncode == 4
    assert "ledger_unreadable" in answer.stderr
    assert "next" in answer.stderr


def test_a_journal_of_bad_lines_is_unknown_and_no_success(rackbench: Command, begin_run: Begin) -> None:
    recorder = begin_run()
    recorder.close()
    (recorder.run_dir / "events.jsonl").write_text("no json\n" * 3)
    answer = rackbench("status", "--json", "--run-dir", str(recorder.run_dir))
    assert answer.returncode == 4, answer.stderr
    assert json.loads(answer.stdout)["state"] == "unknown"


def test_a_directory_of_something_else_is_refused_by_name(rackbench: Command, tmp_path: Path) -> None:
    answer = rackbench("status", "--run-dir", str(tmp_path))
    assert answer.returncode == 2
    assert str(tmp_path) in answer.stderr
    assert "not_a_run_directory" in answer.stderr


def test_a_project_without_runs_says_how_to_start_one(rackbench: Command, project: Path) -> None:
    shutil.rmtree(project / "automation-runs", ignore_errors=True)
    answer = rackbench("status")
    assert answer.returncode == 2
    assert "rackbench run" in answer.stderr
