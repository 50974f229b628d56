# SPDX-License-Identifier: Apache-2.0
"""The workflow perf-rebaseline against turind8, whose jump box wants the password that is a secret of the workflow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.integration import wheel, workflows
from tests.lab.at_work import check_left_behind, make_lab_project
from tests.standins.github import GithubStandin

if TYPE_CHECKING:
    from typing import Any

    from tests.integration.harness import LabProject
    from tests.lab.conftest import LabControl

pytestmark = pytest.mark.full

SETTINGS = {"REFERENCE_TARGET": "turind8", "BASELINE": wheel.BASELINE, "TEMPLATE": wheel.TEMPLATE}


@dataclass
class Story:
    """Two rebaselines, the first one merged before the second, and the gate's comparison of the second."""

    project: LabProject
    password: str
    scaffold: str
    proposed: str
    branches: list[str]
    pulls: list[dict[str, Any]]
    first: workflows.Ran
    again: workflows.Ran
    compared: workflows.Ran


@pytest.fixture(scope="module")
def story(lab: LabControl, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Run the shell steps, with a bare remote and a stand-in for GitHub."""
    folder = tmp_path_factory.mktemp("rebaseline")
    project = make_lab_project(folder)
    path = project.root / "inventories/lab/lab.yml"
    document = yaml.safe_load(path.read_text())
    document["auth_refs"]["thor-password"] = {"type": "password_env", "variable": "JUMP_PASSWORD"}
    path.write_text(yaml.safe_dump(document))
    remote = wheel.make_repository(project)
    scaffold = (project.root / wheel.BASELINE).read_text()
    password = (lab.secrets / "thor.pw").read_text()
    rebaseline, regression = workflows.read(workflows.REBASELINE), workflows.read(workflows.REGRESSION)
    repositories = {workflows.REPOSITORY: remote}
    with GithubStandin(folder / "pulls.json", repositories, token=workflows.TOKEN) as github:
        runner = workflows.runner(project, github, folder, password=password, **SETTINGS)
        first = runner.run(rebaseline, "81")
        assert first.rc == 0, first.said
        wheel.git(project, "push", "--quiet", "origin", "HEAD:main")
        again = runner.run(rebaseline, "82")
        compared = runner.run(regression, "83", only="Compare", temp=again.temp)
        branches = wheel.git(project, "--git-dir", remote, "branch", "--format", "%(refname:short)").split()
        proposed = wheel.git(project, "show", f"HEAD:{wheel.BASELINE}")
        return Story(project, password, scaffold, proposed, branches, github.pulls, first, again, compared)


def test_the_numbers_of_the_host_behind_the_jump_box_are_proposed_and_nothing_else_moves(
    story: Story,
) -> None:
    (pull,) = story.pulls
    assert (pull["title"], pull["head"]["ref"]) == ("perf: rebaseline", "perf/rebaseline-81")
    assert wheel.SCENARIO in pull["body"]
    wheel.numbers_moved(story.scaffold, story.proposed)
    for run in story.project.runs("turind8"):
        check_left_behind(story.project, run.path)


def test_the_same_results_again_open_nothing(story: Story) -> None:
    assert story.again.rc == 0, story.again.said
    assert "nothing to propose" in story.again.summary
    assert story.branches == ["main", "perf/rebaseline-81"]


def test_the_gate_compares_with_what_was_merged(story: Story) -> None:
    assert story.compared.rc == 0, story.compared.said
    assert "scaffold (would pass)" in story.compared.summary


def test_the_password_of_the_jump_box_is_in_nothing_that_goes_to_github(story: Story) -> None:
    assert len(story.password) >= 10
    for ran in (story.first, story.again, story.compared):
        for path in ran.temp.iterdir():
            assert story.password not in path.read_text(), path
        assert story.password not in ran.said + ran.summary
    assert story.password not in story.proposed + str(story.pulls)
