# SPDX-License-Identifier: Apache-2.0
"""What preflight decided is what is staged, whatever happens to the bundles in between."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.integration import made_up

if TYPE_CHECKING:
    from tests.integration.harness import LabProject

pytestmark = pytest.mark.full

BOTH = ("-e", "lab_benchmarks=first,second")


def meanwhile(project: LabProject, *command: str) -> None:
    """Let a command run after preflight and before the second benchmark is staged."""
    path = project.root / "roles/first/tasks/stage.yml"
    tasks = yaml.safe_load(path.read_text())
    happens = {
        "name": "Something happens on the controller",
        "ansible.builtin.command": {"argv": list(command), "chdir": str(project.root)},
        "delegate_to": "localhost",
        "vars": {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        },
        "changed_when": True,
    }
    path.write_text(yaml.safe_dump([happens, *tasks], sort_keys=False))


def two(project: LabProject) -> None:
    """Add two made-up benchmarks, each with its bundle in dist."""
    for name in ("first", "second"):
        made_up.add(project, [made_up.family()], name=name)


def last_of(records: list[Any], adapter: str) -> Any:
    return [each for each in records if each["adapter"] == adapter][-1]


def test_a_newer_bundle_that_appears_after_preflight_waits_for_the_next_run(project: LabProject) -> None:
    two(project)
    newer = project.root / "benchmarks/second/bundle.toml"
    old = newer.read_text()
    newer.write_text(old.replace('version = "1.0.0"', 'version = "1.0.1"'))
    built = project.rackbench("bundle", "build", "benchmarks/second", "--dist", "newer")
    assert built.rc == 0, built.said
    meanwhile(project, "cp", "newer/second-1.0.1-any.tar.gz", "newer/second-1.0.1-any.tar.gz.json", "dist")
    done = project.playbook(*BOTH)
    assert done.rc == 0, done.said
    run = project.run()
    packaging = [each for each in run.records("packaging") if each["adapter"] == "second"]
    assert len(packaging) == 2
    assert packaging[0]["decision"] == packaging[1]["decision"]
    assert packaging[1]["decision"]["chosen"]["version"] == "1.0.0"
    staged = packaging[1]["decision"]["chosen"]["sha256"]
    assert staged in {each["sha256"] for each in run.records("transfer")}
    assert run.states["second.execute"] == "completed"


def test_a_chosen_bundle_whose_bytes_change_after_preflight_is_not_staged(project: LabProject) -> None:
    two(project)
    meanwhile(project, "truncate", "--size=-1", "dist/second-1.0.0-any.tar.gz")
    done = project.playbook(*BOTH)
    assert done.rc == 2
    run = project.run()
    assert run.states["first.execute"] == "completed"
    assert run.states["second.stage"] == "failed"
    failure = next(each for each in run.records("step.ended") if each["step"] == "second.stage")["failure"]
    assert failure["code"] == "packaging_blocked"
    assert "has changed since" in failure["message"]
    chosen = last_of(run.records("packaging"), "second")["decision"]["chosen"]
    assert chosen["sha256"] not in {each["sha256"] for each in run.records("transfer")}


def test_a_configured_bundle_that_is_not_used_is_said_on_the_console(project: LabProject) -> None:
    made_up.add(project, [made_up.family()])
    configured = project.root / "mine"
    configured.mkdir()
    for path in (project.root / "dist").glob("made-up-*"):
        shutil.copy(path, configured)
    tarball = configured / "made-up-1.0.0-any.tar.gz"
    tarball.write_bytes(tarball.read_bytes()[:-1] + b"!")
    done = project.rackbench(
        "run",
        "--host",
        "local",
        "--benchmarks",
        "made-up",
        "-e",
        '{"lab_bundles": {"made-up": "mine/made-up-1.0.0-any.tar.gz"}}',
    )
    assert done.rc == 0, done.said
    assert "local: made-up: The configured bundle is not used" in done.stdout
