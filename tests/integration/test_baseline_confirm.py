# SPDX-License-Identifier: Apache-2.0
"""`rackbench baseline compare --confirm`: what regressed runs again on its host, and only what is slow again fails."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration import made_up
from tests.integration.harness import LabProject, make_project

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.full

GOOD = [40.0, 44.0, 42.0, 41.0, 43.0, 42.0, 40.0, 44.0]
SLOW = [rate / 2 for rate in GOOD]
SCENARIO = {"unit": "turns/s", "direction": "higher", "ips": 42.0, "samples": GOOD}
FAMILIES = ("slow", "hiccup", "calm")
PROGRAM = made_up.PROGRAM.replace(
    "[40.0, 44.0, 42.0]", 'json.loads(pathlib.Path(job["parameters"]["rates"]).read_text())', 1
)


def name(family: str) -> str:
    """Return what the scenario of a family is called."""
    return f"made-up:{family} turn_rate (family {family})"


def write_baseline(project: LabProject, scenarios: dict[str, Any]) -> None:
    """Write an armed baseline."""
    document = {"_schema_version": "1.0.0", "_status": "active", "scenarios": scenarios}
    (project.root / "baseline.json").write_text(json.dumps(document))


@pytest.fixture
def project(tmp_path: Path) -> LabProject:
    """A checkout with a run in which two of three families were slow, and an armed baseline that was taken before."""
    project = make_project(tmp_path)
    rates = {family: tmp_path / f"{family}.json" for family in FAMILIES}
    for family, path in rates.items():
        path.write_text(json.dumps(GOOD if family == "calm" else SLOW))
    families = [made_up.family(family, rates=str(path)) for family, path in rates.items()]
    made_up.add(project, families=families, program=PROGRAM)
    done = project.rackbench("run", "--host", "local", "--benchmarks", "made-up")
    assert done.rc == 0, done.said
    write_baseline(project, {name(family): SCENARIO for family in FAMILIES})
    # What made one of them slow has passed.
    rates["hiccup"].write_text(json.dumps(GOOD))
    return project


def compared(project: LabProject, results: str | Path, *options: str) -> tuple[int, Any, list[str]]:
    """Return the exit status of the gate, its rows by name, and its remarks."""
    command = ("baseline", "compare", "--baseline", "baseline.json", "--results", results, "--json")
    done = project.rackbench(*command, *options)
    document = json.loads(done.stdout)
    return done.rc, {row["name"]: row for row in document["rows"]}, document["remarks"]


def test_only_what_is_slow_both_times_fails_and_what_cannot_be_run_again_stands(project: LabProject) -> None:
    first = project.run()
    rc, rows, _ = compared(project, first.path)
    assert rc == 1
    assert {row["name"]: row["status"] for row in rows.values()} == {
        name("slow"): "REGRESSED",
        name("hiccup"): "REGRESSED",
        name("calm"): "ok",
    }
    assert len(project.runs()) == 1

    rc, rows, _ = compared(project, first.path, "--confirm")
    assert rc == 1
    again = project.runs()[-1]
    (opened,) = again.records("run.opened")
    assert opened["rerun_of"] == first.records("run.opened")[0]["run_id"]
    assert {entry["family"] for entry in opened["executions"]["made-up"]} == {"slow", "hiccup"}
    assert (rows[name("slow")]["status"], rows[name("slow")]["again"]["status"]) == ("REGRESSED", "REGRESSED")
    assert (rows[name("hiccup")]["status"], rows[name("hiccup")]["again"]["status"]) == ("NOISY", "ok")
    assert (rows[name("calm")]["status"], rows[name("calm")]["again"]) == ("ok", None)

    # Nothing that the baseline has regressed in the second run but what was slow: without suspects nothing runs.
    scenarios = {name(family): SCENARIO for family in ("hiccup", "calm")}
    write_baseline(project, scenarios)
    runs = len(project.runs())
    _, rows, _ = compared(project, again.path, "--confirm")
    assert rows[name("hiccup")]["status"] == "ok"
    assert len(project.runs()) == runs

    # A results file tells its run as well; and what cannot be run again stands.
    (project.root.parent / "hiccup.json").unlink()
    collected = {
        "schema": "rackbench.baseline-results/1.0",
        "generated_at": "2026-11-21T08:00:00.000Z",
        "host": "local",
        "run_id": first.records("run.opened")[0]["run_id"],
        "commit": None,
        "fingerprint": None,
        "scenarios": [
            {"name": each, "unit": "turns/s", "direction": "higher", "samples": SLOW} for each in scenarios
        ],
    }
    collected["scenarios"][1]["samples"] = GOOD
    (project.root / "results.json").write_text(json.dumps(collected))
    rc, rows, remarks = compared(project, "results.json", "--confirm")
    assert rc == 1
    assert len(project.runs()) == runs + 1
    assert (rows[name("hiccup")]["status"], rows[name("hiccup")]["again"]) == ("REGRESSED", None)
    assert any("could not be confirmed, so it stands" in remark for remark in remarks), remarks
