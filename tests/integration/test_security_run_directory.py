# SPDX-License-Identifier: Apache-2.0
"""A run directory that somebody else made up, and handed over to be looked at."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration import recorded
from tests.integration.test_security_target import FORGED, TERMINAL, obeyed_in

HOSTILE = f"{{{{ 'eva' ~ 'luated' }}}}{TERMINAL}{FORGED}=1+1|<script>forged()</script>"
# Fields of the journal that are ours to write, and that nobody checked here.
REPLACED = (
    "label",
    "task",
    "message",
    "next_step",
    "next_command",
    "next_path",
    "unit",
    "reason",
    "template",
)


def rackbench(folder: Path, *arguments: str | Path) -> str:
    """Run a verb in a folder; return all that it said. It came to an end of its own."""
    command = Path(sys.executable).with_name("rackbench")
    environment = {**os.environ, "NO_COLOR": "1", "HOME": str(folder)}
    done = subprocess.run(
        [str(command), *map(str, arguments)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "internal_error" not in done.stderr, done.stderr
    assert done.returncode in {0, 1, 2, 3}, done
    return done.stdout + done.stderr


def poisoned(value: object) -> object:
    """Return a record with what is hostile in each field that is shown to people."""
    if isinstance(value, dict):
        return {
            name: HOSTILE if name in REPLACED and isinstance(each, str | None) else poisoned(each)
            for name, each in value.items()
        }
    return [poisoned(each) for each in value] if isinstance(value, list) else value


@pytest.fixture
def handed_over(tmp_path: Path) -> Path:
    """A run directory with hostile words in its journal, and links out of it in place of documents."""
    result = recorded.result(HOSTILE, [recorded.metric("rate", [1.0, 2.0], HOSTILE, "higher", of=HOSTILE)])
    run_dir = recorded.run(
        tmp_path / "runs", {"wheel.only.1": result, "other.only.1": result}, failed="other", message=HOSTILE
    )
    journal = run_dir / "events.jsonl"
    records = [poisoned(json.loads(line)) for line in journal.read_text().splitlines()]
    for record in records:
        assert isinstance(record, dict)
        if isinstance(record.get("failure"), dict):
            record["failure"]["next_command"] = f"rackbench status; touch {tmp_path}/canary{HOSTILE}"
        if record["kind"] == "artifact":
            record["path"] = "../../../outside.txt"
    journal.write_text("".join(json.dumps(record) + "\n" for record in records))
    (tmp_path / "outside.txt").write_text("of somebody else\n")
    # A run that nobody opened again is claimed to be restored.
    (run_dir / "state/live").mkdir(parents=True)
    (run_dir / "state/claim").symlink_to(tmp_path / "claimed")
    (run_dir / "state/live/.controller").symlink_to(tmp_path / "signed")
    for name in ("status.json", "recovery_summary.md", "run_manifest.json"):
        (run_dir / name).unlink(missing_ok=True)
        (run_dir / name).symlink_to(tmp_path / "outside.txt")
    return run_dir


def test_a_run_directory_of_a_stranger_is_shown_and_nothing_of_it_is_obeyed(
    handed_over: Path, tmp_path: Path
) -> None:
    said = {
        " ".join(str(word) for word in verb if word != handed_over): rackbench(tmp_path, *verb)
        for verb in (
            ("status", "--run-dir", handed_over),
            ("status", "--run-dir", handed_over, "--json"),
            ("watch", "--run-dir", handed_over),
            ("compare", handed_over, handed_over),
            ("export", handed_over, "--csv"),
            ("report", "--run-dir", handed_over),
            ("verify", handed_over),
        )
    }
    assert "rackbench forged" in said["status --run-dir"]
    assert {name: found[:3] for name, text in said.items() if (found := obeyed_in(text))} == {}
    assert not [name for name in ("canary", "claimed", "signed") if (tmp_path / name).exists()]
    # Who follows a link out of it would have written, or shown, what is not its own.
    assert (tmp_path / "outside.txt").read_text() == "of somebody else\n"
    assert not [name for name, text in said.items() if "of somebody else" in text]


KINDS = ["pipe", pytest.param("link", marks=pytest.mark.full), pytest.param("device", marks=pytest.mark.full)]


def replace(path: Path, kind: str) -> str:
    """Put something in the place of a file that is none, and return what is said of it."""
    if kind == "pipe":
        path.unlink()
        os.mkfifo(path)
        return "it is no regular file"
    moved = path.rename(path.parents[3] / "moved")
    path.symlink_to(moved if kind == "link" else "/dev/zero")
    return "it is a link"


@pytest.mark.parametrize("kind", KINDS)
def test_a_journal_that_is_no_file_is_named_at_once_and_hides_no_other_run(tmp_path: Path, kind: str) -> None:
    for name in ("ansible.cfg", "run.yml"):
        (tmp_path / name).touch()
    runs = tmp_path / "automation-runs/2026-11-21"
    bad, _good = (
        recorded.run(runs, {"wheel.only.1": recorded.result("wheel", [])}, host=host)
        for host in ("bad", "good")
    )
    problem = f"events.jsonl is not read: {replace(bad / 'events.jsonl', kind)}"
    for verb in ("status", "watch", "report"):
        said = rackbench(tmp_path, verb, "--run-dir", bad)
        assert "ledger_damaged" in said, verb
        assert problem in said, verb
    listed = rackbench(tmp_path, "runs")
    assert "2026-11-21/good/20261121T080000Z" in listed
    assert problem in listed


@pytest.mark.parametrize("kind", KINDS)
def test_a_result_that_is_no_file_is_named_at_once_and_the_others_count(tmp_path: Path, kind: str) -> None:
    metrics = [recorded.metric("rate", [7.0, 8.0])]
    results = {f"wheel.{name}.1": recorded.result("wheel", metrics) for name in ("one", "two")}
    run_dir = recorded.run(tmp_path, results)
    problem = f"result.json: {replace(run_dir / 'benchmarks/wheel/wheel.one.1/result.json', kind)}"
    said = rackbench(tmp_path, "compare", run_dir, run_dir)
    assert problem in said
    assert "wheel.two" in said
    assert problem in rackbench(tmp_path, "export", run_dir, "--csv")
    rackbench(tmp_path, "report", "--run-dir", run_dir, "--output", tmp_path / "report.html")
    assert problem in (tmp_path / "report.html").read_text()


# What says which record it is, and of what.
NAMING = {"seq", "at", "mono", "kind", "execution", "step", "adapter"}


def test_records_with_fields_of_another_type_are_counted_and_the_others_are_shown(tmp_path: Path) -> None:
    results = {
        "agents.one.1": recorded.agents_result(1),
        "wheel.only.1": recorded.result("wheel", [recorded.metric("rate", [7.0, 8.0])]),
    }
    run_dir = recorded.run(tmp_path, results, failed="wheel")
    journal = run_dir / "events.jsonl"
    opened, *others = (json.loads(line) for line in journal.read_text().splitlines())
    opened["executions"]["agents"][0]["family"] = None
    told = [opened]
    for record in others:
        wrong = [
            {name: value if name in NAMING else other for name, value in record.items()}
            for other in (None, 7, "text", [7], {"of": 7})
        ]
        # The last result of an execution counts.
        told += [*wrong, record] if record["kind"] == "result" else [record, *wrong]
    numbered = (json.dumps({**record, "seq": number}) for number, record in enumerate(told, start=1))
    journal.write_text("\n".join(numbered) + "\n")
    assert "records could not be used" in rackbench(tmp_path, "status", "--run-dir", run_dir)
    assert "20261121T080000Z-box" in rackbench(tmp_path, "compare", run_dir, run_dir)
    rackbench(tmp_path, "report", "--run-dir", run_dir, "--output", tmp_path / "report.html")
    assert "Agent scaling" in (tmp_path / "report.html").read_text()
