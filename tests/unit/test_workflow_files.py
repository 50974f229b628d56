# SPDX-License-Identifier: Apache-2.0
"""The workflows: what linters and GitHub's schema say, what the two of the gate agree on, what a change has to pass."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".github/workflows"
FILES = sorted(FOLDER.glob("*.yml"))
TOOLS = Path(sys.executable).parent
REBASELINE, REGRESSION, TEST = "perf-rebaseline", "perf-regression", "test"
INJECTION = """---
name: bad
on: pull_request
permissions: {}
jobs:
  one:
    name: One
    runs-on: ubuntu-latest
    steps:
      - name: Greet
        run: echo "${{ github.event.pull_request.title }}"
"""

every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
of_the_gate = pytest.mark.parametrize("name", [REBASELINE, REGRESSION])


def read(name: str) -> dict[str, Any]:
    """Return a workflow."""
    document: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yml").read_text())
    return document


def steps(workflow: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the steps of all jobs."""
    for job in workflow["jobs"].values():
        yield from job["steps"]


def zizmor(*paths: Path) -> subprocess.CompletedProcess[str]:
    """Run zizmor as `make lint` does."""
    return subprocess.run(
        [TOOLS / "zizmor", "--quiet", "--offline", "--persona", "pedantic", *paths],
        capture_output=True,
        text=True,
    )


def schema(*paths: Path) -> subprocess.CompletedProcess[str]:
    """Run check-jsonschema as `make lint` does."""
    return subprocess.run(
        [TOOLS / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", *paths],
        capture_output=True,
        text=True,
    )


def test_the_workflows_are_there() -> None:
    assert {path.stem for path in FILES} == {REBASELINE, REGRESSION, TEST}


def test_zizmor_finds_nothing() -> None:
    done = zizmor(*FILES)
    assert done.returncode == 0, done.stdout + done.stderr


def test_zizmor_finds_a_title_that_becomes_shell_code(tmp_path: Path) -> None:
    (tmp_path / "bad.yml").write_text(INJECTION)
    done = zizmor(tmp_path / "bad.yml")
    assert done.returncode != 0
    assert "template-injection" in done.stdout


def test_the_schema_of_github_accepts_them() -> None:
    done = schema(*FILES)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.full
def test_the_schema_of_github_refuses_a_job_without_a_runner(tmp_path: Path) -> None:
    (tmp_path / "bad.yml").write_text(INJECTION.replace("    runs-on: ubuntu-latest\n", ""))
    assert schema(tmp_path / "bad.yml").returncode != 0


@every_file
def test_actions_are_pinned_by_a_full_sha_and_tell_their_version(path: Path) -> None:
    used = re.findall(r"uses:.*", path.read_text())
    assert used
    for line in used:
        assert re.fullmatch(r"uses: [\w-]+/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


@every_file
def test_every_shell_step_is_bash_with_pipefail(path: Path) -> None:
    workflow = read(path.stem)
    assert workflow["defaults"]["run"]["shell"] == "bash"
    assert [step["name"] for step in steps(workflow) if step.get("shell", "bash") != "bash"] == []


@every_file
def test_no_expression_stands_in_shell_code(path: Path) -> None:
    assert [step["name"] for step in steps(read(path.stem)) if "${{" in step.get("run", "")] == []


@every_file
def test_a_job_has_the_permissions_that_it_needs_and_no_others(path: Path) -> None:
    workflow = read(path.stem)
    assert workflow["permissions"] == {}
    assert {name: job["permissions"] for name, job in workflow["jobs"].items()} == {
        REBASELINE: {"rebaseline": {"contents": "write", "pull-requests": "write"}},
        REGRESSION: {"gate": {"contents": "read"}, "unmeasured": {}},
        TEST: {"test": {"contents": "read"}},
    }[path.stem]


@of_the_gate
def test_results_and_console_log_are_kept_for_thirty_days_also_after_a_failure(name: str) -> None:
    (kept,) = [step for step in steps(read(name)) if "upload-artifact" in step.get("uses", "")]
    assert kept["if"] == "always()"
    assert kept["with"]["path"].splitlines() == [
        "${{ runner.temp }}/results.json",
        "${{ runner.temp }}/console.log",
    ]
    assert kept["with"]["retention-days"] == 30


def test_both_measure_the_same_in_the_same_environment() -> None:
    rebaseline, regression = read(REBASELINE), read(REGRESSION)
    assert rebaseline["env"] == regression["env"]
    one, other = rebaseline["jobs"]["rebaseline"], regression["jobs"]["gate"]
    assert one["runs-on"] == other["runs-on"]
    assert one["environment"] == other["environment"]
    measured = [[step for step in job["steps"] if step["name"] == "Measure"] for job in (one, other)]
    assert len(measured[0]) == 1
    assert measured[0] == measured[1]


def test_both_share_the_key_of_the_cache() -> None:
    keys = [
        [step["with"] for step in steps(read(name)) if "actions/cache" in step.get("uses", "")]
        for name in (REBASELINE, REGRESSION)
    ]
    assert len(keys[0]) == 1
    assert keys[0] == keys[1]
    assert "-perf-" in keys[0][0]["key"]


def test_every_change_and_every_week_is_tested_with_each_python_that_a_core_needs() -> None:
    workflow = read(TEST)
    assert set(workflow["on"]) == {"pull_request", "push", "schedule"}
    (job,) = workflow["jobs"].values()
    (python,) = [step for step in job["steps"] if "setup-python" in step.get("uses", "")]
    installed = python["with"]["python-version"].split()
    needed = set(re.findall(r'^    Core\(.*?"(3\.\d+)"', (ROOT / "tools/cores.py").read_text(), re.MULTILINE))
    assert needed
    assert needed <= set(installed)
    # What comes last is `python3`, of which `tools/setup` makes the environment.
    assert installed[-1] == min(installed)
    verbs = set(job["strategy"]["matrix"]["verb"])
    assert verbs == {"test", "release-check"}
    makefile = (ROOT / "Makefile").read_text()
    assert all(re.search(rf"^{verb}:", makefile, re.MULTILINE) for verb in verbs)


def owners(path: str) -> list[str]:
    """Return who owns a path: the last line of CODEOWNERS that matches, of which ours are paths from the top."""
    found: list[str] = []
    for line in (ROOT / ".github/CODEOWNERS").read_text().splitlines():
        pattern, *names = line.split("#")[0].split() or [""]
        assert not pattern or (pattern.startswith("/") and "*" not in pattern), pattern
        if pattern and (f"/{path}" == pattern or (pattern.endswith("/") and f"/{path}".startswith(pattern))):
            found = names
    return found


def test_nobody_but_owners_changes_what_the_gate_decides_by() -> None:
    settings = read(REGRESSION)["env"]
    baseline = Path(settings["BASELINE"])
    decides = [
        *(str(path.relative_to(ROOT)) for path in FILES),
        ".github/CODEOWNERS",
        str(baseline),
        str(baseline.with_name("baseline.audit.jsonl")),
        f"templates/{settings['TEMPLATE']}.yml",
    ]
    assert [path for path in decides if not owners(path)] == []
    assert owners("python/rackbench/cli/main.py") == []


def test_a_rebaseline_starts_by_hand_only_and_is_never_cancelled_for_another() -> None:
    workflow = read(REBASELINE)
    assert workflow["on"] == "workflow_dispatch"
    assert "concurrency" not in workflow
    assert all("concurrency" not in job for job in workflow["jobs"].values())


def test_the_gate_never_cuts_off_a_measurement_and_runs_no_code_of_forks() -> None:
    workflow = read(REGRESSION)
    assert workflow["concurrency"]["cancel-in-progress"] is False
    assert "pull_request_target" not in workflow["on"]
    assert workflow["jobs"]["gate"]["if"] == (
        "github.event_name != 'pull_request' || "
        "github.event.pull_request.head.repo.full_name == github.repository"
    )


def test_what_the_gate_skips_fails_in_a_job_without_lab_secrets_or_code_of_the_fork() -> None:
    jobs = read(REGRESSION)["jobs"]
    job = jobs["unmeasured"]
    # One of the two runs for every pull request, since each condition is the opposite of the other.
    opposite = {"!=": "==", "==": "!=", "||": "&&"}
    assert job["if"] == " ".join(opposite.get(word, word) for word in jobs["gate"]["if"].split())
    assert job["runs-on"] == "ubuntu-latest"
    assert "environment" not in job
    assert all("uses" not in step and "env" not in step for step in job["steps"])


def test_the_job_for_forks_fails_and_says_what_to_do(tmp_path: Path) -> None:
    (step,) = read(REGRESSION)["jobs"]["unmeasured"]["steps"]
    summary = tmp_path / "summary.md"
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]],
        env={"PATH": os.environ["PATH"], "GITHUB_STEP_SUMMARY": str(summary)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    assert summary.read_text() == done.stdout
    page, heading = re.findall(r"(docs/\S+\.md), (.+)\.$", done.stdout.strip())[0]
    assert f"## {heading}" in (ROOT / page).read_text().splitlines()
