# SPDX-License-Identifier: Apache-2.0
"""A corpus that `rackbench corpus init` began: linters, GitHub's schema, permissions, the rules of the branch."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hatchling.builders.wheel import WheelBuilder
from rackbench import __version__
from rackbench.cli.main import main
from rackbench.corpus.init import CORPUS, TEMPLATE
from rackbench.corpus.trust import MAINTAINER_PLACE, VENDOR_PLACE

from tests.unit.corpus.samples import DATA, SSB, another, with_manifest
from tests.unit.test_workflow_files import schema, zizmor

ROOT = Path(__file__).resolve().parents[3]
FILES = sorted((TEMPLATE / ".github/workflows").glob("*.yml"))
PERMISSIONS = {
    "validate-submission": {"validate": {"contents": "read"}},
    "comment-on-submission": {"comment": {"actions": "read", "pull-requests": "write"}},
    "explorer": {
        "look": {"actions": "read"},
        "build": {"contents": "read"},
        "deploy": {"pages": "write", "id-token": "write"},
    },
    "stale": {"close": {"issues": "write", "pull-requests": "write"}},
}

every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def read(name: str) -> dict[str, Any]:
    """Return a workflow of the template."""
    document: dict[str, Any] = yaml.safe_load((TEMPLATE / f".github/workflows/{name}.yml").read_text())
    return document


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """Begin a corpus, and return its directory."""
    assert main(["corpus", "init", str(tmp_path / "new")]) == 0
    return tmp_path / "new"


def test_a_new_corpus_is_valid_and_its_inventory_fits(new: Path) -> None:
    corpus = new / "results-data"
    options = ["--require-manifest", "--require-inventory", "--full"]
    assert main(["corpus", "validate", *options, str(corpus)]) == 0
    assert main(["corpus", "validate", str(corpus / "bundles")]) == 0
    assert main(["corpus", "inventory", "--check", str(new / "results-data")]) == 0


def test_every_file_of_the_template_is_named_and_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "new"
    assert main(["corpus", "init", str(directory)]) == 0
    named = {Path(line) for line in capsys.readouterr().out.splitlines()[:-1]}
    assert named == {path for path in directory.rglob("*") if path.is_file()}
    wanted = {
        path.relative_to(TEMPLATE)
        for path in TEMPLATE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {path.relative_to(directory) for path in named} == {
        *wanted,
        Path("results-data/corpus-inventory.json"),
    }
    assert (directory / ".github/requirements.txt").read_text() == f"rackbench=={__version__}\n"
    assert list(tmp_path.iterdir()) == [directory]


def test_a_wheel_has_every_file_of_the_template() -> None:
    shipped = {
        file.distribution_path
        for file in WheelBuilder(str(ROOT)).recurse_included_files()
        if file.distribution_path
    }
    for path in TEMPLATE.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert str(path.relative_to(ROOT / "python")) in shipped


def test_an_empty_directory_is_filled(tmp_path: Path) -> None:
    assert main(["corpus", "init", str(tmp_path)]) == 0
    assert (tmp_path / "README.md").exists()


@pytest.mark.parametrize("kind", ["directory", "file", "link to nothing"])
def test_nothing_that_is_there_is_overwritten(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    there = tmp_path / "there"
    if kind == "directory":
        there.mkdir()
        (there / "mine").write_text("mine")
    elif kind == "file":
        there.write_text("mine")
    else:
        there.symlink_to(tmp_path / "nothing")
    assert main(["corpus", "init", str(there)]) == 2
    assert "corpus_exists" in capsys.readouterr().err
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == [
        "there",
        *(["there/mine"] if kind == "directory" else []),
    ]


def test_a_parent_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus", "init", str(tmp_path / "no-such/new")]) == 2
    assert "corpus_unwritable" in capsys.readouterr().err


def test_a_directory_beside_the_bundles_is_no_empty_corpus_once_there_are_bundles(new: Path) -> None:
    bundles = new / "results-data/bundles"
    for number, platform in enumerate(("DuckDB", "SQLite", "DataFusion")):
        with_manifest(another(number, bundles, platform))
    assert main(["corpus", "inventory", "--write", str(new / "results-data")]) == 0
    (new / "results-data/bundels").mkdir()
    assert main(["corpus", "validate", str(bundles)]) == 0
    assert main(["corpus", "validate", str(new / "results-data/bundels")]) == 1


def test_the_site_has_every_bundle_and_no_html_of_theirs(new: Path, tmp_path: Path) -> None:
    corpus, site = new / "results-data", tmp_path / "site"
    another(1, corpus / "bundles")
    assert main(["corpus", "inventory", "--write", str(corpus)]) == 0
    inventory = corpus / "corpus-inventory.json"
    inventory.write_text(inventory.read_text().replace("duckdb", "<b>duckdb").replace("DuckDB", "<b>DuckDB"))
    done = subprocess.run(
        [sys.executable, new / "explorer/build.py", corpus, site], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    page = (site / "index.html").read_text()
    assert page.count("<tr>") == 2
    assert "&lt;b&gt;" in page
    assert "<b>" not in page


def test_zizmor_finds_nothing() -> None:
    done = zizmor(*FILES)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_schema_of_github_accepts_them() -> None:
    done = schema(*FILES)
    assert done.returncode == 0, done.stdout + done.stderr


@every_file
def test_actions_are_pinned_by_a_full_sha_and_tell_their_version(path: Path) -> None:
    used = re.findall(r"uses:.*", path.read_text())
    assert used
    for line in used:
        assert re.fullmatch(r"uses: [\w-]+/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_an_action_has_the_same_commit_everywhere() -> None:
    ours = (ROOT / ".github/workflows").glob("*.yml")
    used = {line for path in (*FILES, *ours) for line in re.findall(r"uses: (\S+@\S+)", path.read_text())}
    assert len({line.partition("@")[0] for line in used}) == len(used)


@every_file
def test_every_shell_step_is_bash_with_pipefail_and_has_no_expression(path: Path) -> None:
    workflow = read(path.stem)
    steps = [step for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    assert not steps or workflow["defaults"]["run"]["shell"] == "bash"
    assert [step["name"] for step in steps if "shell" in step or "${{" in step["run"]] == []


@every_file
def test_a_job_has_the_permissions_that_it_needs_and_no_others(path: Path) -> None:
    workflow = read(path.stem)
    assert workflow["permissions"] == {}
    found = {name: job["permissions"] for name, job in workflow["jobs"].items()}
    assert found == PERMISSIONS[path.stem]


def test_no_workflow_that_may_write_checks_out_what_others_send() -> None:
    assert all("pull_request_target" not in read(path.stem)["on"] for path in FILES)
    (job,) = read("comment-on-submission")["jobs"].values()
    assert [step["uses"] for step in job["steps"] if "checkout" in step.get("uses", "")] == []
    assert read("comment-on-submission")["on"]["workflow_run"]["workflows"] == [
        read("validate-submission")["name"]
    ]


def test_red_cannot_be_merged_over() -> None:
    ruleset = json.loads((TEMPLATE / ".github/rulesets/published-results.json").read_text())
    rules = {rule["type"]: rule.get("parameters", {}) for rule in ruleset["rules"]}
    validate = read("validate-submission")
    (job,) = validate["jobs"].values()
    assert ruleset["enforcement"] == "active"
    assert ruleset["bypass_actors"] == []
    (branch,) = validate["on"]["pull_request"]["branches"]
    assert ruleset["conditions"]["ref_name"] == {"include": [f"refs/heads/{branch}"], "exclude": []}
    checks = rules["required_status_checks"]
    assert [check["context"] for check in checks["required_status_checks"]] == [job["name"]]
    assert checks["strict_required_status_checks_policy"] is True
    assert rules["pull_request"]["required_approving_review_count"] == 1
    assert rules["pull_request"]["dismiss_stale_reviews_on_push"] is True
    assert rules["pull_request"]["require_code_owner_review"] is True
    # `rackbench corpus rollback` takes merges back.
    assert rules["pull_request"]["allowed_merge_methods"] == ["merge"]
    assert {"deletion", "non_fast_forward"} < set(rules)


def test_what_checks_and_what_is_ranked_has_owners() -> None:
    lines = (TEMPLATE / ".github/CODEOWNERS").read_text().splitlines()[1:]
    owned = {path for path, owner in (line.split() for line in lines) if owner == "@MAINTAINERS"}
    places = {
        f"/{CORPUS}/{below}{place}/"
        for below in ("", "bundles/")
        for place in (VENDOR_PLACE, MAINTAINER_PLACE)
    }
    assert owned == {"/.github/", "/explorer/", *places}
    assert "s,@MAINTAINERS," in (TEMPLATE / "README.md").read_text()


def test_what_runs_on_a_pull_request_imports_nothing_of_it() -> None:
    steps = [
        step["run"] for step in read("validate-submission")["jobs"]["validate"]["steps"] if "run" in step
    ]
    calls = [call for run in steps for call in re.findall(r"\bpython\b.*", run)]
    assert calls
    assert [call for call in calls if not call.startswith("python -I ")] == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_a_pasted_block_of_commands_ends_with_the_first_that_fails(name: str) -> None:
    for block in re.findall(r"```sh\n(.*?)```", (TEMPLATE / name).read_text(), re.DOTALL):
        commands = block.splitlines()
        if commands[0].strip().startswith("rackbench submit"):
            continue  # two examples, of which one is called
        assert [line for line in commands[:-1] if not line.endswith("&&")] == []


def test_the_page_of_a_submission_does_nothing_where_no_corpus_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["submit", str(DATA / SSB)]) == 0
    before = sorted(tmp_path.rglob("*"))
    _before, _fence, rest = Path("submission/CONTRIBUTING.md").read_text().partition("```sh\n")
    # As it is pasted: without `-e`. A program that is not stopped would find these stand-ins.
    (tmp_path / "tools").mkdir()
    for name in ("gh", "rackbench"):
        (tmp_path / "tools" / name).write_text(f"#!/bin/sh\necho called {name}\n")
        (tmp_path / "tools" / name).chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", rest.partition("```\n")[0]],
        cwd="submission",
        env={"PATH": f"{tmp_path}/tools:{os.environ['PATH']}", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "called" not in done.stdout
    assert [path for path in sorted(tmp_path.rglob("*")) if "tools" not in path.parts] == before


def test_every_label_of_the_workflows_is_made_by_the_page() -> None:
    page = (TEMPLATE / "README.md").read_text()
    made = set(re.findall(r"gh label create (\S+)", page))
    text = "".join(path.read_text() for path in FILES)
    assert made == {"new-surface", "unknown-name", "waiting-for-contributor", "changes-the-checks", "stale"}
    assert [name for name in made if name not in text] == []


def test_the_required_check_is_never_skipped() -> None:
    workflow = read("validate-submission")
    (job,) = workflow["jobs"].values()
    assert "if" not in job
    assert set(workflow["on"]["pull_request"]) == {"branches", "types"}
    assert {"opened", "synchronize", "reopened"} < set(workflow["on"]["pull_request"]["types"])


def test_only_who_is_waited_for_is_closed_after_14_days_and_is_thanked() -> None:
    (job,) = read("stale")["jobs"].values()
    (step,) = job["steps"]
    assert step["with"]["days-before-pr-stale"] + step["with"]["days-before-pr-close"] == 14
    assert step["with"]["only-pr-labels"] == "waiting-for-contributor"
    assert "Thank you" in step["with"]["close-pr-message"]
    assert step["with"]["days-before-issue-stale"] == -1
