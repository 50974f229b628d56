# SPDX-License-Identifier: Apache-2.0
"""Every file that a run writes obeys its published JSON Schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.integration import made_up
from tests.integration.harness import ROOT, LabProject, Run, make_project

SCHEMAS: dict[str, str] = {
    "artifact_manifest.json": "artifact-manifest",
    "command_ledger.jsonl": "command-ledger-line",
    "events.jsonl": "journal-record",
    "exports/results.json": "export",
    "host_inventory_snapshot.json": "host-inventory-snapshot",
    "preflight/host_state.json": "host-state",
    "preflight/summary.json": "preflight",
    "preflight/topology.json": "topology",
    "publish_ledger.json": "publish-ledger",
    "run_manifest.json": "run-manifest",
    "status.json": "status",
    "transfer_ledger.jsonl": "transfer-ledger-line",
}
COLLECTED = {"job.json": "job", "result.json": "result", "spec.json": "job-spec", "state.json": "job-state"}


def schema_of(name: str) -> dict[str, Any]:
    """Return a committed schema."""
    document: dict[str, Any] = json.loads((ROOT / f"docs/reference/schemas/{name}.schema.json").read_text())
    return document


def schema_for(path: str) -> str | None:
    """Return the schema's name for a file of the run directory; None for a benchmark's own artifacts."""
    folder = path.rpartition("/")[0]
    if path.startswith("benchmarks/"):
        return COLLECTED.get(Path(path).name) if path.count("/") == 3 else None
    if folder in {"state/steps", "state/live"}:
        return "step" if folder == "state/steps" else "live-beat"
    return SCHEMAS[path]


def documents_of(path: Path) -> list[Any]:
    """Return the documents of a file: one, or one a line."""
    text = path.read_text()
    return [json.loads(text)] if path.suffix == ".json" else [json.loads(line) for line in text.splitlines()]


def fit_all(run_dir: Path) -> int:
    """Check every document of a run directory that we write, and return how many there were."""
    count = 0
    for path in sorted(run_dir.rglob("*.json*")):
        name = schema_for(path.relative_to(run_dir).as_posix())
        if name is None:
            continue
        for document in documents_of(path):
            jsonschema.validate(document, schema_of(name))
            count += 1
    return count


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run of a family that goes well and of one that does not."""
    project: LabProject = make_project(tmp_path_factory.mktemp("documents"))
    made_up.add(project, families=[made_up.family("good", seconds=2), made_up.family("bad", act="crash")])
    project.playbook("-e", "lab_benchmarks=made-up", "-e", "lab_parent=documents")
    return project.run()


def test_every_file_of_a_run_obeys_its_schema(run: Run) -> None:
    assert fit_all(run.path) > 50
    # Beats of earlier versions have no schema, and so theirs does not ask for it.
    beats = [json.loads(path.read_text())["schema"] for path in run.path.glob("state/live/*.json")]
    assert set(beats) == {"rackbench.live-beat/1.0"}


def test_the_files_of_a_campaign_obey_their_schemas(run: Run) -> None:
    folder = run.path.parents[2] / "campaigns/documents"
    jsonschema.validate(json.loads((folder / "campaign.json").read_text()), schema_of("campaign"))
    (member,) = folder.glob("members/*.json")
    jsonschema.validate(json.loads(member.read_text()), schema_of("campaign-member"))


def test_a_document_with_a_wrong_type_is_refused_by_its_schema(run: Run) -> None:
    status = {**run.status, "steps": "none"}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(status, schema_of("status"))
