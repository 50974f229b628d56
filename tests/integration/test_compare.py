# SPDX-License-Identifier: Apache-2.0
"""`rackbench compare`, `export` and `hosts diff` on real runs: what belongs together, and what does not."""

from __future__ import annotations

import csv
import io
import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration import made_up
from tests.integration.harness import LabProject, Run, make_project

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.full

# Each execution takes the next list of samples of the file that its parameter names.
PROGRAM = """#!/usr/bin/env python3
import argparse, json, pathlib

parser = argparse.ArgumentParser()
parser.add_argument("--config")
parser.add_argument("--out")
args = parser.parse_args()
job = json.loads(pathlib.Path(args.config).read_text())
values = pathlib.Path(job["parameters"]["values"])
samples, *left = json.loads(values.read_text())
values.write_text(json.dumps(left))
metrics = [
    {"name": "rate", "unit": "=turns/s", "direction": "higher", "samples": samples, "labels": {"cpu": "@0|1"}},
    {"name": "time", "unit": "s", "direction": "lower", "samples": [1 / each for each in samples]},
]
result = {"schema": "rackbench.result/1.0", "benchmark": {"name": "made-up", "version": "1.0.0"}, "status": "passed",
          "started_at": "2026-11-21T08:00:00Z", "duration_s": 0.5, "metrics": metrics}
(pathlib.Path(args.out) / "result.json").write_text(json.dumps(result))
"""
# A stand-in for ipmitool: it tells the firmware of a board that this machine does not have.
IPMITOOL = """#!/bin/sh
echo "Device ID                 : 32"
echo "Firmware Revision         : $(cat "$HOME/bmc")"
"""
WARMUP = [1000.0]
SLOW = [[10.0], [11.0], [12.0], [13.0], [14.0], [15.0]]


def set_bmc(project: LabProject, version: str) -> None:
    """Give the board's controller another firmware."""
    (project.home / "bmc").write_text(version)


def run(project: LabProject, samples: list[list[float]], *more: str) -> str:
    """Run the made-up benchmark and return what was printed."""
    (project.home / "values").write_text(json.dumps(samples))
    done = project.rackbench("run", "--host", "local", "--benchmarks", "made-up", *more)
    assert done.rc == 0, done.said
    return done.stdout


def directory(project: LabProject, said: str) -> Run:
    """Return the run whose directory was printed last."""
    (line,) = [line for line in said.splitlines() if line.startswith("run_dir: ")]
    return Run(project.root / line.removeprefix("run_dir: "))


def copy(run: Run, stamp: str, change: Callable[[str, dict[str, Any]], None]) -> Run:
    """Return another run that is the same one with changed results, each of which `change` gets with its execution."""
    path = run.path.with_name(stamp)
    shutil.copytree(run.path, path)
    statuses = {}
    for result in path.glob("benchmarks/made-up/*/result.json"):
        content = json.loads(result.read_text())
        change(result.parent.name, content)
        statuses[result.parent.name] = content["status"]
        result.write_text(json.dumps(content))
    records = [json.loads(line.replace(run.path.name, stamp)) for line in journal_of(run).splitlines()]
    for record in records:
        if record["kind"] == "result":
            record["status"] = statuses[record["execution"]]
    write_journal(path, records)
    return Run(path)


def journal_of(run: Run) -> str:
    """Return the journal as it stands."""
    return (run.path / "events.jsonl").read_text()


def write_journal(path: Path, records: list[dict[str, Any]]) -> None:
    """Replace the journal of a run."""
    (path / "events.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))


def run_id(run: Run) -> str:
    """Return the id of a run on this machine."""
    return f"{run.path.name}-local"


def faster(_execution: str, content: dict[str, Any]) -> None:
    """Make a result better by ten turns/s."""
    rate, time = content["metrics"]
    rate["samples"] = [each + 10 for each in rate["samples"]]
    time["samples"] = [1 / each for each in rate["samples"]]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> LabProject:
    """A checkout with the made-up benchmark, and a host that has a BMC."""
    project = make_project(tmp_path_factory.mktemp("compare"))
    family = made_up.family(values=str(project.home / "values"))
    made_up.add(project, families=[family], program=PROGRAM)
    tools = project.home / "tools"
    tools.mkdir()
    (tools / "ipmitool").write_text(IPMITOOL)
    (tools / "ipmitool").chmod(0o755)
    project.environment["PATH"] = f"{tools}:{project.environ()['PATH']}"
    set_bmc(project, "1.72")
    return project


@pytest.fixture(scope="module")
def slow(project: LabProject) -> Run:
    """A run of six executions after a warm-up."""
    return directory(project, run(project, [WARMUP, *SLOW], "--repeats", "6", "--warmups", "1"))


@pytest.fixture(scope="module")
def fast(slow: Run) -> Run:
    """The same in the same state, with better results."""
    return copy(slow, "20200101T000001Z", faster)


@pytest.fixture(scope="module")
def tuned(project: LabProject, slow: Run) -> Run:
    """A run with a label on the changed host, which was changed again before the run was resumed."""
    set_bmc(project, "1.73")
    found = directory(project, run(project, SLOW[:1], "--label", "tuned", "--phases", "preflight"))
    set_bmc(project, "1.74")
    done = project.rackbench("resume", "--run-dir", found.path, "--yes")
    assert done.rc == 0, done.said
    return found


@pytest.fixture(scope="module")
def dry(project: LabProject, tuned: Run) -> Run:
    """A dry run on the host that was changed once more."""
    set_bmc(project, "1.75")
    return directory(project, run(project, [], "--check"))


def compared(project: LabProject, *runs: Run) -> dict[str, Any]:
    """Return the comparison of two runs."""
    done = project.rackbench("compare", *(run.path for run in runs), "--json")
    assert done.rc == 0, done.said
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_a_better_run_is_better_in_each_direction_and_the_warm_up_does_not_count(
    project: LabProject, slow: Run, fast: Run
) -> None:
    found = compared(project, slow, fast)
    rate, time = found["rows"]
    assert [(value["n"], value["median"], value["interval"]) for value in rate["values"]] == [
        (6, 12.5, [10.0, 15.0]),
        (6, 22.5, [20.0, 25.0]),
    ]
    assert rate["changes"] == [{"ratio": 1.8, "meaning": "better", "within_one": False}]
    assert (time["direction"], time["changes"][0]["meaning"]) == ("lower", "better")
    assert found["differences"] == [[]]
    assert found["runs"][0]["state_digest"] == found["runs"][1]["state_digest"]
    (back,) = compared(project, fast, slow)["rows"][0]["changes"]
    assert back["meaning"] == "worse"


def test_runs_of_another_label_and_state_say_so(project: LabProject, slow: Run, tuned: Run) -> None:
    done = project.rackbench("compare", run_id(slow), tuned.path)
    assert done.rc == 0, done.said
    assert "differs: label: none -> tuned" in done.stdout
    assert "differs: state bmc.firmware: 1.72 -> 1.74" in done.stdout
    assert "its host was changed before the run was resumed (bmc.firmware: 1.73 -> 1.74)" in done.stdout
    assert "unknown" in done.stdout


def test_a_resumed_run_tells_what_changed_on_its_host(tuned: Run) -> None:
    (resumed,) = tuned.records("run.resumed")
    (difference,) = [each for each in resumed["differences"] if each["what"].startswith("host state")]
    assert difference == {
        "what": "host state, bmc.firmware",
        "before": "1.73",
        "now": "1.74",
        "effect": "said",
        "adapter": None,
    }
    document = tuned.document("preflight/host_state.json")
    assert document["facts"]["bmc.firmware"] == "1.74"
    assert [part["facts"]["bmc.firmware"] for part in document["earlier"]] == ["1.73"]


def test_the_label_is_wherever_a_run_is_told(project: LabProject, slow: Run, tuned: Run) -> None:
    for name in ("status.json", "run_manifest.json", "exports/results.json"):
        assert tuned.document(name)["label"] == "tuned"
        assert slow.document(name)["label"] is None
    assert "label: tuned" in project.rackbench("status", "--run-dir", run_id(tuned)).stdout
    (row,) = [
        row
        for row in json.loads(project.rackbench("runs", "--json").stdout)["runs"]
        if row["run_id"] == run_id(tuned)
    ]
    assert row["label"] == "tuned"
    head, *lines = project.rackbench("runs").stdout.splitlines()
    assert "label" in head
    assert any(line.split()[3] == "tuned" for line in lines)
    rows = list(csv.DictReader(io.StringIO((tuned.path / "exports/results.csv").read_text())))
    assert {row["label"] for row in rows} == {"tuned"}


def test_a_label_that_would_be_a_formula_is_refused_before_a_run_begins(
    project: LabProject, slow: Run
) -> None:
    runs = len(project.runs())
    done = project.rackbench("run", "--host", "local", "--label", "=1+1")
    assert done.rc == 2, done.said
    assert "lab_label is '=1+1'" in done.said
    assert len(project.runs()) == runs


def test_a_void_execution_is_said_before_anything_else(project: LabProject, slow: Run) -> None:
    void = copy(slow, "20200101T000002Z", lambda _execution, _content: None)
    records = void.journal
    for record in records:
        if record["kind"] == "verdict":
            record["verdict"] = "void" if record["execution"] == "made-up.only.3" else "valid"
    write_journal(void.path, records)
    done = project.rackbench("compare", slow.path, void.path)
    assert done.rc == 0, done.said
    assert done.stdout.startswith(f"{run_id(void)}: void, because something disturbed it: made-up.only.3.")
    assert "(void)" in done.stdout


def test_a_simulated_run_is_not_compared_with_a_real_one(project: LabProject, slow: Run) -> None:
    simulated = copy(slow, "20200101T000003Z", lambda _execution, content: content.update(simulated=True))
    done = project.rackbench("compare", slow.path, simulated.path)
    assert done.rc == 2, done.said
    assert "simulated_and_real" in done.stderr
    done = project.rackbench("export", slow.path, simulated.path, "--json")
    rows = json.loads(done.stdout)["rows"]
    assert [(row["metric"], row["simulated"], row["runs"]) for row in rows] == [
        ("rate", True, [run_id(simulated)]),
        ("rate", False, [run_id(slow)]),
        ("time", True, [run_id(simulated)]),
        ("time", False, [run_id(slow)]),
    ]


def test_what_results_say_commands_no_terminal(project: LabProject, slow: Run) -> None:
    def say(_execution: str, content: dict[str, Any]) -> None:
        content["metrics"][0]["unit"] = "\x1b]0;owned\x07turns\x1b[2J/s\x9b31m"

    first, second = (copy(slow, f"20200101T00000{number}Z", say) for number in (6, 7))
    for form in ((), ("--markdown",)):
        done = project.rackbench("compare", first.path, second.path, *form)
        assert done.rc == 0, done.said
        assert "owned?turns?" in done.stdout
        assert all(sign.isprintable() or sign == "\n" for sign in done.stdout)


def test_damaged_results_are_named_and_do_not_count(project: LabProject, slow: Run) -> None:
    statuses = {"made-up.only.2": "failed", "made-up.only.3": "partial"}
    damaged = copy(
        slow,
        "20200101T000004Z",
        lambda execution, content: content.update(status=statuses.get(execution, "passed")),
    )
    results = sorted(damaged.path.glob("benchmarks/made-up/made-up.only.[0-9]/result.json"))
    results[0].write_text("{")
    found = compared(project, slow, damaged)
    assert [value["n"] for value in found["rows"][0]["values"]] == [6, 4]
    assert [value["status"] for value in found["rows"][0]["values"]] == ["passed", "partial"]
    (remark,) = [remark for remark in found["remarks"] if "without a result that counts" in remark]
    assert "made-up.only.1: benchmarks/made-up/made-up.only.1/result.json" in remark
    assert "made-up.only.2: By its own account it failed." in remark
    for result in results:
        result.write_text("{")
    for verb in (("compare", slow.path, damaged.path), ("export", damaged.path, "--csv")):
        done = project.rackbench(*verb)
        assert done.rc == 2, done.said
        assert "no_results" in done.stderr
        assert done.stdout == ""


@pytest.mark.parametrize("name", ["20200101T000000Z-local", "no/such/directory", "dist"])
def test_what_is_no_run_is_refused(project: LabProject, slow: Run, name: str) -> None:
    done = project.rackbench("compare", slow.path, name)
    assert done.rc == 2, done.said
    assert "not_a_run_directory" in done.stderr


def test_a_run_without_a_journal_is_refused_with_what_helps(project: LabProject, slow: Run) -> None:
    lost = copy(slow, "20200101T000005Z", lambda _execution, _content: None)
    (lost.path / "events.jsonl").unlink()
    done = project.rackbench("export", lost.path, "--csv")
    assert done.rc == 2, done.said
    assert "rackbench recover --run-dir" in done.stderr


def test_a_dry_run_has_no_results_and_the_state_of_its_host(project: LabProject, slow: Run, dry: Run) -> None:
    done = project.rackbench("compare", slow.path, run_id(dry))
    assert done.rc == 2, done.said
    assert "is a dry run" in done.stderr
    assert dry.document("preflight/host_state.json")["facts"]["bmc.firmware"] == "1.75"
    (artifact,) = [
        each
        for each in dry.document("artifact_manifest.json")["artifacts"]
        if each["path"] == "preflight/host_state.json"
    ]
    assert (artifact["kind"], artifact["publishable"]) == ("host_state", False)


def test_an_export_puts_together_what_belongs_together(
    project: LabProject, slow: Run, fast: Run, tuned: Run
) -> None:
    done = project.rackbench("export", slow.path, fast.path, tuned.path, "--csv")
    assert done.rc == 0, done.said
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [(row["metric"], row["label"], row["n"], row["n_of"], row["interval"]) for row in rows] == [
        ("rate", "", "12", "executions", "95%"),
        ("rate", "tuned", "1", "samples", "not available"),
        ("time", "", "12", "executions", "95%"),
        ("time", "tuned", "1", "samples", "not available"),
    ]
    assert (rows[0]["median"], rows[0]["low"], rows[0]["high"]) == ("17.5", "12.0", "23.0")
    assert rows[0]["unit"] == "'=turns/s"
    assert json.loads(rows[0]["labels"]) == {"cpu": "@0|1"}
    assert rows[0]["runs"] == f"{run_id(fast)} {run_id(slow)}"
    assert "are not put together: label: none -> tuned; state bmc.firmware: 1.72 -> 1.74" in done.stderr


def test_an_export_has_the_same_bytes_each_time_and_in_each_order(
    project: LabProject, slow: Run, fast: Run, tuned: Run
) -> None:
    for form in ("--csv", "--markdown", "--json"):
        given = [slow.path, run_id(tuned), fast.path]
        texts = {project.rackbench("export", *order, form).stdout for order in (given, given, given[::-1])}
        (text,) = texts
        assert str(project.root) not in text
        assert "tuned" in text


def test_hosts_diff_shows_what_changed_since_the_run_before(
    project: LabProject, slow: Run, fast: Run, dry: Run
) -> None:
    done = project.rackbench("hosts", "diff", "local", "--json")
    assert done.rc == 1, done.said
    found = json.loads(done.stdout)
    assert found["after"] == run_id(dry)
    assert found["differences"] == [
        {
            "name": "bmc.firmware",
            "before": "1.74",
            "after": "1.75",
            "before_reason": None,
            "after_reason": None,
        }
    ]
    done = project.rackbench("hosts", "diff", "local", "--from", run_id(slow), "--to", dry.path)
    assert done.rc == 1, done.said
    assert done.stdout.splitlines()[-1].split() == ["bmc.firmware", "1.72", "1.75"]
    done = project.rackbench("hosts", "diff", "local", "--from", slow.path, "--to", fast.path)
    assert done.rc == 0, done.said
    assert "Nothing changed." in done.stdout


def test_hosts_diff_refuses_runs_of_another_host_and_hosts_without_runs(
    project: LabProject, slow: Run, fast: Run
) -> None:
    done = project.rackbench("hosts", "diff", "thor", "--from", slow.path, "--to", fast.path)
    assert done.rc == 2, done.said
    assert "is a run of local and not of thor" in done.stderr
    done = project.rackbench("hosts", "diff", "thor")
    assert done.rc == 2, done.said
    assert "no_host_state" in done.stderr
