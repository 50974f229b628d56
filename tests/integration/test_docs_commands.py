# SPDX-License-Identifier: Apache-2.0
"""The commands of the documentation, run as they are written: the tutorial first, and each page where it ends.

tests/pages.py says what the comments before blocks mean. `make test` runs the pages whose commands start no play;
`make test-full` runs all.
"""

from __future__ import annotations

import re
import shutil
import sys
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from tests.integration.docs_session import session
from tests.integration.harness import ROOT, LabProject, make_project
from tests.integration.publishing import Results, git
from tests.pages import PAGES, Block, blocks
from tests.standins.github import GithubStandin
from tests.unit.corpus import samples

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.docs_session import Answer

TUTORIAL = "docs/tutorial/first-run.md"
STARTS_PLAYS = re.compile(
    r"rackbench (run|publish|bundle prune|lease) |run\.yml|rebaseline\.yml|baseline collect|--confirm"
)
TOKEN = "a-token-of-the-stand-in"
# Setting up an environment is what has made the one that runs this test; bundles are those that are built already.
SETUP = """#!/bin/sh
cd "$(dirname "$0")/.." && ln -sfn {prefix} .venv && cp -Rn {dist} .
"""


def run_here(page: str) -> list[Block]:
    """Return the blocks of a page that this test runs, with the files that they need."""
    return [
        block
        for block in blocks(page)
        if block.kind == "file" or (block.shell and block.kind in {None, "exits", "dry"})
    ]


def pages() -> list[object]:
    """Return the pages with commands; those that start plays are for `make test-full`."""
    found: list[object] = []
    for page in PAGES:
        commands = [command for block in run_here(page) for command in block.commands]
        if commands and page != TUTORIAL:
            marks = [pytest.mark.full] if any(map(STARTS_PLAYS.search, commands)) else []
            found.append(pytest.param(page, marks=marks))
    return found


@dataclass(frozen=True)
class Tutorial:
    """The tutorial after its end: the checkout, a copy of all that it made, and what each command said."""

    project: LabProject
    kept: Path
    answers: list[Answer]


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory: pytest.TempPathFactory) -> Tutorial:
    """A new user's machine, on which all of the tutorial was done once."""
    folder = tmp_path_factory.mktemp("docs")
    origin = make_project(folder / "origin")
    (origin.root / "tools/setup").write_text(SETUP.format(prefix=sys.prefix, dist=origin.root / "dist"))
    home = folder / "reader/home"
    (home / ".ssh").mkdir(parents=True)
    reader = LabProject(folder / "reader", home, {"GIT_CONFIG_NOSYSTEM": "1", "EDITOR": "true"})
    variables = origin.root / "playbooks/group_vars/all.yml"
    variables.write_text(variables.read_text().replace(str(origin.home), str(home)))
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "Begin"]):
        git(origin.root, *words)
    (home / ".gitconfig").write_text("[user]\n  name = A Reader\n  email = reader@example.org\n")
    reader.command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / ".ssh/id_ed25519")
    answers = session(reader, run_here(TUTORIAL), lambda text: re.sub(r"\bURL\b", str(origin.root), text))
    (folder / "reader").rename(folder / "kept")
    return Tutorial(replace(reader, root=reader.root / "rackbench"), folder / "kept", answers)


@pytest.mark.full
def test_the_tutorial_runs_as_it_is_written(tutorial: Tutorial, project: LabProject) -> None:
    first, look, choose, dry = (answer.said for answer in tutorial.answers)
    one, two = project.runs()
    assert f"run_dir: {one.path.relative_to(project.root)}" in first.rstrip().splitlines()[-1]
    assert look.startswith("local: completed")
    assert two.path.name in choose
    assert set(two.states) < set(one.states)
    assert "run_dir: automation-runs/dry-runs/local/" in dry
    # The picture at the top of README.md is what the first command printed.
    (picture,) = [block for block in blocks("README.md") if block.text.startswith("$ make run\n")]
    for line in picture.text.splitlines()[1:]:
        words = [word for word in line.split() if re.fullmatch(r"[a-z-]+(\.[a-z0-9-]+)+", word)]
        assert [word for word in words if word not in first] == [], line


@pytest.fixture
def project(tutorial: Tutorial) -> LabProject:
    """The checkout, the runs and the home of somebody who has just done the tutorial, always in the same place."""
    place = tutorial.project.root.parent
    if place.exists():
        shutil.rmtree(place)
    shutil.copytree(tutorial.kept, place, symlinks=True)
    return replace(tutorial.project, environment=dict(tutorial.project.environment))


def with_results(project: LabProject, stack: ExitStack) -> None:
    """Give the results of the latency benchmark a repository at a stand-in for GitHub."""
    folder = project.root.parent / "results"
    results = Results.made(folder)
    (folder / "gh").mkdir()
    server = stack.enter_context(
        GithubStandin(folder / "gh/pulls.json", {"lab/results": results.bare}, token=TOKEN)
    )
    url = f"https://{server.host}/lab/results.git"
    git(results.clone, "remote", "set-url", "origin", url)
    git(results.clone, "config", f"url.{results.bare}.insteadOf", url)
    project.environment |= {
        "SSL_CERT_FILE": str(server.ca),
        "GH_CONFIG_DIR": str(folder / "gh"),
        "GH_ENTERPRISE_TOKEN": TOKEN,
    }
    target = f"{{repo: {results.clone}, forge: github}}"
    variables = f"lab_publish_targets:\n  latency: {target}\n  system-info: {target}\n"
    (project.root / "inventories/local/group_vars").mkdir()
    (project.root / "inventories/local/group_vars/all.yml").write_text(variables)


def with_allowed_signers(project: LabProject, stack: ExitStack) -> None:
    """Let the reader's own key be one that the reader trusts."""
    key = (project.home / ".ssh/id_ed25519.pub").read_text()
    (project.root / "allowed_signers").write_text(f'ci@example.org namespaces="rackbench-bundle" {key}')


def with_older_inventory(project: LabProject, stack: ExitStack) -> None:
    """Put an older inventory there."""
    shutil.copy(ROOT / "tests/data/inventories/sth-lab.toml", project.root)
    (project.root / "inventories/mine").mkdir()


def with_both_inventories(project: LabProject, stack: ExitStack) -> None:
    """Name the reader's inventory in ansible.cfg, as the page says."""
    (wanted,) = [block.text for block in blocks("docs/how-to/model-your-lab.md") if block.language == "ini"]
    config = project.root / "ansible.cfg"
    line = wanted.splitlines()[1]
    config.write_text(re.sub(r"^inventory = .*$", line, config.read_text(), flags=re.MULTILINE))
    project.environment["JUMP_PASSWORD"] = "a password"


def with_corpus(project: LabProject, stack: ExitStack) -> None:
    """Put a corpus there, and a bundle of BenchBox under the name that the page gives it."""
    bundles = project.root / "results-data/bundles"
    for number, platform in enumerate(("DuckDB", "SQLite", "DataFusion")):
        samples.with_manifest(samples.another(number, bundles, platform))
    assert project.rackbench("corpus", "inventory", "--write", "results-data").rc == 0
    samples.another(7, project.root)


def with_quick_agents(project: LabProject, stack: ExitStack) -> None:
    """Let agents work for seconds, as the page says that one can."""
    (project.root / "inventories/local/group_vars").mkdir()
    (project.root / "inventories/local/group_vars/all.yml").write_text(
        "lab_settings:\n  agentsth: {profile: v1-smoke}\n"
    )


def with_quick_template(project: LabProject, stack: ExitStack) -> None:
    """Let the template of the gate measure a few pairs and sizes only."""
    template = project.root / "templates/perf-gate.yml"
    text = template.read_text()
    assert "latency:full" in text
    template.write_text(text.replace("latency:full", "latency:smoke").replace("repeats: 5", "repeats: 2"))


def with_baseline(project: LabProject, stack: ExitStack) -> None:
    """Put a baseline there that nobody has armed, and all that publishing needs."""
    with_results(project, stack)
    (project.root / "baseline.json").write_text(blocks("docs/how-to/keep-a-baseline.md")[0].text)
    run = project.runs()[0].path
    done = project.rackbench("baseline", "update", "--baseline", "baseline.json", "--results", run)
    assert done.rc == 0, done.said


PREPARE: dict[str, Callable[[LabProject, ExitStack], None]] = {
    "README.md": with_baseline,
    "docs/how-to/import-a-toml-inventory.md": with_older_inventory,
    "docs/how-to/keep-a-baseline.md": with_quick_template,
    "docs/how-to/model-your-lab.md": with_both_inventories,
    "docs/how-to/publish-results.md": with_results,
    "docs/how-to/run-agents.md": with_quick_agents,
    "docs/how-to/submit-results.md": with_corpus,
    "docs/reference/bundle.md": with_allowed_signers,
}
# What the pages call things, and what they are here; `{first}` and `{second}` are the run directories of the tutorial.
NAMES = {
    r"\bturind8,t3\b|\b(turind8|db7)\b": "local",
    r"automation-runs/<date>/<host>/<stamp>": "{first}",
    r"automation-runs/2026-11-2\*": "automation-runs/2*",
    r"\bssb_sf001_duckdb_sql_\w+\.json": "ssb_*.json",
    r"--key K(EY)?\b": "--key ~/.ssh/id_ed25519",
    r"--baseline F\b": "--baseline baseline.json",
    r"(--(run-dir|results)) D\b": r"\1 {first}",
    r"\bA --compare B C\b": "{first} --compare {second} {first}",
    r"\bA B\b": "{first} {second}",
    r"/tmp/": "{temp}/",
}  # fmt: skip
# Pages whose last run is one that a command of theirs has just made.
OWN_RUNS = {"docs/how-to/compare-runs.md", "docs/how-to/keep-a-baseline.md"}
NEWEST = "$(ls -d automation-runs/2*/local/* | tail -n 1)"
STAMP = re.compile(r"(?:automation-runs/\d{4}-\d\d-\d\d/\w+/)?(\d{8}T\d{6}Z)(-\w+)?")


def filler(project: LabProject, page: str) -> Callable[[str], str]:
    """Return what puts names of here in place of those of a page; its runs are those of the tutorial, in order."""
    stamps = sorted({match[1] for block in blocks(page) for match in STAMP.finditer(block.text)})
    runs = [run.path.relative_to(project.root) for run in project.runs()]
    here = {"first": runs[0], "second": runs[1], "temp": project.root.parent}
    names = {
        pattern: re.sub(r"\{(\w+)\}", lambda key: str(here[key[1]]), name) for pattern, name in NAMES.items()
    }

    def run_of(match: re.Match[str]) -> str:
        run = runs[min(stamps.index(match[1]), 1)]
        if match[0].startswith("automation-runs/"):
            return NEWEST if page in OWN_RUNS and match[1] == stamps[-1] else str(run)
        return f"{run.name}-local" if match[2] else run.name

    def fill(text: str) -> str:
        text = STAMP.sub(run_of, text)
        for pattern, name in names.items():
            text = re.sub(pattern, name, text)
        return text

    return fill


@pytest.mark.full
@pytest.mark.parametrize("page", pages())
def test_the_commands_of_a_page_do_what_it_says(project: LabProject, page: str) -> None:
    with ExitStack() as stack:
        if page in PREPARE:
            PREPARE[page](project, stack)
        fill = filler(project, page)
        answers = session(project, run_here(page), fill)
    for answer in answers:
        assert answer.unlike(fill) == [], (answer.block.where, answer.said)
