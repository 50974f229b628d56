# SPDX-License-Identifier: Apache-2.0
"""`rackbench validate`, `rackbench bundle select` and `playbooks/validate.yml` on this machine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from rackbench.errors import FAILURES
from rackbench.models.validation import Validation

from tests.integration import made_up
from tests.integration.harness import LabProject, make_project

if TYPE_CHECKING:
    from pathlib import Path

# Its program is not in the repository as it will be, so that only a build makes a bundle, for this kind of machine.
NATIVE = """
[bundle]
name = "made-up"
version = "1.0.0"
entry_point = "made"
platform = "native"

[build]
command = ["sh", "-c", "cp bin/run $BUNDLE_OUT/made"]
"""
NO_TOOL = {"commands": [{"command": "no-such-tool", "packages": {"default": "no-such-package"}}]}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> LabProject:
    """A checkout with a benchmark that fits everywhere, one for this machine, and one that lacks a command."""
    project = make_project(tmp_path_factory.mktemp("validate"))
    made_up.add(project, families=[made_up.family()])
    made_up.add(project, families=[made_up.family()], name="local-one", recipe=NATIVE)
    made_up.add(project, families=[made_up.family()], name="wanting", requirements=NO_TOOL)
    return project


def staged(
    project: LabProject, scope: str, benchmarks: str, status: int, *more: str | Path
) -> dict[str, Any]:
    """Return the staging block of this machine."""
    done = project.rackbench(
        "validate", "--host", "local", "--scope", scope, "--benchmarks", benchmarks, "--json", *more
    )
    assert done.rc == status, done.said
    report = Validation.model_validate_json(done.stdout)
    assert report.ok == (status == 0)
    (host,) = json.loads(done.stdout)["hosts"]
    block: dict[str, Any] = host["staging"]
    return block


def readiness(block: dict[str, Any]) -> dict[str, tuple[str, str, str]]:
    """Return state, basis and what it was told from, by benchmark."""
    found = {item["benchmark"]: item["readiness"] for item in block["benchmarks"]}
    return {
        name: (item["status"], item["status_basis"], item["readiness_basis"]) for name, item in found.items()
    }


def inventory(project: LabProject, **variables: Any) -> Path:
    """Write an inventory of this machine with settings of its own."""
    document = yaml.safe_load((project.root / "inventories/local/hosts.yml").read_text())
    document["all"]["hosts"]["local"].update(variables)
    path = project.root / "own.yml"
    path.write_text(yaml.safe_dump(document))
    return path


def test_a_host_is_judged_by_what_its_last_preflight_saw_and_is_not_asked(project: LabProject) -> None:
    before = staged(project, "staging", "made-up,local-one,wanting", 1)
    assert before["evidence"] is None
    assert readiness(before) == {
        "made-up": ("ready_with_local_bundle", "dist", "none"),
        "local-one": ("packaging_blocked", "platform", "none"),
        "wanting": ("ready_with_local_bundle", "dist", "none"),
    }
    local_one = before["benchmarks"][1]["readiness"]
    assert local_one["next_command"] == "rackbench run --host local --benchmarks preflight"
    assert [family["family"] for family in before["benchmarks"][0]["families"]] == ["only"]
    assert not list(project.root.glob("automation-runs/**/events.jsonl"))

    project.playbook("-e", "lab_benchmarks=made-up", "-e", "lab_phases=preflight")
    run = project.run()
    after = staged(project, "staging", "made-up,local-one", 0)
    assert after["evidence"] == f"{run.path.relative_to(project.root)}/preflight/summary.json"
    assert readiness(after) == {
        "made-up": ("ready_with_local_bundle", "dist", "cached_preflight"),
        "local-one": ("ready_with_local_bundle", "dist", "cached_preflight"),
    }
    assert project.runs() == [run]


def test_scope_all_asks_the_host_by_a_dry_run_that_is_kept(project: LabProject) -> None:
    runs = project.runs()
    block = staged(project, "all", "local-one,wanting", 1)
    assert readiness(block) == {
        "local-one": ("ready_with_local_bundle", "dist", "live_probe"),
        "wanting": ("runtime_missing", "commands", "live_probe"),
    }
    assert block["evidence"].startswith("automation-runs/dry-runs/local/")
    kept = json.loads((project.root / block["evidence"]).read_text())
    assert kept["readiness"] == [item["readiness"] for item in block["benchmarks"]]
    assert {item["benchmark"]: item["packaging"] for item in block["benchmarks"]} == kept["packaging"]
    assert project.runs() == runs


@pytest.mark.full
def test_a_missing_command_is_told_with_its_package_and_fails_the_host_of_the_playbook(
    project: LabProject,
) -> None:
    playbook = "playbooks/validate.yml"
    done = project.command(
        "ansible-playbook", playbook, "-l", "local", "-e", "lab_scope=all", "-e", "lab_benchmarks=wanting"
    )
    assert done.rc == 2, done.said
    assert "wanting          runtime_missing (commands)" in done.stdout
    assert "no-such-tool (no-such-package)" in done.stdout
    assert "local: staging [runtime_missing]" in done.stdout
    good = project.command(
        "ansible-playbook", playbook, "-l", "local", "-e", "lab_scope=all", "-e", "lab_benchmarks=made-up"
    )
    assert good.rc == 0, good.said


@pytest.mark.full
def test_a_corrupted_configured_bundle_is_refused_with_the_reason(project: LabProject) -> None:
    (built,) = (project.root / "dist").glob("made-up-*.tar.gz")
    mine = project.root / "mine" / built.name
    mine.parent.mkdir()
    content = bytearray(built.read_bytes())
    content[-1] ^= 1
    mine.write_bytes(content)
    mine.with_name(f"{mine.name}.json").write_text(built.with_name(f"{built.name}.json").read_text())
    own = inventory(project, lab_bundles={"made-up": "{{ inventory_dir }}/mine/" + built.name})

    block = staged(project, "staging", "made-up", 0, "-i", own)
    assert readiness(block)["made-up"][:2] == ("bundle_invalid_fallback_available", "dist")
    done = project.rackbench("bundle", "select", "--host", "local", "--benchmarks", "made-up", "-i", own)
    assert done.rc == 0, done.said
    assert f"made-up: {built} (prebuilt)" in done.stdout
    (refused,) = [line for line in done.stdout.splitlines() if line.startswith("configured")]
    assert " checksum " in refused


@pytest.mark.full
def test_a_benchmark_without_any_bundle_is_said_to_get_none(project: LabProject) -> None:
    own = inventory(project, lab_dist_dir="nowhere", lab_benchmark_repos={"made-up": "nowhere"})
    done = project.rackbench("bundle", "select", "--host", "local", "--benchmarks", "made-up", "-i", own)
    assert done.rc == 1, done.said
    assert "made-up: no bundle can be used" in done.stdout


@pytest.mark.full
def test_a_setting_for_an_unknown_benchmark_is_in_the_report(project: LabProject) -> None:
    own = inventory(project, lab_bundles={"no-such": "x.tar.gz"})
    for scope in ("staging", "all"):
        block = staged(project, scope, "made-up", 2, "-i", own)
        assert block["failure"]["code"] == "unknown_benchmark"
        assert "'no-such'" in block["failure"]["message"]


def test_all_bundles_are_listed_with_their_source(project: LabProject) -> None:
    captured = project.root / ".rackbench/captured"
    captured.mkdir(parents=True)
    for path in (project.root / "dist").glob("local-one-*"):
        (captured / path.name).write_bytes(path.read_bytes())
    done = project.rackbench("bundle", "list", "--cache", "dist")
    sources = sorted(line.split()[-1] for line in done.stdout.splitlines() if line.startswith("local-one"))
    assert sources == ["cache", "captured", "dist"]


def published(project: LabProject, status: int, *more: str | Path) -> dict[str, dict[str, Any]]:
    """Return by host what the scope publish says."""
    done = project.rackbench("validate", "--scope", "publish", "--json", *more)
    assert done.rc == status, done.said
    report = Validation.model_validate_json(done.stdout)
    assert report.ok == (status == 0)
    found = json.loads(done.stdout)["hosts"]
    assert all(host["ok"] == host["publish"]["ok"] for host in found)
    return {host["host"]: host["publish"] for host in found}


@pytest.mark.full
def test_publishing_of_an_unknown_benchmark_is_not_said_to_be_possible(project: LabProject) -> None:
    block = published(project, 2, "--host", "local", "--benchmarks", "no-such")["local"]
    assert (block["failure"]["code"], block["benchmarks"]) == ("unknown_benchmark", [])
    done = project.rackbench("validate", "--host", "local", "--scope", "publish", "--benchmarks", "no-such")
    assert "failed at local: publish" in done.stdout
    assert "[unknown_benchmark]" in done.stdout


@pytest.mark.full
@pytest.mark.parametrize("targets", ["made-up", ["made-up"]], ids=["a word", "a list"])
def test_publish_targets_that_are_no_mapping_are_a_failed_mapping(
    project: LabProject, targets: str | list[str]
) -> None:
    given = json.dumps({"lab_publish_targets": targets})
    block = published(project, 2, "--host", "local", "--benchmarks", "made-up", "-e", given)["local"]
    (check,) = block["checks"]
    assert (check["name"], check["status"]) == ("mapping", "failed")
    assert check["code"] == "publish_target_invalid"


@pytest.mark.full
def test_an_undefined_variable_in_a_target_is_told_of_its_host_and_the_others_have_their_report(
    project: LabProject,
) -> None:
    own = inventory(project, lab_publish_targets={"made-up-results": {"repo": "{{ no_such }}"}})
    document = yaml.safe_load(own.read_text())
    hosts = document["all"]["hosts"]
    hosts["good"] = {**hosts["local"], "lab_publish_targets": {}}
    hosts["secret"] = {**hosts["good"], "lab_embargoes": [{"host": "{{ no_such }}", "until": "2030-01-01"}]}
    own.write_text(yaml.safe_dump(document))
    asked = ("--host", "local,good,secret", "--benchmarks", "made-up", "-i", own)
    found = published(project, 2, *asked)
    (check,) = found["local"]["checks"]
    assert (check["name"], check["code"]) == ("mapping", "publish_target_invalid")
    assert "no_such" in check["message"]
    assert found["good"]["ok"]
    assert [row["benchmark"] for row in found["good"]["benchmarks"]] == ["made-up"]
    (check,) = found["secret"]["checks"]
    assert (check["name"], check["code"]) == ("embargo", "embargo_invalid")
    assert "no_such" in check["message"]


@pytest.mark.full
def test_a_relative_file_of_variables_is_found_where_the_user_is(project: LabProject) -> None:
    (project.root / "targets.yml").write_text("lab_publish_targets: {made-up-results: {repo: nowhere}}\n")
    asked = ("--host", "local", "--benchmarks", "made-up", "-e", "@targets.yml")
    block = published(project, FAILURES["publish_not_a_repository"].exit_status, *asked)["local"]
    assert [check["name"] for check in block["benchmarks"][0]["checks"]] == ["mapping", "repository"]
