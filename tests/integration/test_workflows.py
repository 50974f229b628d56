# SPDX-License-Identifier: Apache-2.0
"""The two workflows of the gate: their shell steps in order, with real git and gh, against a stand-in for GitHub."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from tests.integration import wheel, workflows
from tests.integration.harness import Done, LabProject, make_project
from tests.integration.workflows import REBASELINE, REGRESSION, REPOSITORY, TOKEN
from tests.standins.github import GithubStandin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.full

PLAYED = ("-e", f"lab_baseline={wheel.BASELINE}", "-e", f"lab_template={wheel.TEMPLATE}")
SETTINGS = {"REFERENCE_TARGET": "local", "BASELINE": wheel.BASELINE, "TEMPLATE": wheel.TEMPLATE}


@dataclass
class Story:
    """What happened to one repository, in this order; and the gate's comparison without pipefail."""

    project: LabProject
    remote: Path
    github: GithubStandin
    scaffold: str
    played: Done
    played_text: str
    first: workflows.Ran
    again: workflows.Ran
    lost: workflows.Ran
    same: workflows.Ran
    slow: workflows.Ran
    unguarded: workflows.Ran

    def in_remote(self, *arguments: str) -> str:
        """Run git in the remote and return what it prints."""
        return wheel.git(self.project, "--git-dir", self.remote, *arguments)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Rebaseline, merge, rebaseline again, with a broken benchmark too; then arm and compare twice."""
    folder = tmp_path_factory.mktemp("workflows")
    project = make_project(folder)
    slower = folder / "slower"
    remote = wheel.make_repository(project, slower=str(slower))
    scaffold = (project.root / wheel.BASELINE).read_text()
    played = project.command("ansible-playbook", "playbooks/rebaseline.yml", "-l", "local", *PLAYED)
    played_text = (project.root / wheel.BASELINE).read_text()
    wheel.git(project, "checkout", "--quiet", "--", wheel.BASELINE)
    rebaseline, regression = workflows.read(REBASELINE), workflows.read(REGRESSION)
    with GithubStandin(folder / "pulls.json", {REPOSITORY: remote}, token=TOKEN) as github:
        checkout = workflows.runner(project, github, folder, **SETTINGS)
        first = checkout.run(rebaseline, "71")
        assert first.rc == 0, first.said
        wheel.git(project, "push", "--quiet", "origin", "HEAD:main")
        again = checkout.run(rebaseline, "72")
        lost = replace(checkout, changes={**SETTINGS, "REFERENCE_TARGET": "nowhere"}).run(rebaseline, "73")
        armed = project.rackbench(
            "baseline", "arm", "--baseline", wheel.BASELINE, "--by", "Ada", "--reason", "The spread is small."
        )
        assert armed.rc == 0, armed.said
        same = checkout.run(regression, "74", only="Compare", temp=again.temp)
        slower.write_text("2")
        slow = checkout.run(regression, "75")
        # Whoever leaves `shell: bash` out gets bash without pipefail. It need not be measured once more for that.
        compare = workflows.step_of(regression, "Compare")
        compare["run"] = compare["run"].replace("--confirm", "")
        unguarded = {"env": regression["env"], "jobs": {"gate": {"steps": [compare]}}}
        passed = checkout.run(unguarded, "76", only="Compare", temp=slow.temp)
        yield Story(
            project, remote, github, scaffold, played, played_text, first, again, lost, same, slow, passed
        )


def without_origin(text: str) -> str:
    """Return a baseline's text without the lines that say where its numbers come from."""
    return re.sub(r'\n *"_generated_by": \{.*?\},', "", re.sub(r'\n *"_generated_at": .*', "", text))


def test_the_playbook_puts_the_same_numbers_into_the_baseline_as_the_workflow(story: Story) -> None:
    assert story.played.rc == 0, story.played.said
    proposed = story.in_remote("show", f"perf/rebaseline-71:{wheel.BASELINE}")
    assert without_origin(story.played_text) == without_origin(proposed)
    assert "TODO" not in proposed


@pytest.mark.parametrize(
    "asked", [("-l", "local"), ("-l", "local,turind8", *PLAYED)], ids=["no baseline", "two hosts"]
)
def test_the_playbook_measures_nothing_for(project: LabProject, asked: tuple[str, ...]) -> None:
    done = project.command("ansible-playbook", "playbooks/rebaseline.yml", *asked)
    assert done.rc == 2
    assert "lab_baseline=FILE" in done.said
    assert not list(project.root.glob("automation-runs/*"))


def test_a_rebaseline_opens_a_pull_request_from_a_branch_with_the_runs_id(story: Story) -> None:
    assert list(story.first.steps) == [
        step["name"] for step in workflows.job_of(workflows.read(REBASELINE))["steps"] if "run" in step
    ]
    (pull,) = story.github.pulls
    assert pull["title"] == "perf: rebaseline"
    assert pull["head"]["ref"] == "perf/rebaseline-71"
    assert pull["base"]["ref"] == "main"
    assert pull["head"]["sha"] == story.in_remote("rev-parse", "perf/rebaseline-71").strip()
    assert f"/{REPOSITORY}/pull/{pull['number']}" in story.first.summary


def test_the_difference_is_numbers_and_where_they_come_from_and_nothing_else(story: Story) -> None:
    names = story.in_remote("diff", "--name-only", "perf/rebaseline-71~", "perf/rebaseline-71").split()
    assert names == [wheel.BASELINE]
    proposed = story.in_remote("show", f"perf/rebaseline-71:{wheel.BASELINE}")
    wheel.numbers_moved(story.scaffold, proposed)
    made_by = json.loads(proposed)["_generated_by"]
    assert made_by["commit"] == story.in_remote("rev-parse", "perf/rebaseline-71~").strip()


def test_the_pull_request_tells_numbers_spread_and_the_verdict_of_an_armed_gate(story: Story) -> None:
    (pull,) = story.github.pulls
    body = pull["body"]
    assert wheel.SCENARIO in body
    assert f"https://{story.github.host}/{REPOSITORY}/actions/runs/71" in body
    row = next(line for line in body.splitlines() if line.startswith("| made"))
    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        "made-up:only turn_time", "PLACEHOLDER", "us", "-", "104.5", "109", "109", "-", "9569", "40", "4.8%",
    ]  # fmt: skip
    assert "with the baseline so far: failed: 1 PLACEHOLDER" in body
    assert "once these numbers are the baseline: passed" in body


def test_the_same_results_again_open_nothing(story: Story) -> None:
    assert story.again.rc == 0, story.again.said
    assert "nothing to propose" in story.again.summary
    assert len(story.github.pulls) == 1
    branches = story.in_remote("branch", "--format", "%(refname:short)").split()
    assert branches == ["main", "perf/rebaseline-71"]


def test_a_measurement_that_fails_fails_its_step_through_the_pipe_and_proposes_nothing(story: Story) -> None:
    assert list(story.lost.steps) == ["Set up", "Measure"]
    assert story.lost.rc != 0, story.lost.said
    assert "nowhere" in (story.lost.temp / "console.log").read_text()
    assert len(story.github.pulls) == 1


def test_the_gate_lets_the_same_speed_pass(story: Story) -> None:
    assert story.same.rc == 0, story.same.said
    assert wheel.SCENARIO in story.same.summary


def test_a_comparison_that_fails_fails_its_step_through_the_pipe(story: Story) -> None:
    assert list(story.slow.steps)[-1] == "Compare"
    assert story.slow.rc == 1, story.slow.said
    assert "REGRESSED" in story.slow.summary
    assert "Run again" in story.slow.summary


def test_the_console_log_holds_the_comparison_and_what_it_said_while_it_confirmed(story: Story) -> None:
    log = (story.slow.temp / "console.log").read_text()
    assert "to confirm what regressed" in log
    assert "to confirm what regressed" not in story.slow.summary
    assert story.slow.summary in log


def test_without_pipefail_the_same_step_would_pass(story: Story) -> None:
    assert "| tee" in re.sub(r"\s+", " ", workflows.step_of(workflows.read(REGRESSION), "Compare")["run"])
    assert story.unguarded.rc == 0
    assert "REGRESSED" in story.unguarded.summary


@pytest.fixture
def merged(tmp_path: Path) -> workflows.Checkout:
    """Return a clone with a baseline and other files, on main, that is as if a pull request to main were merged."""
    root = tmp_path / "checkout"
    for name in (
        wheel.BASELINE,
        "baselines/baseline.audit.jsonl",
        "templates/wheel.yml",
        ".github/CODEOWNERS",
        "a.py",
    ):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("as it was\n")
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GITHUB_BASE_REF": "main"}
    checkout = workflows.Checkout(root, tmp_path, environment, changes=SETTINGS)
    in_checkout(checkout, "init", "--quiet", "--initial-branch", "main")
    commit(checkout)
    in_checkout(checkout, "checkout", "--quiet", "-b", "change")
    return checkout


def in_checkout(checkout: workflows.Checkout, *arguments: str) -> None:
    """Run git in a clone."""
    subprocess.run([*wheel.GIT, *arguments], cwd=checkout.root, env=dict(checkout.environment), check=True)


def commit(checkout: workflows.Checkout) -> None:
    """Commit everything in a clone."""
    in_checkout(checkout, "add", "--all")
    in_checkout(checkout, "commit", "--quiet", "--allow-empty", "--message", "A change")


def told_of(checkout: workflows.Checkout, *changed: str) -> workflows.Ran:
    """Return what the step says of a pull request that changes files, while main has gone on."""
    for name in changed:
        (checkout.root / name).write_text("changed\n")
    commit(checkout)
    in_checkout(checkout, "checkout", "--quiet", "main")
    (checkout.root / "templates/wheel.yml").write_text("changed on main\n")
    commit(checkout)
    in_checkout(checkout, "merge", "--quiet", "--no-ff", "--message", "Merge", "change")
    return checkout.run(workflows.read(REGRESSION), "81", only="Tell what it changes of the gate")


@pytest.mark.parametrize("name", [wheel.BASELINE, "baselines/baseline.audit.jsonl", ".github/CODEOWNERS"])
def test_the_summary_tells_of_a_pull_request_that_changes_its_own_gate(
    merged: workflows.Checkout, name: str
) -> None:
    ran = told_of(merged, name, "a.py")
    assert ran.rc == 0, ran.said
    assert "changes the gate" in ran.summary
    assert name in ran.summary
    assert "a.py" not in ran.summary
    assert "wheel.yml" not in ran.summary


def test_the_summary_is_silent_of_a_pull_request_that_leaves_the_gate_alone(
    merged: workflows.Checkout,
) -> None:
    ran = told_of(merged, "a.py")
    assert ran.rc == 0, ran.said
    assert ran.summary == ""


def test_no_secret_is_in_what_the_steps_print(story: Story) -> None:
    for ran in (story.first, story.again, story.lost, story.same, story.slow):
        assert TOKEN not in ran.said + ran.summary
