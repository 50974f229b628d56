# SPDX-License-Identifier: Apache-2.0
"""`rackbench rerun`: families of an earlier run again, linked to it, and the earlier run untouched."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from rackbench.cli.rerun import changed_bundles, repeated_settings
from rackbench.errors import RackbenchError
from rackbench.ledger.state import RunState

from tests.integration import made_up
from tests.integration.harness import LabProject, Run, make_project

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.full

BENCHMARKS = "made-up,made-down"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> LabProject:
    """A checkout with one run of two benchmarks whose families have the same names."""
    project = make_project(tmp_path_factory.mktemp("rerun"))
    for name in BENCHMARKS.split(","):
        made_up.add(project, families=[made_up.family("short"), made_up.family("long")], name=name)
    done = project.playbook(
        "-e",
        json.dumps(
            {
                "lab_benchmarks": BENCHMARKS.split(","),
                "lab_repeats": 2,
                "lab_export_formats": ["csv"],
                "lab_publish_targets": {"unused": {"token": "do-not-record-me"}},
            }
        ),
    )
    assert done.rc == 0, done.said
    return project


@pytest.fixture(scope="module")
def earlier(project: LabProject) -> Run:
    """The run that is repeated."""
    return project.runs()[0]


def content(path: Path) -> dict[str, tuple[bytes | None, int]]:
    """Return the bytes and the modification time of everything in a directory."""
    return {
        str(inner.relative_to(path)): (
            inner.read_bytes() if inner.is_file() else None,
            inner.stat().st_mtime_ns,
        )
        for inner in (path, *path.rglob("*"))
    }


def test_only_the_family_is_run_again_with_the_same_options_and_the_earlier_run_is_untouched(
    project: LabProject, earlier: Run
) -> None:
    before, runs = content(earlier.path), len(project.runs())
    done = project.rackbench(
        "rerun", "--run-dir", earlier.path, "--family", "made-down:long", "--yes", "--json"
    )
    assert done.rc == 0, done.said
    assert content(earlier.path) == before
    assert len(project.runs()) == runs + 1
    again = project.runs()[-1]
    (opened,), (first,) = again.records("run.opened"), earlier.records("run.opened")
    assert opened["rerun_of"] == first["run_id"]
    assert opened["benchmarks"] == ["made-down"]
    names = [entry["execution_id"] for entry in opened["executions"]["made-down"]]
    assert [record["execution"] for record in again.records("execution.ended")] == names
    assert {entry["family"] for entry in opened["executions"]["made-down"]} == {"long"}
    assert [entry["repeat"] for entry in opened["executions"]["made-down"]] == [1, 2]
    changed = {"benchmarks", "families", "publish_targets"}
    assert {name: value for name, value in opened["options"].items() if name not in changed} == {
        name: value for name, value in first["options"].items() if name not in changed
    }
    assert opened["inventory"] == first["inventory"]
    # The addresses of publish targets come from the inventory, and here it has none.
    assert (first["options"]["publish_targets"], opened["options"]["publish_targets"]) == (["unused"], [])
    assert "do-not-record-me" not in (again.path / "events.jsonl").read_text()
    assert "bundle" not in done.stderr
    (status,) = json.loads(done.stdout)["runs"]
    assert status["rerun_of"] == again.status["rerun_of"] == first["run_id"]
    assert again.document("run_manifest.json")["rerun_of"] == first["run_id"]
    assert first["run_id"] in project.rackbench("status", "--run-dir", again.path).stdout
    rows = json.loads(project.rackbench("runs", "--json").stdout)["runs"]
    assert rows[0]["rerun_of"] == first["run_id"]
    assert rows[-1]["rerun_of"] is None


def test_another_bundle_than_the_earlier_one_is_a_warning(project: LabProject, earlier: Run) -> None:
    entry = project.root / "benchmarks/made-up/bin/run"
    entry.write_text(entry.read_text() + "# another program\n")
    built = project.rackbench("bundle", "build")
    assert built.rc == 0, built.said
    done = project.rackbench("rerun", "--run-dir", earlier.path, "--family", "short", "--yes")
    assert done.rc == 0, done.said
    (opened,) = project.runs()[-1].records("run.opened")
    assert opened["benchmarks"] == BENCHMARKS.split(",")
    assert opened["options"]["families"] == ["made-up:short", "made-down:short"]
    (warning,) = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert warning.startswith("warning: made-up ran from another bundle than in ")


@pytest.mark.parametrize("family", ["shrot", "made-up:shrot", "no-such:short", "made-up:"])
def test_a_family_that_the_run_did_not_plan_is_refused_with_those_it_did(
    project: LabProject, earlier: Run, family: str
) -> None:
    runs = len(project.runs())
    done = project.rackbench("rerun", "--run-dir", earlier.path, "--family", family, "--yes")
    assert done.rc == 2, done.said
    assert "unknown_family" in done.stderr
    assert "made-up:short, made-up:long, made-down:short, made-down:long" in done.stderr
    assert len(project.runs()) == runs


def test_without_yes_and_without_a_terminal_nothing_begins(project: LabProject, earlier: Run) -> None:
    runs = len(project.runs())
    done = project.rackbench("rerun", "--run-dir", earlier.path, "--family", "made-up:short")
    assert done.rc == 2, done.said
    assert "--family made-up:short --yes" in done.stderr
    assert len(project.runs()) == runs


def test_an_answer_of_no_begins_nothing(project: LabProject, earlier: Run) -> None:
    runs = len(project.runs())
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["rackbench", "rerun", "--run-dir", str(earlier.path), "--family", "short"],
        cwd=project.root,
        env=project.environ(),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    os.close(theirs)
    os.write(ours, b"n\n")
    said, _ = process.communicate(timeout=300)
    os.close(ours)
    assert process.returncode == 1, said
    assert "Run made-up:short, made-down:short on local again, as in " in said
    assert len(project.runs()) == runs


def test_a_host_that_the_inventory_does_not_have_any_more_is_refused(
    project: LabProject, earlier: Run, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(earlier.path, copy)
    journal = copy / "events.jsonl"
    journal.write_text(journal.read_text().replace('"host":"local"', '"host":"all"'))
    done = project.rackbench("rerun", "--run-dir", copy, "--family", "made-up:short", "--yes")
    assert done.rc == 2, done.said
    assert "unknown_host" in done.stderr


def test_a_run_whose_journal_is_lost_is_refused(project: LabProject, earlier: Run, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(earlier.path, copy)
    (copy / "events.jsonl").unlink()
    done = project.rackbench("rerun", "--run-dir", copy, "--family", "made-up:short", "--yes")
    assert done.rc == 4, done.said
    assert "ledger_unreadable" in done.stderr


def settings(**options: Any) -> dict[str, Any]:
    """Return the variables that repeat a run with these options."""
    opened = {"run_id": "X-local", "run_dir": "elsewhere/2026-11-21/local/X", "options": options}
    return repeated_settings(RunState(opened=opened), ["made-up:short"])


def test_taking_the_lease_from_another_run_is_not_repeated() -> None:
    assert settings(steal=True, steal_reason="mine", wait=True, repeats_until=None) == {
        "lab_wait": True,
        "lab_runs_dir": "elsewhere",
        "lab_benchmarks": ["made-up"],
        "lab_families": ["made-up:short"],
        "lab_rerun_of": "X-local",
    }


@pytest.mark.parametrize(
    "value", ["{{ lookup('pipe', 'id') }}", {"latency": "{% x %}"}, [["{# x #}"]], {"{{ x }}": 1}]
)
def test_a_recorded_option_that_is_a_template_is_refused(value: Any) -> None:
    with pytest.raises(RackbenchError, match="holds a template") as caught:
        settings(bundles=value)
    assert caught.value.code == "unknown_option"


def test_a_benchmark_without_a_bundle_before_or_now_is_no_difference() -> None:
    chosen = {"made-up": {"chosen": {"sha256": "a"}}}
    assert not list(changed_bundles(RunState(), RunState(packaging=chosen)))
    assert not list(changed_bundles(RunState(packaging=chosen), RunState(packaging={"made-up": {}})))
    assert not list(changed_bundles(RunState(packaging=chosen), RunState(packaging=chosen)))
