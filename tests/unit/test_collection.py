# SPDX-License-Identifier: Apache-2.0
"""Where the installed collection is found: the same place as Ansible's own, and what is taken from it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rackbench.adapters.catalog import catalog_of
from rackbench.bundles.source import find_sources
from rackbench.collection import find_collection
from rackbench.errors import RackbenchError

ROOT = Path(__file__).resolve().parents[2]
BELOW = "ansible_collections/rackbench/lab"
ANSIBLE = Path(sys.executable).parent / "ansible-galaxy"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty project of a user with an empty home, on a machine without any collection."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("ANSIBLE_COLLECTIONS_PATH", "ANSIBLE_HOME", "ANSIBLE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    project = tmp_path / "project"
    project.mkdir()
    (project / "ansible.cfg").write_text("[defaults]\n")
    return project


def _installed(place: Path) -> Path:
    found = place / BELOW
    found.mkdir(parents=True)
    named = {"namespace": "rackbench", "name": "lab", "version": "9.9.9"}
    (found / "MANIFEST.json").write_text(json.dumps({"collection_info": named}))
    return found


def _as_ansible_finds_it(project: Path) -> Path:
    """Return the place from which Ansible takes the collection for this project."""
    listed = subprocess.run(
        [ANSIBLE, "collection", "list", "rackbench.lab"],
        cwd=project,
        env={**os.environ, "ANSIBLE_CONFIG": str(project / "ansible.cfg")},
        capture_output=True,
        text=True,
        check=True,
    )
    places = [line.removeprefix("# ") for line in listed.stdout.splitlines() if line.startswith("# ")]
    return Path(places[0], "rackbench/lab").resolve()


def test_the_checkout_is_its_own_collection() -> None:
    assert find_collection(ROOT) == ROOT


def test_the_configured_place_is_relative_to_ansible_cfg_and_comes_before_the_home(project: Path) -> None:
    (project / "ansible.cfg").write_text(
        "[defaults]\ncollections_path = nowhere:mine:other ; as Ansible reads it\n"
    )
    mine = _installed(project / "mine")
    _installed(project / "other")
    _installed(Path.home() / ".ansible/collections")
    assert find_collection(project) == mine == _as_ansible_finds_it(project)


def test_the_environment_comes_before_ansible_cfg(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "ansible.cfg").write_text("[defaults]\ncollections_path = mine\n")
    _installed(project / "mine")
    other = _installed(tmp_path / "other")
    # The directory itself may be named, too.
    monkeypatch.setenv("ANSIBLE_COLLECTIONS_PATH", str(tmp_path / "other/ansible_collections"))
    assert find_collection(project) == other == _as_ansible_finds_it(project)


def test_without_a_configured_place_it_is_in_the_home_of_ansible(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = _installed(Path.home() / ".ansible/collections")
    assert find_collection(project) == usual == _as_ansible_finds_it(project)
    moved = _installed(tmp_path / "moved/collections")
    monkeypatch.setenv("ANSIBLE_HOME", str(tmp_path / "moved"))
    assert find_collection(project) == moved == _as_ansible_finds_it(project)


def test_a_collection_beside_the_python_packages_is_found_last(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged = _installed(tmp_path / "site-packages")
    monkeypatch.syspath_prepend(tmp_path / "site-packages")
    assert find_collection(project) == packaged
    usual = _installed(Path.home() / ".ansible/collections")
    assert find_collection(project) == usual


def test_a_collection_that_is_nowhere_names_the_command_that_installs_it(project: Path) -> None:
    with pytest.raises(RackbenchError) as caught:
        find_collection(project)
    assert caught.value.code == "collection_missing"
    assert caught.value.next_command == "ansible-galaxy collection install rackbench.lab"


def test_an_ansible_cfg_that_is_no_ini_file_is_named(project: Path) -> None:
    (project / "ansible.cfg").write_text("collections_path = mine\n")
    with pytest.raises(RackbenchError, match=r"ansible\.cfg cannot be read") as caught:
        find_collection(project)
    assert caught.value.code == "ansible_failed"


def test_a_project_adds_its_own_roles_to_those_of_the_collection(project: Path) -> None:
    shipped = set(catalog_of(project, ROOT))
    assert {"latency", "system-info"} <= shipped
    role = project / "roles/mine"
    role.mkdir(parents=True)
    text = (ROOT / "roles/latency/adapter.yml").read_text()
    (role / "adapter.yml").write_text(text.replace("name: latency\n", "name: mine\n", 1))
    assert set(catalog_of(project, ROOT)) == {*shipped, "mine"}


def test_the_benchmark_of_the_project_takes_the_place_of_the_collections_one(project: Path) -> None:
    own = project / "benchmarks/quick"
    own.mkdir(parents=True)
    (own / "bundle.toml").write_bytes((ROOT / "benchmarks/latency/bundle.toml").read_bytes())
    found = {source.name: source.directory for source in find_sources(project, ROOT)}
    assert found["latency"] == own
    assert found["system-info"] == ROOT / "benchmarks/system-info"
    assert next(iter(found)) == "latency"
