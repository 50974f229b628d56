# SPDX-License-Identifier: Apache-2.0
"""The workflows of a corpus that `rackbench corpus init` began: their shell steps, with real git and gh."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.integration import workflows
from tests.integration.harness import LabProject
from tests.integration.workflows import REPOSITORY, TOKEN
from tests.standins.github import GithubStandin
from tests.unit.corpus.samples import another, with_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BRANCH = "published-results"
BUNDLES = "results-data/bundles"
ACTION = "github.event.action"
HAS_LABEL = "contains(github.event.pull_request.labels.*.name, 'new-surface')"
OWNER = REPOSITORY.split("/", maxsplit=1)[0]


def of_template(project: LabProject, name: str, job: str) -> dict[str, Any]:
    """Return a workflow of the corpus with one of its jobs only."""
    document: dict[str, Any] = yaml.safe_load((project.root / f".github/workflows/{name}.yml").read_text())
    return {**document, "jobs": {job: document["jobs"][job]}}


def git(project: LabProject, *arguments: str) -> None:
    """Run git in the corpus."""
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    done = project.command("git", *who, *arguments)
    assert done.rc == 0, done.said


def commit(project: LabProject, *, inventory: bool = True) -> None:
    """Commit everything, with an inventory that fits unless one says otherwise."""
    if inventory:
        done = project.rackbench("corpus", "inventory", "--write", "results-data")
        assert done.rc == 0, done.said
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "results")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> LabProject:
    """A corpus in git, with results of three platforms."""
    folder = tmp_path_factory.mktemp("corpus")
    home = folder / "home"
    home.mkdir()
    project = LabProject(folder, home, environment={"XDG_CACHE_HOME": str(folder / "cache")})
    assert project.rackbench("corpus", "init", "corpus").rc == 0
    project = replace(project, root=folder / "corpus")
    git(project, "init", "--quiet", "--initial-branch", BRANCH)
    for number, platform in enumerate(("DuckDB", "SQLite", "DataFusion")):
        with_manifest(another(number, project.root / BUNDLES, platform))
    commit(project)
    return project


@pytest.fixture
def proposed(corpus: LabProject) -> Iterator[LabProject]:
    """The corpus on the branch of a pull request."""
    git(corpus, "switch", "--quiet", "--create", "proposed", BRANCH)
    yield corpus
    git(corpus, "switch", "--quiet", "--discard-changes", BRANCH)
    git(corpus, "branch", "--quiet", "--delete", "--force", "proposed")


def validated(
    project: LabProject,
    tmp_path: Path,
    *,
    new_surface: bool = False,
    action: str = "synchronize",
    pipefail: bool = True,
) -> workflows.Ran:
    """Run the step `Validate` on the merge of the proposed branch, as GitHub checks it out."""
    git(project, "switch", "--quiet", "--detach", BRANCH)
    git(project, "merge", "--quiet", "--no-ff", "--message", "merge", "proposed")
    workflow = of_template(project, "validate-submission", "validate")
    if not pipefail:
        del workflow["defaults"]
    checkout = workflows.Checkout(
        project.root,
        tmp_path,
        project.environ(),
        {ACTION: action, HAS_LABEL: str(new_surface).lower()},
    )
    return checkout.run(workflow, "1", only="Validate")


def labels(ran: workflows.Ran) -> set[str]:
    """Return what the step wants of the labels."""
    return set((ran.temp / "result/labels").read_text().split())


def comment(ran: workflows.Ran) -> str:
    """Return the comment for the pull request."""
    return (ran.temp / "result/comment.md").read_text()


def test_a_good_submission_passes(proposed: LabProject, tmp_path: Path) -> None:
    bundle = another(9, proposed.root / BUNDLES, "ClickHouse")
    with_manifest(bundle)
    commit(proposed)
    ran = validated(proposed, tmp_path)
    assert ran.rc == 0, ran.said
    assert "passed" in comment(ran)
    assert bundle.name in comment(ran)
    assert "sqlite" not in comment(ran).lower(), "the comment is on what the pull request brings"
    assert labels(ran) == {"-waiting-for-contributor", "-unknown-name"}
    assert ran.summary == comment(ran)


def changed_after_packaging(project: LabProject) -> None:
    """Propose a bundle whose manifest has the hash of other bytes."""
    bundle = another(9, project.root / BUNDLES, "ClickHouse")
    with_manifest(bundle)
    bundle.write_text(bundle.read_text() + "\n")
    commit(project)


def test_a_failing_bundle_fails_the_step_through_the_pipe(proposed: LabProject, tmp_path: Path) -> None:
    changed_after_packaging(proposed)
    ran = validated(proposed, tmp_path)
    assert ran.rc == 1, ran.said
    assert "hash_mismatch" in comment(ran)
    assert labels(ran) == {"+waiting-for-contributor", "-unknown-name"}


def test_without_pipefail_the_same_step_would_pass(proposed: LabProject, tmp_path: Path) -> None:
    changed_after_packaging(proposed)
    ran = validated(proposed, tmp_path, pipefail=False)
    assert ran.rc == 0, ran.said
    assert "hash_mismatch" in comment(ran)


def test_an_unknown_platform_stays_red_until_a_maintainer_sets_the_label(
    proposed: LabProject, tmp_path: Path
) -> None:
    with_manifest(another(9, proposed.root / BUNDLES, "QuantumDB"))
    commit(proposed)
    ran = validated(proposed, tmp_path)
    assert ran.rc == 1, ran.said
    assert "`new-surface`" in comment(ran)
    assert labels(ran) == {"-waiting-for-contributor", "+unknown-name"}, "it waits for a maintainer"
    (tmp_path / "again").mkdir()
    again = validated(proposed, tmp_path / "again", new_surface=True, action="labeled")
    assert again.rc == 0, again.said
    assert labels(again) == {"+unknown-name"}


def test_a_manifest_that_is_taken_away_fails(proposed: LabProject, tmp_path: Path) -> None:
    next((proposed.root / BUNDLES).glob("*.manifest.json")).unlink()
    commit(proposed)
    ran = validated(proposed, tmp_path)
    assert ran.rc == 1, ran.said
    assert "manifest_missing" in comment(ran)


def test_an_inventory_that_was_forgotten_fails_though_the_bundle_is_good(
    proposed: LabProject, tmp_path: Path
) -> None:
    with_manifest(another(9, proposed.root / BUNDLES, "ClickHouse"))
    commit(proposed, inventory=False)
    ran = validated(proposed, tmp_path)
    assert ran.rc == 1, ran.said
    assert "inventory_drift" in comment(ran)


def test_a_change_without_results_is_checked_too(proposed: LabProject, tmp_path: Path) -> None:
    (proposed.root / "README.md").write_text("Hello\n")
    commit(proposed)
    ran = validated(proposed, tmp_path)
    assert ran.rc == 0, ran.said
    assert "brings no results" in comment(ran)


@pytest.fixture
def github(tmp_path: Path) -> Iterator[GithubStandin]:
    """A stand-in for GitHub with one pull request, number 1."""
    with GithubStandin(tmp_path / "pulls.json", {REPOSITORY: None}, token=TOKEN) as github:
        github.create_pull(REPOSITORY, {"title": "t", "head": "submit-1", "base": BRANCH}, github.host)
        yield github


def commented(
    corpus: LabProject, github: GithubStandin, tmp_path: Path, said: str, wanted: str, sha: str = "0" * 40
) -> workflows.Ran:
    """Run the steps of the workflow that comments, after a validation that left these two files."""
    event = "github.event.workflow_run.head"
    checkout = workflows.runner(corpus, github, tmp_path)
    checkout = replace(
        checkout,
        values={
            **checkout.values,
            f"{event}_repository.owner.login": OWNER,
            f"{event}_branch": "submit-1",
            f"{event}_sha": sha,
        },
    )
    temp = tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
    (temp / "result").mkdir(parents=True)
    (temp / "result/comment.md").write_text(said)
    (temp / "result/labels").write_text(wanted)
    return checkout.run(of_template(corpus, "comment-on-submission", "comment"), "2", temp=temp)


def test_one_comment_is_written_and_kept_up_to_date(
    corpus: LabProject, github: GithubStandin, tmp_path: Path
) -> None:
    github.issues.comment(1, "<!-- validate-submission --> mine", "somebody")
    for said in ("failed", "passed"):
        ran = commented(corpus, github, tmp_path, said, "")
        assert ran.rc == 0, ran.said
    assert [(each["user"]["login"], each["body"]) for each in github.issues.comments[1]] == [
        ("somebody", "<!-- validate-submission --> mine"),
        ("github-actions[bot]", "<!-- validate-submission -->\npassed"),
    ]


def test_labels_come_and_go_and_the_decision_of_a_maintainer_is_not_taken_here(
    corpus: LabProject, github: GithubStandin, tmp_path: Path
) -> None:
    wanted = "+unknown-name\n+waiting-for-contributor\n+new-surface\n"
    assert commented(corpus, github, tmp_path, "c", wanted).rc == 0
    assert github.issues.labels[1] == ["unknown-name", "waiting-for-contributor"]
    wanted = "-unknown-name\n-new-surface\n"
    github.issues.labels[1].append("new-surface")
    for _time in range(2):
        assert commented(corpus, github, tmp_path, "c", wanted).rc == 0
        assert github.issues.labels[1] == ["waiting-for-contributor", "new-surface"]


def test_a_comment_that_is_too_long_is_cut_also_in_the_middle_of_a_character(
    corpus: LabProject, github: GithubStandin, tmp_path: Path
) -> None:
    ran = commented(corpus, github, tmp_path, "x" + "ü" * 70_000, "")
    assert ran.rc == 0, ran.said
    (only,) = github.issues.comments[1]
    assert only["body"] == "<!-- validate-submission -->\nx" + "ü" * 29_999 + "\N{REPLACEMENT CHARACTER}"


def test_a_result_of_an_older_push_is_told_to_nobody(
    corpus: LabProject, github: GithubStandin, tmp_path: Path
) -> None:
    ran = commented(corpus, github, tmp_path, "old", "+unknown-name\n", sha="1" * 40)
    assert ran.rc == 0, ran.said
    assert list(ran.steps) == ["Find the pull request"]
    assert github.issues.comments == {}


@pytest.mark.parametrize(
    ("event", "status", "needed"),
    [
        ("workflow_dispatch", "in_progress", False),
        ("workflow_dispatch", "queued", False),
        ("workflow_dispatch", "completed", True),
        ("push", "in_progress", True),
    ],
)
def test_the_site_is_built_by_hand_only_when_no_push_is_being_built(
    corpus: LabProject, github: GithubStandin, tmp_path: Path, event: str, status: str, needed: bool
) -> None:
    run = {"path": ".github/workflows/explorer.yml", "event": "push", "head_branch": BRANCH}
    github.workflow_runs += [
        {**run, "status": status, "html_url": "https://x/1"},
        {**run, "head_branch": "other", "status": "in_progress", "html_url": "https://x/2"},
        {**run, "event": "workflow_dispatch", "status": "in_progress", "html_url": "https://x/3"},
    ]
    checkout = workflows.runner(corpus, github, tmp_path)
    checkout = replace(
        checkout,
        values={**checkout.values, "github.event_name": event},
        environment={**checkout.environment, "GITHUB_REF_NAME": BRANCH},
    )
    ran = checkout.run(of_template(corpus, "explorer", "look"), "3")
    assert ran.rc == 0, ran.said
    assert ("needed=true" in ran.said) is needed
    assert ("https://x/1" in ran.summary) is not needed


def test_the_inventory_of_the_corpus_is_that_of_the_bundles(corpus: LabProject) -> None:
    inventory = json.loads((corpus.root / "results-data/corpus-inventory.json").read_text())
    assert inventory["counts"] == {"files": 6, "bundles": 3, "cohorts": 1}
