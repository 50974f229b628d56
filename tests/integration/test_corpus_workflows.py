# SPDX-License-Identifier: Apache-2.0
"""The workflows of a corpus that `rackbench corpus init` began: their shell steps, with real git and gh."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.integration import workflows
from tests.integration.harness import ROOT, LabProject
from tests.integration.workflows import REPOSITORY, TOKEN
from tests.standins.github import GithubStandin
from tests.unit.corpus.samples import another, with_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

BRANCH = "published-results"
BUNDLES = "results-data/bundles"
ACTION = "github.event.action"
IS_DECIDED = "github.event.action == 'labeled' && github.event.label.name == 'new-surface'"
OWNER = REPOSITORY.split("/", maxsplit=1)[0]
PAGE = "https://github.example/acme/corpus/actions/runs/1"
HEAD = f"<!-- validate-submission -->\nWhat the check wrote; [its page]({PAGE}) shows it as tables.\n\n"


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
    git(corpus, "clean", "--quiet", "--force", "-d")
    git(corpus, "branch", "--quiet", "--delete", "--force", "proposed")


def validated(
    project: LabProject,
    tmp_path: Path,
    *,
    action: str = "synchronize",
    label: str = "",
    pipefail: bool = True,
    step: str = "Validate",
    tools: Path | None = None,
) -> workflows.Ran:
    """Run the step `Validate` on the merge of the proposed branch, as GitHub checks it out.

    `label` is the one that was set. `tools` is a directory of programs that stand in for those of the runner.
    """
    git(project, "switch", "--quiet", "--detach", BRANCH)
    git(project, "merge", "--quiet", "--no-ff", "--message", "merge", "proposed")
    workflow = of_template(project, "validate-submission", "validate")
    if not pipefail:
        del workflow["defaults"]
    checkout = workflows.Checkout(
        project.root,
        tmp_path,
        project.environ(),
        {ACTION: action, IS_DECIDED: str((action, label) == ("labeled", "new-surface")).lower()},
    )
    if tools:
        path = f"{tools}:{checkout.environment['PATH']}"
        checkout = replace(checkout, environment={**checkout.environment, "PATH": path})
    return checkout.run(workflow, "1", only=step)


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
    assert labels(ran) == {"-waiting-for-contributor", "-unknown-name", "-new-surface"}
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
    assert labels(ran) == {"+waiting-for-contributor", "-unknown-name", "-new-surface"}


@pytest.mark.full
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
    wanted = {"-waiting-for-contributor", "+unknown-name", "-new-surface"}
    assert labels(ran) == wanted, "it waits for a maintainer, and what was decided on an older push is gone"
    for number, label in enumerate(("new-surface", "waiting-for-contributor")):
        (tmp_path / str(number)).mkdir()
        again = validated(proposed, tmp_path / str(number), action="labeled", label=label)
        assert again.rc == number, again.said
        assert labels(again) == {"+unknown-name", *(["-new-surface"] if number else [])}


@pytest.mark.full
def test_what_a_bundle_says_in_its_text_is_no_unknown_name(proposed: LabProject, tmp_path: Path) -> None:
    bundle = another(9, proposed.root / BUNDLES, "ClickHouse")
    document = json.loads(bundle.read_text())
    document["x\nwarning  x: y [unknown_platform]"] = 1
    bundle.write_text(json.dumps(document))
    with_manifest(bundle, result_source="x\nwarning  x: y [unknown_platform]")
    commit(proposed)
    ran = validated(proposed, tmp_path)
    assert "-unknown-name" in labels(ran), ran.said


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


def beside(corpus: Path) -> None:
    """Put a bundle without a manifest, which would count as the maintainers' own, where nobody looks for bundles."""
    another(9, corpus, "ClickHouse")


def forged_row(corpus: Path) -> None:
    """Say in the inventory that a result of the community's is the maintainers'."""
    path = corpus / "corpus-inventory.json"
    document = json.loads(path.read_text())
    document["bundles"][0] |= {"trust": "maintainer-run", "ranked": True}
    path.write_text(json.dumps(document))


def row_of_nothing(corpus: Path) -> None:
    """Say in the inventory that there is a result that there is not."""
    path = corpus / "corpus-inventory.json"
    document = json.loads(path.read_text())
    document["bundles"].append(document["bundles"][0] | {"path": "elsewhere/ssb.json", "ranked": True})
    path.write_text(json.dumps(document))


def nested(corpus: Path) -> None:
    """Put an inventory beside the bundles, where it would hide the one above."""
    inventory = corpus / "corpus-inventory.json"
    (corpus / "bundles/corpus-inventory.json").write_bytes(inventory.read_bytes())


def bundles_are_a_link(corpus: Path) -> None:
    """Make the directory of the bundles a link to where they are now."""
    (corpus / "bundles").rename(corpus / ".hidden")
    (corpus / "bundles").symlink_to(".hidden")


def all_is_a_link(corpus: Path) -> None:
    """Make the corpus a link to where it is now."""
    corpus.rename(corpus.with_name("elsewhere"))
    corpus.symlink_to("elsewhere")


def no_inventory(corpus: Path) -> None:
    """Take the inventory away."""
    (corpus / "corpus-inventory.json").unlink()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (beside, "manifest_missing"),
        (forged_row, "inventory_"),
        (row_of_nothing, "inventory_"),
        (nested, "inventory_"),
        (no_inventory, "inventory_"),
        (bundles_are_a_link, "file_is_link"),
        (all_is_a_link, "_is_link"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_corpus_that_was_tampered_with_fails(
    proposed: LabProject, tmp_path: Path, change: Callable[[Path], None], code: str
) -> None:
    change(proposed.root / "results-data")
    commit(proposed, inventory=change is beside)
    ran = validated(proposed, tmp_path)
    assert ran.rc == 1, ran.said
    assert code in comment(ran)
    assert "+waiting-for-contributor" in labels(ran)


def test_a_pull_request_does_not_bring_the_version_that_judges_it(
    proposed: LabProject, tmp_path: Path
) -> None:
    requirements = proposed.root / ".github/requirements.txt"
    before = requirements.read_text()
    requirements.write_text("my-own-judge\n")
    commit(proposed)
    # A stand-in for python with which pip is called: it shows what was asked for.
    (tmp_path / "python").write_text('#!/bin/sh\necho "$1"\nfor last; do :; done\ncat "$last"\n')
    (tmp_path / "python").chmod(0o755)
    ran = validated(proposed, tmp_path, step="Set up", tools=tmp_path)
    assert ran.steps["Set up"].stdout == f"-I\n{before}"


def test_a_pull_request_brings_no_module_that_the_check_imports(proposed: LabProject, tmp_path: Path) -> None:
    (proposed.root / "json.py").write_text("import sys\nsys.exit(0)\n")
    with_manifest(another(9, proposed.root / BUNDLES, "QuantumDB"))
    commit(proposed)
    ran = validated(proposed, tmp_path)
    assert ran.rc == 1, ran.said
    assert "+unknown-name" in labels(ran)


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
    corpus: LabProject,
    github: GithubStandin,
    tmp_path: Path,
    said: str | Path | None,
    wanted: str,
    *,
    sha: str = "0" * 40,
    conclusion: str = "failure",
) -> workflows.Ran:
    """Run the steps of the workflow that comments, after a validation that left these two files.

    `said` may also be where the first is a link to, or None for neither.
    """
    event = "github.event.workflow_run.head"
    checkout = workflows.runner(corpus, github, tmp_path)
    checkout = replace(
        checkout,
        values={
            **checkout.values,
            f"{event}_repository.owner.login": OWNER,
            f"{event}_branch": "submit-1",
            f"{event}_sha": sha,
            "github.event.workflow_run.conclusion": conclusion,
            "github.event.workflow_run.html_url": PAGE,
        },
    )
    temp = tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
    (temp / "result").mkdir(parents=True)
    if isinstance(said, str):
        (temp / "result/comment.md").write_bytes(said.encode())
    elif said:
        (temp / "result/comment.md").symlink_to(said)
    if said:
        (temp / "result/labels").write_text(wanted)
    return checkout.run(of_template(corpus, "comment-on-submission", "comment"), "2", temp=temp)


@pytest.mark.full
def test_one_comment_is_written_and_kept_up_to_date(
    corpus: LabProject, github: GithubStandin, tmp_path: Path
) -> None:
    github.issues.comment(1, "<!-- validate-submission --> mine", "somebody")
    for said in ("failed", "passed"):
        ran = commented(corpus, github, tmp_path, said, "")
        assert ran.rc == 0, ran.said
    assert [(each["user"]["login"], each["body"]) for each in github.issues.comments[1]] == [
        ("somebody", "<!-- validate-submission --> mine"),
        ("github-actions[bot]", f"{HEAD}    passed"),
    ]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("```\n# Merge this, @everybody\n", "    ```\n    # Merge this, @everybody\n"),
        ("a\r# Title\r\n\tb\0\x1b\x7f", "    a# Title\n    b"),
        ("a\n\n</pre>\n-->\n", "    a\n    \n    </pre>\n    -->\n"),
        ("\u2028# Title\u0085x\n", "    \u2028# Title\u0085x\n"),
        (r"\_\`\|\[ &lt;b&gt; &amp;lt; \n", "    _`|[ <b&gt; &lt; \\n"),
    ],
    ids=["a fence", "carriage returns", "ends of HTML", "separators of Unicode", "what was escaped"],
)
def test_what_a_forged_artifact_says_stays_in_a_block_of_code(
    corpus: LabProject, github: GithubStandin, tmp_path: Path, said: str, shown: str
) -> None:
    ran = commented(corpus, github, tmp_path, said, "")
    assert ran.rc == 0, ran.said
    (only,) = github.issues.comments[1]
    assert only["body"] == HEAD + shown


def test_a_link_in_the_artifact_is_not_followed(
    corpus: LabProject, github: GithubStandin, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("ghs_secret")
    ran = commented(corpus, github, tmp_path, tmp_path / "secret", "")
    assert ran.rc == 1, ran.said
    assert "no plain file" in ran.said
    assert github.issues.comments == {}


@pytest.mark.parametrize(
    "files",
    [
        [{"filename": ".github/workflows/validate-submission.yml"}],
        [{"filename": "mine.yml", "previous_filename": ".github/workflows/validate-submission.yml"}],
        [{"filename": f"-{number}"} for number in range(3000)],
    ],
    ids=["changed", "taken away", "more files than GitHub names"],
)
@pytest.mark.parametrize("conclusion", ["success", "cancelled"])
def test_a_pull_request_that_changes_the_checks_has_a_label_whatever_it_says(
    corpus: LabProject,
    github: GithubStandin,
    tmp_path: Path,
    files: list[dict[str, str]],
    conclusion: str,
) -> None:
    said = "fine" if conclusion == "success" else None
    github.files[1] = files
    ran = commented(corpus, github, tmp_path, said, "-changes-the-checks\n", conclusion=conclusion)
    assert ran.rc == 0, ran.said
    assert github.issues.labels[1] == ["changes-the-checks"]
    assert bool(github.issues.comments) is (said is not None)
    github.files[1] = [{"filename": "results-data/.github/x.json"}]
    ran = commented(corpus, github, tmp_path, said, "", conclusion=conclusion)
    assert ran.rc == 0, ran.said
    assert github.issues.labels[1] == []


@pytest.mark.full
def test_labels_come_and_go_and_the_decision_of_a_maintainer_is_not_taken_here(
    corpus: LabProject, github: GithubStandin, tmp_path: Path
) -> None:
    wanted = "+unknown-name\n+waiting-for-contributor\n+new-surface\n"
    assert commented(corpus, github, tmp_path, "c", wanted).rc == 0
    assert github.issues.labels[1] == ["unknown-name", "waiting-for-contributor"]
    wanted = "-unknown-name\n-new-surface\n"
    github.issues.labels[1].append("new-surface")
    assert commented(corpus, github, tmp_path, "c", "-unknown-name\n").rc == 0
    assert github.issues.labels[1] == ["waiting-for-contributor", "new-surface"]
    # It is not set here, and taken off after a push.
    for _time in range(2):
        assert commented(corpus, github, tmp_path, "c", wanted).rc == 0
        assert github.issues.labels[1] == ["waiting-for-contributor"]


def test_a_comment_that_is_too_long_is_cut_also_in_the_middle_of_a_character(
    corpus: LabProject, github: GithubStandin, tmp_path: Path
) -> None:
    ran = commented(corpus, github, tmp_path, "x" + "ü" * 70_000, "")
    assert ran.rc == 0, ran.said
    (only,) = github.issues.comments[1]
    assert only["body"] == f"{HEAD}    x" + "ü" * 29_997 + "\N{REPLACEMENT CHARACTER}"


def test_a_comment_of_ends_of_lines_is_cut_too(
    corpus: LabProject, github: GithubStandin, tmp_path: Path
) -> None:
    ran = commented(corpus, github, tmp_path, "\n" * 70_000, "")
    assert ran.rc == 0, ran.said
    (only,) = github.issues.comments[1]
    assert only["body"] == HEAD + "    \n" * 12_000


def test_a_result_of_an_older_push_is_told_to_nobody(
    corpus: LabProject, github: GithubStandin, tmp_path: Path
) -> None:
    ran = commented(corpus, github, tmp_path, "old", "+unknown-name\n", sha="1" * 40)
    assert ran.rc == 0, ran.said
    assert list(ran.steps) == ["Find the pull request"]
    assert github.issues.comments == github.issues.labels == {}


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


@pytest.mark.full
def test_the_runbook_backfills_an_inventory_and_stops_at_a_conflict(
    proposed: LabProject, tmp_path: Path
) -> None:
    page = (ROOT / "docs/how-to/run-a-corpus.md").read_text()
    section = page.partition("## Backfill the inventory")[2].partition("\n## ")[0]
    first, second = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    with_manifest(another(9, proposed.root / BUNDLES, "ClickHouse"))
    commit(proposed)
    git(proposed, "clone", "--quiet", "--bare", ".", str(tmp_path / "origin.git"))
    git(
        proposed,
        "clone",
        "--quiet",
        "--branch",
        BRANCH,
        str(tmp_path / "origin.git"),
        str(tmp_path / "clone"),
    )
    clone = replace(proposed, root=tmp_path / "clone")
    for key, value in (("name", "Ada"), ("email", "ada@example.org")):
        git(clone, "config", f"user.{key}", value)
    # Another pull request was merged meanwhile, and here nobody has fetched it.
    git(proposed, "switch", "--quiet", "--detach", BRANCH)
    with_manifest(another(8, proposed.root / BUNDLES, "PostgreSQL"))
    commit(proposed)
    git(proposed, "push", "--quiet", str(tmp_path / "origin.git"), f"HEAD:{BRANCH}")
    # In place of `gh pr checkout`. As they are pasted: without `-e`.
    done = clone.command("bash", "-c", first.replace("gh pr checkout 12", "git switch proposed"))
    assert done.rc != 0
    assert "CONFLICT" in done.said
    assert "<<<<<<<" in (clone.root / "results-data/corpus-inventory.json").read_text()
    done = clone.command("bash", "-c", second)
    assert done.rc == 0, done.said
    options = ("--require-manifest", "--require-inventory", "--full")
    assert clone.rackbench("corpus", "validate", *options, "results-data").rc == 0
    git(clone, "diff", "--exit-code", "origin/proposed")
