# SPDX-License-Identifier: Apache-2.0
"""`rackbench init`: what it writes and refuses, and a new user's first hour with the wheel and the collection."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import pytest
import yaml
from hatchling.builders.wheel import WheelBuilder
from rackbench.cli.main import main
from rackbench.lab.init import TEMPLATE
from rackbench.transport import labfile, routes

from tests.integration import made_up
from tests.integration.harness import ROOT, Done, LabProject

if TYPE_CHECKING:
    from collections.abc import Mapping

FILES = {".gitignore", "README.md", "ansible.cfg", "inventories/lab.yml", "inventories/local.yml", "run.yml"}
INSTALL_S = 900


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Start in an empty directory, as a user who has no collection."""
    for name in ("ANSIBLE_COLLECTIONS_PATH", "ANSIBLE_CONFIG", "ANSIBLE_HOME", "RACKBENCH_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


@pytest.fixture
def lab(nowhere: Path) -> LabProject:
    """Return a new lab, which finds the collection of this checkout."""
    main(["init", "mylab"])
    environment = {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections")}
    return LabProject(nowhere / "mylab", Path.home(), environment)


def _files(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def test_without_the_collection_the_lab_is_made_and_the_command_that_installs_it_named(
    nowhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", "mylab"]) == 2
    said = capsys.readouterr()
    assert _files(nowhere) == {f"mylab/{name}" for name in FILES}
    assert said.out.splitlines()[:-1] == sorted(f"mylab/{name}" for name in FILES)
    assert "ansible-galaxy collection install rackbench.lab" in said.err
    assert "collection_missing" in said.err


@pytest.mark.parametrize("line", ["run --host local", "validate --host local", "adapters list"])
def test_every_verb_of_a_lab_without_the_collection_names_the_command(lab: LabProject, line: str) -> None:
    done = LabProject(lab.root, lab.home).rackbench(*line.split())
    assert done.rc == 2, done.said
    assert "ansible-galaxy collection install rackbench.lab" in done.stderr
    assert "collection_missing" in done.stderr


@pytest.mark.parametrize("line", ["adapters list", "lease list --host locl"])
def test_settings_that_ansible_config_names_are_not_those_of_a_lab(lab: LabProject, line: str) -> None:
    other = lab.home / "other.cfg"
    other.write_text("[defaults]\ninventory = elsewhere,\ncollections_path = /nowhere\n")
    # The place of the collection is in the lab's own settings, and nowhere else.
    collections = lab.environment["ANSIBLE_COLLECTIONS_PATH"]
    settings = lab.root / "ansible.cfg"
    settings.write_text(
        settings.read_text().replace("[defaults]\n", f"[defaults]\ncollections_path = {collections}\n", 1)
    )
    done = LabProject(lab.root, lab.home, {"ANSIBLE_CONFIG": str(other)}).rackbench(*line.split())
    if line == "adapters list":
        assert done.rc == 0, done.said
        assert "latency" in done.stdout
    else:
        assert "unknown_host" in done.stderr, done.said
        assert "local" in done.stderr.replace("locl", ""), done.said


@pytest.mark.slow
def test_where_ansible_does_not_look_for_the_labs_own_roles_the_step_fails_and_the_run_is_closed(
    lab: LabProject,
) -> None:
    made_up.add(lab, families=[made_up.family()])
    settings = lab.root / "ansible.cfg"
    settings.write_text(settings.read_text().replace("roles_path = roles\n", ""))
    done = lab.playbook("-e", "lab_benchmarks=made-up")
    assert done.rc == 2, done.said
    run = lab.run()
    assert run.states["made-up.stage"] == "failed"
    assert "did not find the role made_up" in json.dumps(run.records("step.ended"))
    assert run.records("run.closed")


def test_a_wheel_has_every_file_of_the_template() -> None:
    shipped = {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    assert {f"rackbench/lab/template/{name}" for name in FILES} <= shipped
    assert _files(TEMPLATE) == FILES


def test_an_empty_directory_is_filled_where_it_is(nowhere: Path) -> None:
    before = nowhere.stat().st_ino
    main(["init", "."])
    assert _files(nowhere) == FILES
    assert nowhere.stat().st_ino == before


@pytest.mark.parametrize("kind", ["directory with a file", "file", "link to nothing"])
def test_nothing_that_is_there_is_overwritten(
    nowhere: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    there = nowhere / "there"
    if kind == "file":
        there.write_text("mine")
    elif kind == "link to nothing":
        there.symlink_to(nowhere / "nothing")
    else:
        there.mkdir()
        (there / "run.yml").write_text("mine")
    before = sorted(nowhere.rglob("*"))
    assert main(["init", "there"]) == 2
    assert "lab_exists" in capsys.readouterr().err
    assert sorted(nowhere.rglob("*")) == before


@pytest.mark.parametrize("directory", ["no-such/new", "/sys/new"])
def test_a_directory_that_cannot_be_made_is_named(
    nowhere: Path, directory: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", directory]) == 2
    said = capsys.readouterr().err
    assert "lab_unwritable" in said
    assert directory in said


def test_a_lab_for_which_the_disk_has_no_room_is_not_begun(nowhere: Path) -> None:
    # As on a full disk, no file can have a byte.
    command = f"ulimit -f 0; exec {shlex.quote(sys.executable)} -m rackbench init new"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "lab_unwritable" in done.stderr
    assert list(nowhere.iterdir()) == []


def test_ansible_reads_the_inventory_of_a_new_lab_and_warns_of_nothing(lab: LabProject) -> None:
    done = lab.command("ansible-inventory", "--list")
    assert (done.rc, done.stderr) == (0, ""), done.said
    listed = json.loads(done.stdout)
    assert listed["ungrouped"]["hosts"] == ["local"]
    assert listed["_meta"]["hostvars"]["local"]["ansible_connection"] == "ansible.builtin.local"


def test_a_lab_that_describes_no_machine_yet_validates_this_one(lab: LabProject) -> None:
    done = lab.rackbench("validate")
    assert done.rc == 0, done.said
    assert done.stdout.startswith("local: ok")


def test_yamllint_finds_nothing_in_a_new_lab(lab: LabProject) -> None:
    done = lab.command("yamllint", "--strict", ".")
    assert (done.rc, done.said) == (0, "")


def test_the_example_is_a_good_lab_once_it_is_no_comment_any_more(lab: LabProject) -> None:
    path = lab.root / "inventories/lab.yml"
    head, example = path.read_text().split("# An example", 1)
    lines = re.findall(r"^# (.*)$", example, re.MULTILINE)
    path.write_text(head + "\n".join(lines[lines.index("auth_refs:") :]) + "\n")
    assert set(yaml.safe_load(path.read_text())) == {
        "schema", "plugin", "auth_refs", "defaults", "hops", "hosts",
    }  # fmt: skip
    way = routes.resolve(labfile.load(path))
    assert [machine.name for machine in way.route("turind8")] == ["thor", "turind8"]


@pytest.mark.full
def test_a_verdict_that_is_no_makes_the_exit_status_and_keeps_the_files(nowhere: Path) -> None:
    places = nowhere.parent / "collections"
    bare = places / "ansible_collections/rackbench/lab"
    bare.mkdir(parents=True)
    # Without sources of benchmarks there is nothing to build a bundle from.
    for name in ("meta", "playbooks", "plugins", "roles", "templates"):
        shutil.copytree(ROOT / name, bare / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "galaxy.yml", bare)
    user = LabProject(nowhere, Path.home(), {"ANSIBLE_COLLECTIONS_PATH": str(places)})
    done = user.rackbench("init", "mylab")
    assert done.rc == 1, done.said
    assert "mylab/benchmarks/latency is missing" in done.stdout
    assert done.last_line.startswith("mylab: a new lab. What is in the way")
    assert _files(nowhere / "mylab") >= FILES


@pytest.fixture
def user(nowhere: Path) -> LabProject:
    """Return a new user, who has the wheel and the collection of HEAD installed, and nothing of the checkout."""
    home, environment = Path.home(), nowhere.parent / "environment"
    built = nowhere.parent / "built"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    python = environment / "bin/python"
    code = "import sys; from pathlib import Path; from artifacts import collection, wheel; "
    code += "out = Path(sys.argv[1]); wheel(out); collection(out)"
    _done(sys.executable, "-c", code, built, env={**kept, "PYTHONPATH": str(ROOT / "tools")})
    (wheel,) = built.glob("*.whl")
    (tarball,) = built.glob("*.tar.gz")
    _done(sys.executable, "-m", "venv", environment, env=kept)
    pip = (python, "-m", "pip", "--quiet", "--disable-pip-version-check")
    locked = subprocess.run(
        [*pip, "install", "--require-hashes", "--requirement", ROOT / "requirements/run.txt"],
        env=kept,
        capture_output=True,
        text=True,
        timeout=INSTALL_S,
    )
    if locked.returncode != 0:
        pytest.skip(f"pip cannot install what the package needs: {locked.stderr.strip().splitlines()[-1]}")
    _done(*pip, "install", "--no-deps", wheel, env=kept)
    _done(*pip, "check", env=kept)
    path = os.pathsep.join(
        folder for folder in kept["PATH"].split(os.pathsep) if Path(folder) != Path(sys.executable).parent
    )
    user = LabProject(nowhere, home, {"PATH": f"{environment / 'bin'}:{path}"})
    installed = user.command("ansible-galaxy", "collection", "install", "--offline", tarball)
    assert installed.rc == 0, installed.said
    return user


def _done(*argv: str | Path, env: Mapping[str, str]) -> None:
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=INSTALL_S)
    assert done.returncode == 0, done.stdout + done.stderr


def _good(done: Done) -> str:
    assert done.rc == 0, done.said
    assert "warning" not in done.said.lower(), done.said
    return done.stdout


@pytest.mark.full
def test_a_new_user_makes_a_lab_from_the_wheel_and_the_collection(user: LabProject) -> None:
    collection = user.home / ".ansible/collections/ansible_collections/rackbench/lab"
    where = user.command("python", "-c", "import rackbench; print(rackbench.__file__)").stdout
    assert where.startswith(str(user.root.parent / "environment")), where

    def shipped() -> set[str]:
        return {name for name in _files(collection) if "__pycache__" not in name}

    before = shipped()
    document = json.loads(_good(user.rackbench("init", "mylab", "--json")))
    schema = json.loads((ROOT / "docs/reference/schemas/lab-begun.schema.json").read_text())
    jsonschema.validate(document, schema)
    assert document["validation"]["ok"]
    assert set(document["files"]) == FILES
    lab = LabProject(user.root / "mylab", user.home, user.environment)
    # The lease of this machine is shared by all who use it, and each test is a lab of its own.
    variables = lab.root / "inventories/group_vars/all.yml"
    variables.parent.mkdir()
    variables.write_text(json.dumps({"lab_lease_dir": str(user.home / "lease")}))

    readme = (lab.root / "README.md").read_text()
    first, _machines = re.findall(r"^```sh\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    for line in first.splitlines():
        said = _good(lab.command(*shlex.split(line, comments=True)))
        if line.startswith("rackbench adapters"):
            assert {"latency", "system-info"} <= {row.split()[0] for row in said.splitlines()}
    smoke, by_ci = lab.runs()
    assert sorted(smoke.status["benchmarks"]) == ["latency", "system-info"]
    assert by_ci.status["benchmarks"] == ["system-info"]
    assert {run.status["state"] for run in lab.runs()} == {"completed"}
    assert _good(lab.rackbench("status")).startswith("local: completed")

    built = lab.rackbench("bundle", "build")
    assert built.rc == 0, built.said
    assert "up to date: latency-" in built.stdout
    assert {"smoke", "standard"} <= {
        line.split()[0] for line in _good(lab.rackbench("templates")).splitlines()
    }
    _good(lab.rackbench("run", "--host", "local", "--benchmarks", "latency", "--families", "smoke"))
    assert lab.runs()[-1].status["benchmarks"] == ["latency"]
    assert shipped() == before
