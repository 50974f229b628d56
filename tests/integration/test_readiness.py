# SPDX-License-Identifier: Apache-2.0
"""Readiness through the front door: each state for a real reason, and the same in dry run, preflight and status."""

from __future__ import annotations

import json
import shutil
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml
from rackbench.adapters.plan import ROLE_PHASES

from tests.integration import made_up
from tests.integration.harness import Done, LabProject, Run, make_project
from tests.integration.readiness_records import comparable, comparable_report, states
from tests.integration.test_documents_fit_models import schema_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ENORMOUS = 10**18
BUILT_PROGRAM = """
[build]
command = ["sh", "-c", "mkdir -p $BUNDLE_OUT/bin && cp program $BUNDLE_OUT/bin/run"]
needs = [{ command = "no-such-compiler", package = "no-such-package"%s }]
"""


def add(project: LabProject, name: str, requirements: dict[str, Any] | None = None) -> Path:
    """Put a benchmark and an adapter of this name into the checkout and return the benchmark's directory."""
    source = project.root / "benchmarks" / name
    program = source / "bin/run"
    program.parent.mkdir(parents=True)
    program.write_text(made_up.PROGRAM)
    program.chmod(0o755)
    (source / "bundle.toml").write_text(made_up.BUNDLE_TOML.replace('"made-up"', f'"{name}"'))
    role = project.root / "roles" / name.replace("-", "_")
    role.mkdir()
    document = {
        **made_up.ADAPTER,
        "name": name,
        "bundle": {"name": name, "source": f"benchmarks/{name}", "platform": "any"},
        "families": [made_up.family("short"), made_up.family("long")],
        "default_families": ["long"],
        **({"requirements": requirements} if requirements else {}),
    }
    # Preflight ends the run before any of them is read, and the plan wants to see that they are there.
    (role / "tasks").mkdir()
    for phase in ROLE_PHASES:
        (role / "tasks" / f"{phase}.yml").touch()
    (role / "adapter.yml").write_text(yaml.safe_dump(document, sort_keys=False))
    return source


def build(project: LabProject, name: str) -> Path:
    """Build the bundle of a benchmark into dist and return the tarball."""
    built = project.rackbench("bundle", "build", f"benchmarks/{name}")
    assert built.rc == 0, built.said
    (tarball,) = project.root.glob(f"dist/{name}-1.0.0-*.tar.gz")
    return tarball


def move(tarball: Path, folder: Path) -> Path:
    """Move a bundle with its sidecar to another directory and return where the tarball is."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in tarball.parent.glob(f"{tarball.name}*"):
        shutil.move(path, folder)
    return folder / tarball.name


def corrupt(tarball: Path) -> None:
    """Change one byte of a tarball."""
    content = bytearray(tarball.read_bytes())
    content[len(content) // 2] ^= 1
    tarball.write_bytes(content)


def configured(project: LabProject) -> dict[str, Any]:
    add(project, "configured")
    tarball = move(build(project, "configured"), project.root / "mine")
    return {"lab_bundles": {"configured": str(tarball.relative_to(project.root))}}


def corrupted(project: LabProject) -> dict[str, Any]:
    add(project, "corrupted")
    mine = project.root / "mine"
    mine.mkdir(exist_ok=True)
    for path in project.root.glob(f"{build(project, 'corrupted')}*".removeprefix(f"{project.root}/")):
        shutil.copy2(path, mine)
    tarball = mine / "corrupted-1.0.0-any.tar.gz"
    corrupt(tarball)
    return {"lab_bundles": {"corrupted": str(tarball)}}


def cached(project: LabProject) -> dict[str, Any]:
    add(project, "cached")
    move(build(project, "cached"), project.root / "shared")
    return {"lab_bundle_cache": "shared"}


def captured(project: LabProject) -> dict[str, Any]:
    add(project, "captured")
    move(build(project, "captured"), project.root / ".rackbench/captured")
    return {}


def local(project: LabProject) -> dict[str, Any]:
    add(project, "local-one")
    build(project, "local-one")
    return {}


def builder(project: LabProject) -> dict[str, Any]:
    add(project, "builder-one")
    return {}


def snapshot(project: LabProject) -> dict[str, Any]:
    (add(project, "snapshot") / "bundle.toml").unlink()
    return {}


def program(project: LabProject) -> dict[str, Any]:
    source = add(project, "program")
    return {"lab_benchmark_repos": {"program": str(source / "bin/run")}}


def blocked(project: LabProject) -> dict[str, Any]:
    source = add(project, "blocked")
    corrupt(build(project, "blocked"))
    shutil.rmtree(source)
    return {}


def no_disk(project: LabProject) -> dict[str, Any]:
    add(project, "no-disk", {"disk_bytes": ENORMOUS})
    return {}


def no_memory(project: LabProject) -> dict[str, Any]:
    add(project, "no-memory", {"memory_bytes": ENORMOUS})
    return {}


def no_command(project: LabProject) -> dict[str, Any]:
    add(
        project,
        "no-command",
        {"commands": [{"command": "no-such-tool", "packages": {"default": "no-such-package"}}]},
    )
    return {}


def on_the_controller(project: LabProject) -> dict[str, Any]:
    """Make a benchmark that runs on the controller, which lacks a command."""
    add(
        project,
        "here",
        {"commands": [{"command": "no-such-client", "packages": {"default": "no-such-package"}}]},
    )
    build(project, "here")
    adapter = project.root / "roles/here/adapter.yml"
    adapter.write_text(adapter.read_text().replace("platform: any", "platform: any\n  runs_on: controller"))
    return {}


def built_on_the_host(project: LabProject, name: str, bootstrap: str) -> dict[str, Any]:
    """Make a benchmark that only a build can make a program of, by a compiler that is nowhere."""
    source = add(project, name)
    (source / "bin/run").rename(source / "program")
    text = (source / "bundle.toml").read_text().partition("[files]")[0]
    (source / "bundle.toml").write_text(text + BUILT_PROGRAM % bootstrap)
    return {}


def bootstrapped(project: LabProject) -> dict[str, Any]:
    return built_on_the_host(project, "bootstrapped", ', bootstrap = "rustup"')


def no_compiler(project: LabProject) -> dict[str, Any]:
    return built_on_the_host(project, "no-compiler", "")


# Each benchmark, what makes it so, and the state and basis that follow.
CASES: list[tuple[str, Callable[[LabProject], dict[str, Any]], str]] = [
    ("configured", configured, "ready (configured)"),
    ("corrupted", corrupted, "bundle_invalid_fallback_available (dist)"),
    ("cached", cached, "ready (cache)"),
    ("captured", captured, "ready_with_captured_cache (captured)"),
    ("local-one", local, "ready_with_local_bundle (dist)"),
    ("builder-one", builder, "ready_with_fallback (builder)"),
    ("snapshot", snapshot, "ready_with_fallback (repo)"),
    ("program", program, "ready_with_fallback (runner)"),
    ("blocked", blocked, "packaging_blocked (bundle)"),
    ("no-disk", no_disk, "packaging_blocked (disk)"),
    ("no-memory", no_memory, "runtime_missing (memory)"),
    ("no-command", no_command, "runtime_missing (commands)"),
    ("here", on_the_controller, "runtime_missing (commands)"),
    ("bootstrapped", bootstrapped, "bootstrap_required (commands)"),
    ("no-compiler", no_compiler, "runtime_missing (commands)"),
]
EXPECTED = {name: told for name, _make, told in CASES}


@dataclass
class Looks:
    """A checkout with a benchmark in each state, looked at by a dry run and by a preflight."""

    project: LabProject
    dry: Run
    live: Run
    done: list[Done]


@pytest.fixture(scope="module")
def looks(tmp_path_factory: pytest.TempPathFactory) -> Looks:
    """Look at this machine for a benchmark in each state that it can be in."""
    project = make_project(tmp_path_factory.mktemp("readiness"))
    settings: dict[str, Any] = {"lab_benchmarks": list(EXPECTED), "lab_phases": ["preflight"]}
    for _name, make, _told in CASES:
        for setting, value in make(project).items():
            known = settings.get(setting)
            settings[setting] = {**known, **value} if isinstance(known, dict) else value
    (project.root / "settings.json").write_text(json.dumps(settings))
    done = [project.playbook("-e", "@settings.json", *check) for check in (["--check"], [])]
    (dry,) = (project.root / "automation-runs/dry-runs/local").iterdir()
    return Looks(project, Run(dry), project.run(), done)


def test_each_state_follows_from_a_real_reason(looks: Looks) -> None:
    assert states(looks.live.records("readiness")) == EXPECTED, looks.done[1].said


def test_a_dry_run_says_the_same_as_the_preflight(looks: Looks) -> None:
    for kind in ("readiness", "packaging"):
        dry, live = (comparable(run.records(kind)) for run in (looks.dry, looks.live))
        assert dry.keys() == EXPECTED.keys()
        for name in EXPECTED:
            assert dry[name] == live[name], name
    assert comparable_report(looks.dry) == comparable_report(looks.live)
    for run in (looks.dry, looks.live):
        assert {each["readiness_basis"] for each in run.records("readiness")} == {"live_probe"}
        assert all(each["validated_readiness_status"] == each["status"] for each in run.records("readiness"))
    assert [done.rc for done in looks.done] == [0, 0], looks.done[1].said


def test_status_prints_state_and_basis_of_the_report(looks: Looks) -> None:
    said = looks.project.rackbench("status", "--run-dir", looks.live.path)
    for name, told in EXPECTED.items():
        assert any(
            line.startswith(f"{name} ") and f" {told} " in line for line in said.stdout.splitlines()
        ), name
    status = json.loads(looks.project.rackbench("status", "--run-dir", looks.live.path, "--json").stdout)
    jsonschema.validate(status, schema_of("status"))
    report = looks.live.document("preflight/summary.json")
    for entry in report["readiness"]:
        row = status["readiness"][entry["adapter"]]
        assert row == {name: entry[name] for name in row}
        assert row.keys() >= {
            "status",
            "status_basis",
            "failure_code",
            "readiness_basis",
            "missing",
            "bootstrap",
        }


def test_the_report_is_whole_for_machines_and_for_people(looks: Looks) -> None:
    for run in (looks.live, looks.dry):
        jsonschema.validate(run.document("preflight/summary.json"), schema_of("preflight"))
    report = looks.live.document("preflight/summary.json")
    assert report["checked"] is True
    assert report["planned_families"]["configured"] == [
        {
            "family": "long",
            "summary": "The long family.",
            "time_limit_s": 300.0,
            "executions": ["configured.long.1"],
            "cpus": None,
            "agents": None,
        }
    ]
    text = (looks.live.path / "preflight/summary.md").read_text()
    for name, told in EXPECTED.items():
        assert f"## {name}\n\n`{told}`: " in text
    for decision in report["packaging"].values():
        for candidate in decision["candidates"]:
            assert candidate["path"] in text
            assert candidate["accepted"] or candidate["reason"] in text
    artifacts = {record["path"] for record in looks.live.records("artifact")}
    assert {"preflight/summary.json", "preflight/summary.md"} <= artifacts


def test_what_a_role_installs_is_told_apart_from_what_a_person_must_install(looks: Looks) -> None:
    entries = {each["adapter"]: each for each in looks.live.records("readiness")}
    assert entries["bootstrapped"]["bootstrap"] == ["rustup"]
    assert entries["bootstrapped"]["install_command"] is None
    assert entries["bootstrapped"]["failure_code"] is None
    assert entries["no-compiler"]["missing"] == ["no-such-compiler (no-such-package)"]
    manager = looks.live.document("preflight/summary.json")["probe"]["package_manager"]
    for name in ("no-command", "no-compiler"):
        command = entries[name]["install_command"]
        assert (command or "no-such-package").endswith("no-such-package")
        assert (command is None) == (manager is None)


def test_a_benchmark_that_runs_on_the_controller_is_checked_there(looks: Looks) -> None:
    report = looks.live.document("preflight/summary.json")
    assert report["controller_probe"]["commands"] == {"no-such-client": None}
    assert "no-such-client" not in report["probe"]["commands"]
    (entry,) = [each for each in report["readiness"] if each["adapter"] == "here"]
    assert entry["message"] == "The controller lacks no-such-client (no-such-package)."


def test_a_host_that_does_not_answer_has_a_whole_report_of_what_was_expected(looks: Looks) -> None:
    with socket.socket() as taken:
        # A port that nobody listens on, and that nobody can take meanwhile.
        taken.bind(("127.0.0.1", 0))
        to_nowhere = {
            "ansible_connection": "ansible.builtin.ssh",
            "ansible_host": "127.0.0.1",
            "ansible_port": taken.getsockname()[1],
        }
        before = len(looks.project.runs())
        done = looks.project.playbook("-e", "@settings.json", "-e", json.dumps(to_nowhere))
    assert done.rc == 2, done.said
    run = looks.project.runs()[-1]
    assert len(looks.project.runs()) == before + 1
    assert run.states["host.discover"] == "failed"
    told = run.records("readiness")
    assert states(told) == dict.fromkeys(EXPECTED, "unreachable (connectivity)")
    # What the last preflight found is still what was expected, and what answers overrules it.
    expected = {
        each["adapter"]: f"{each['predicted_status']} ({each['predicted_status_basis']})" for each in told
    }
    assert expected == EXPECTED
    report = run.document("preflight/summary.json")
    assert (report["checked"], report["probe"], report["failure"]["code"]) == (
        False,
        None,
        "host_unreachable",
    )
    jsonschema.validate(report, schema_of("preflight"))
    entry = next(each for each in report["readiness"] if each["adapter"] == "no-command")
    assert [(each["command"], each["package"], each["checked"]) for each in entry["commands"]] == [
        ("no-such-tool", "no-such-package", False)
    ]
    text = (run.path / "preflight/summary.md").read_text()
    assert "The host was not reached: " in text
    assert "| no-such-tool | no-such-package | required | not looked for |" in text


def test_blocked_packaging_ends_the_run_before_anything_runs_and_says_where_to_read(
    looks: Looks,
) -> None:
    done = looks.project.rackbench("run", "--host", "local", "--benchmarks", "blocked,no-disk", "--json")
    assert done.rc in {1, 3}, done.said
    run = looks.project.runs()[-1]
    assert run.states["host.preflight"] == "failed"
    assert run.states["blocked.stage"] == "skipped"
    assert not run.records("execution.began")
    primary = run.status["alerts"]["primary"]
    assert primary["code"] == "packaging_blocked"
    assert primary["next_command"] == "rackbench validate --host local --scope staging"
    assert primary["next_path"] == "preflight/summary.md"
