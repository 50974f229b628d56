# SPDX-License-Identifier: Apache-2.0
"""A run that is started with a template, by whichever door, and what becomes of its results."""

from __future__ import annotations

import json
from typing import Any

import pytest
from rackbench import templates
from rackbench.adapters.catalog import load_catalog
from rackbench.adapters.plan import plan
from rackbench.cli.rerun import repeated_settings
from rackbench.ledger import documents
from rackbench.models.run_documents import Status

from tests.integration import made_up
from tests.integration.harness import LabProject, Run, make_project

TEMPLATE = """\
---
schema: rackbench.template/1.0
summary: A made-up preset
benchmarks: [made-up]
families: ["made-up:short"]
repeats: 2
warmups: 1
settings: {made-up: {act: good}}
tags: [smoke, ci]
label: bios-a
"""
BROKEN = """\
---
schema: rackbench.template/1.0
summary: Broken
families: [short]
repeat: 3
"""
UNKNOWN = """\
---
schema: rackbench.template/1.0
summary: A family that there is not
benchmarks: [made-up]
families: [shrot]
"""
SETTINGS = [{"name": "act", "summary": "What it does.", "default": "good", "choices": ["good", "simulated"]}]
# A result that says of itself that it was not measured.
PROGRAM = made_up.PROGRAM.replace(
    '(out / "turns.csv")',
    """if act == "simulated":
    text = json.dumps({**result, "simulated": True})
(out / "turns.csv")""",
)
TARGETS = json.dumps({"lab_publish_targets": {"made-up-results": {"remote": "nowhere"}}})


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> LabProject:
    """Return a checkout with a made-up benchmark and templates for it."""
    project = make_project(tmp_path_factory.mktemp("templates"))
    made_up.add(project, program=PROGRAM, schema="rackbench.adapter/1.1", settings=SETTINGS)
    for name, text in (("fast", TEMPLATE), ("broken", BROKEN), ("unknown", UNKNOWN)):
        (project.root / f"templates/{name}.yml").write_text(text)
    return project


def planned(run: Run) -> list[str]:
    """Return the executions of a run, in their order."""
    return [row["execution"] for row in run.status["executions"]]


def options(run: Run) -> dict[str, Any]:
    """Return the options of a run, without those that say where things are."""
    (record,) = run.records("run.opened")
    return {name: value for name, value in record["options"].items() if not name.endswith(("_dir", "_dirs"))}


@pytest.mark.full
def test_a_template_is_the_same_run_by_both_doors_and_the_command_line_comes_before_it(
    project: LabProject,
) -> None:
    done = project.rackbench("run", "--host", "local", "--template", "fast", "-e", TARGETS)
    assert done.rc == 0, done.said
    (run,) = project.runs()
    assert planned(run) == ["made-up.short.w1", "made-up.short.1", "made-up.short.2"]
    assert {row["outcome"] for row in run.status["executions"]} == {"passed"}

    done = project.playbook("-e", "lab_template=fast", "-e", TARGETS, "--check")
    assert done.rc == 0, done.said
    (dry,) = map(Run, project.root.glob("automation-runs/dry-runs/local/*"))
    assert planned(dry) == planned(run)
    assert options(dry) == options(run)

    status = run.status
    Status.model_validate(status)
    assert (status["template"], status["tags"], status["label"]) == ("fast", ["smoke", "ci"], "bios-a")
    # Its numbers count nowhere, though there is a place for them.
    (published,) = run.document("publish_ledger.json")["adapters"]
    assert published["state"] == "withheld"
    assert "tag smoke" in published["reason"]
    assert "blocked_publish" not in {item["kind"] for item in status["alerts"]["items"]}

    more = ("--repeats", "1", "--warmups", "0", "--tag", "night,ci", "--set", "made-up.act=simulated")
    done = project.rackbench("run", "--host", "local", "--template", "fast", *more, "-e", TARGETS)
    assert done.rc == 0, done.said
    changed = project.runs()[-1]
    assert planned(changed) == ["made-up.short.1"]
    assert changed.status["tags"] == ["smoke", "ci", "night"]
    assert options(changed)["settings"] == {"made-up": {"act": "simulated"}}
    (published,) = changed.document("publish_ledger.json")["adapters"]
    assert "A stand-in for the benchmark made the result of made-up.short.1." in published["reason"]

    shown = project.rackbench("status")
    assert "template: fast" in shown.stdout
    assert "tags: smoke, ci, night" in shown.stdout
    assert "smoke, ci, night" in project.rackbench("runs").stdout
    # Who repeats the run gets its options and its tags; the template may say something else by then.
    again = repeated_settings(documents.load(changed.path).state, ["made-up:short"])
    assert "lab_template" not in again
    assert again["lab_tags"] == ["smoke", "ci", "night"]


@pytest.mark.full
@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("broekn", "unknown_template", "No template is called 'broekn'. Did you mean broken?"),
        ("../templates/smoke", "unknown_template", "Known are:"),
        (
            "broken",
            "template_invalid",
            "templates/broken.yml:5: repeat: unknown key; did you mean 'repeats'?",
        ),
        (
            "unknown",
            "unknown_family",
            "templates/unknown.yml:5: families: No benchmark has the family 'shrot'.",
        ),
    ],
)
def test_a_template_that_cannot_be_used_is_refused_before_anything_begins(
    project: LabProject, name: str, code: str, words: str
) -> None:
    before = project.runs()
    done = project.rackbench("run", "--host", "local", "--template", name, "--json")
    assert done.rc == 2, done.said
    (failure,) = json.loads(done.stdout)["failures"]
    assert failure["code"] == code
    assert words in failure["message"]
    assert project.runs() == before


def test_what_is_wrong_on_the_command_line_is_not_blamed_on_the_template(project: LabProject) -> None:
    given = ("--template", "unknown", "--families", "sort", "--json")
    done = project.rackbench("run", "--host", "local", *given)
    (failure,) = json.loads(done.stdout)["failures"]
    assert failure["message"].startswith("No benchmark has the family 'sort'.")


def test_the_list_has_every_template_and_says_which_file_is_broken(project: LabProject) -> None:
    listed = project.rackbench("templates")
    assert listed.rc == 2
    assert "Whether everything works" in listed.stdout
    assert "templates/broken.yml:5: repeat: unknown key" in listed.stderr
    found = {
        row["name"]: row for row in json.loads(project.rackbench("templates", "--json").stdout)["templates"]
    }
    assert {"smoke", "standard", "thorough", "broken", "unknown"} <= found.keys()
    assert found["broken"]["options"] is None
    assert found["smoke"]["options"]["tags"] == ["smoke"]
    assert found["smoke"]["path"] == "templates/smoke.yml"


@pytest.mark.parametrize("name", ["smoke", "standard", "thorough"])
def test_the_templates_of_the_collection_can_be_planned(project: LabProject, name: str) -> None:
    set_by_it = dict(templates.load(name, templates.folders(project.root, project.root)).options)
    set_by_it.pop("tags", None)
    assert "latency" in plan(load_catalog([project.root / "roles"]), **set_by_it).executions
