# SPDX-License-Identifier: Apache-2.0
"""Families that follow from settings and from the host's topology: planned, listed with reasons, and executed."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration import made_up
from tests.integration.harness import make_project

if TYPE_CHECKING:
    from tests.integration.harness import LabProject, Run

pytestmark = pytest.mark.full

USABLE = sorted(os.sched_getaffinity(0))
AGENTS = {
    "profiles": [
        {"name": "v1-core", "summary": "Usual.", "time_limit_s": 300},
        {"name": "v1-more", "summary": "More.", "time_limit_s": 300, "parameters": {"more": True}},
    ],
    "defaults": {"profile": "v1-core"},
}
SUPPLEMENTAL = [
    "p-core",
    "socket-local",
    {"label": "more", "profile": "v1-more"},
    {"label": "pinned", "cpu_pool": str(USABLE[0]), "profile": "v1-more"},
    {"label": "matrix", "splits": [{"agents": 1, "cpus_each": 2}, {"agents": 512, "cpus_each": 512}]},
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> LabProject:
    """A checkout with a benchmark that runs agents, and one that does not."""
    made = make_project(tmp_path_factory.mktemp("families"))
    nothing: dict[str, Any] = {"families": [], "default_families": []}
    made_up.add(made, schema="rackbench.adapter/1.1", agents=AGENTS, **nothing)
    made_up.add(made, families=[made_up.family()], name="plain")
    return made


@pytest.fixture(scope="module")
def alone(project: LabProject) -> Run:
    """A run of the official families."""
    done = project.rackbench("run", "--host", "local", "--benchmarks", "made-up")
    assert done.rc == 0, done.said
    return project.runs()[-1]


@pytest.fixture(scope="module")
def beside(alone: Run, project: LabProject) -> Run:
    """A run with supplements beside the official families."""
    settings = {"lab_settings": {"made-up": {"supplemental": SUPPLEMENTAL}}}
    done = project.playbook("-e", "lab_benchmarks=made-up", "-e", json.dumps(settings))
    assert done.rc == 0, done.said
    return project.runs()[-1]


def jobs(run: Run) -> dict[str, Any]:
    """Return the job.json of each execution of a run, by its family."""
    found = [json.loads(path.read_text()) for path in run.path.glob("benchmarks/made-up/*/job.json")]
    return {job["family"]: job for job in found}


def job_bytes(run: Run, family: str) -> bytes:
    """Return a job.json without the id of its run."""
    text = (run.path / f"benchmarks/made-up/made-up.{family}.1/job.json").read_bytes()
    return text.replace(str(run.document("run_manifest.json")["run_id"]).encode(), b"RUN")


def test_the_official_families_get_the_cpus_of_this_machine(alone: Run) -> None:
    found = jobs(alone)
    assert set(found) == {"official-single", "official-multi"}
    multi = found["official-multi"]
    assert multi["schema"] == "rackbench.job/1.1"
    assert (multi["cpus"], multi["groups"]) == (USABLE, [[cpu] for cpu in USABLE])
    assert multi["parameters"] == {"profile": "v1-core", "mode": "multi", "label": "official"}
    assert found["official-single"]["groups"] == [USABLE[:1]]


@pytest.mark.parametrize("family", ["official-single", "official-multi"])
def test_supplements_leave_the_job_of_an_official_family_as_it_is_to_the_byte(
    alone: Run, beside: Run, family: str
) -> None:
    assert job_bytes(alone, family) == job_bytes(beside, family)


@pytest.mark.skipif(len(USABLE) < 2, reason="one agent on two CPUs needs two CPUs")
def test_each_supplement_has_a_single_and_a_multi_family_with_its_label(beside: Run) -> None:
    found = jobs(beside)
    for label in ("more", "pinned"):
        for mode in ("single", "multi"):
            parameters = found[f"{label}-{mode}"]["parameters"]
            assert (parameters["label"], parameters["mode"]) == (label, mode)
            assert parameters["profile"] == "v1-more"
    assert found["pinned-multi"]["groups"] == [USABLE[:1]]
    assert found["matrix-multi-1x2"]["groups"] == [USABLE[:2]]


def test_families_that_the_host_cannot_run_are_listed_with_the_reason(beside: Run) -> None:
    told = beside.document("preflight/summary.json")["unavailable_families"]["made-up"]
    codes = {each["family"]: each["code"] for each in told}
    assert codes["matrix-multi-512x512"] == "cpu_split_impossible"
    assert all(each["reason"] for each in told)
    assert beside.document("run_manifest.json")["unavailable_families"]["made-up"] == told
    planned = {
        each["family"] for each in beside.document("preflight/summary.json")["planned_families"]["made-up"]
    }
    assert planned == set(jobs(beside))
    assert not planned & set(codes)
    assert "cannot run" in (beside.path / "preflight/summary.md").read_text()


def test_a_dry_run_and_a_validation_tell_the_same_families(project: LabProject, beside: Run) -> None:
    settings = json.dumps({"lab_settings": {"made-up": {"supplemental": SUPPLEMENTAL}}})
    done = project.playbook("--check", "-e", "lab_benchmarks=made-up", "-e", settings)
    assert done.rc == 0, done.said
    dry = max(project.root.glob("automation-runs/dry-runs/local/*"))
    live = beside.document("preflight/summary.json")
    foreseen = json.loads((dry / "preflight/summary.json").read_text())
    for name in ("planned_families", "unavailable_families"):
        assert foreseen[name] == live[name]


def test_a_pool_that_the_host_does_not_have_costs_the_other_benchmarks_nothing(project: LabProject) -> None:
    done = project.rackbench(
        "run", "--host", "local", "--benchmarks", "made-up,plain", "--set", "made-up.cpu_pool=0-4095"
    )
    assert done.rc == 1, done.said
    run = project.runs()[-1]
    steps = {step["step_id"]: step for step in run.status["steps"]}
    # It is not even staged.
    assert steps["made-up.stage"]["code"] == "families_impossible"
    assert "official-multi" in steps["made-up.stage"]["reason"]
    assert {steps[f"made-up.{phase}"]["state"] for phase in ("stage", "execute", "collect")} == {"skipped"}
    assert steps["plain.collect"]["state"] == "completed"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("made-up.cpu_pool=3-1", "lab_settings.made-up.cpu_pool"),
        ("made-up.profile=v9", "has no profile 'v9'"),
        ("made-up.poool=all", "Did you mean cpu_pool"),
        ("nobody.cpu_pool=all", "which is no benchmark"),
        ("plain", "sets nothing"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_before_the_host_is_touched(
    project: LabProject, change: str, said: str
) -> None:
    before = len(project.runs())
    done = project.rackbench("run", "--host", "local", "--benchmarks", "made-up", "--set", change)
    assert done.rc == 2, done.said
    assert said in " ".join(done.said.split())
    assert len(project.runs()) == before
