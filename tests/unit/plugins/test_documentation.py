# SPDX-License-Identifier: GPL-3.0-or-later
"""What `ansible-doc` says of every plugin and role is whole, and is what the code does.

Whether a module's own arguments are what its documentation says is looked at by `ansible-test sanity`, and whether its
examples run by tests/integration/test_plugin_examples.py.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from rackbench.ledger import rundir

from tests.unit.plugins.documentation import PLUGINS, REPOSITORY, modules

# Beside these each module says in `details` where its support ends, or why there is none.
ATTRIBUTES = {"check_mode", "diff_mode", "idempotent"}
KINDS = ("module", "callback", "inventory", "lookup")
ROLES = sorted(path.name for path in (REPOSITORY / "roles").iterdir())
# The keys of an option that code and documentation share, with what Ansible takes for them when they are left out.
SHARED = {"type": "str", "required": False, "default": None, "choices": None, "elements": None}
# Variables of the inventory and of the play, which have no prefix of a role.
COMMON = ("lab_", "rackbench_plan", "lifecycle_step")


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Return what ansible-doc knows of the collection, by kind and name."""
    home = tmp_path_factory.mktemp("home")
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-doc"), "--metadata-dump", "rackbench.lab"],
        capture_output=True,
        text=True,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            "HOME": str(home),
            "ANSIBLE_CONFIG": str(home / "none.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(REPOSITORY / "collections"),
        },
    )
    assert done.returncode == 0, done.stderr
    everything = json.loads(done.stdout)["all"]
    return {
        kind: {name.removeprefix("rackbench.lab."): entry for name, entry in everything[kind].items()}
        for kind in (*KINDS, "role")
    }


def texts(description: Any) -> list[str]:
    return [description] if isinstance(description, str) else description


def require_described(options: dict[str, Any], where: str) -> None:
    """Require that each option, and each of its suboptions, says what it is and of which type."""
    for name, option in options.items():
        place = f"{where}: {name}"
        assert option.get("description"), place
        assert option.get("type"), place
        assert all(text[0].isupper() or text[0] in "VOCPM" for text in texts(option["description"])), place
        assert all(text.endswith((".", ")")) for text in texts(option["description"])), place
        require_described(option.get("suboptions") or {}, place)


def plugins_of(kind: str) -> list[str]:
    folder = PLUGINS / {"module": "modules"}.get(kind, kind)
    return sorted(path.stem for path in folder.glob("*.py"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_plugin_is_documented_whole(dump: dict[str, dict[str, Any]], kind: str) -> None:
    assert sorted(dump[kind]) == plugins_of(kind)
    for name, entry in dump[kind].items():
        doc = entry["doc"]
        assert not doc["short_description"].endswith("."), name
        assert all(text.endswith(".") for text in texts(doc["description"])), name
        assert doc["version_added"], name
        assert doc["author"], name
        # Ansible's own options of the default callback are described in its words.
        own = {"live": doc["options"]["live"]} if name == "console" else doc["options"]
        require_described(own, f"{kind} {name}")
        assert yaml.safe_load(entry["examples"]), name
        # A plugin that answers says what; a callback and an inventory do not.
        assert bool(entry["return"]) == (kind in {"module", "lookup"}), name


def test_the_attributes_of_modules_admit_their_limits(dump: dict[str, dict[str, Any]]) -> None:
    for name, entry in dump["module"].items():
        attributes = entry["doc"]["attributes"]
        assert attributes.keys() >= ATTRIBUTES, name
        for attribute, value in attributes.items():
            assert value["description"], (name, attribute)
            limited = value["support"] != "full" and attribute != "diff_mode"
            assert value.get("details") or not limited, (name, attribute)


def test_the_examples_of_modules_are_tasks_with_whole_names(dump: dict[str, dict[str, Any]]) -> None:
    for name, entry in dump["module"].items():
        tasks = yaml.safe_load(entry["examples"])
        called = [key for task in tasks for key in task if "." in key]
        assert f"rackbench.lab.{name}" in called
        assert len(called) == len(tasks)
        assert all(task["name"][0].isupper() for task in tasks)


def test_each_key_that_modules_return_is_described(dump: dict[str, dict[str, Any]]) -> None:
    for name, entry in dump["module"].items():
        for key, value in entry["return"].items():
            assert value["description"], (name, key)
            assert value["returned"], (name, key)
            assert value["type"], (name, key)
            assert "sample" in value or key == "rackbench", (name, key)


def test_samples_have_the_documents_of_a_run_where_a_run_has_them(dump: dict[str, dict[str, Any]]) -> None:
    names = {value for name, value in vars(rundir).items() if name.isupper() and isinstance(value, str)}
    places = {Path(name).name: name for name in names}
    for module, entry in dump["module"].items():
        # `automation-runs/DAY/HOST/STAMP/` is a run's directory.
        for path in re.findall(r"automation-runs(?:/[\w-]+){3}/([\w./-]+)", json.dumps(entry["return"])):
            assert places.get(Path(path).name, path) == path, module


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize("name", plugins_of("action"))
def test_an_action_takes_the_options_that_its_documentation_names(
    dump: dict[str, dict[str, Any]], name: str
) -> None:
    module = importlib.import_module(f"ansible_collections.rackbench.lab.plugins.action.{name}")
    taken = getattr(module.ActionModule, "ARGUMENTS", {})
    documented = dump["module"][name]["doc"]["options"]

    def shared(options: dict[str, Any]) -> dict[str, Any]:
        return {
            name: {key: option.get(key, usual) for key, usual in SHARED.items()}
            for name, option in options.items()
        }

    assert shared(taken) == shared(documented)


def test_every_action_and_every_part_on_a_target_has_its_module() -> None:
    on_targets = {name for name in modules() if name.startswith("target_")}
    assert set(plugins_of("action")) == set(modules()) - on_targets
    assert {name.removeprefix("target_") for name in on_targets} <= set(plugins_of("action"))


@pytest.mark.parametrize("role", ROLES)
def test_the_arguments_of_a_role_are_its_defaults(role: str) -> None:
    folder = REPOSITORY / "roles" / role
    entries = yaml.safe_load((folder / "meta/argument_specs.yml").read_text())["argument_specs"]
    defaults_file = folder / "defaults/main.yml"
    defaults = yaml.safe_load(defaults_file.read_text()) if defaults_file.exists() else {}
    options = {name: option for entry in entries.values() for name, option in entry["options"].items()}
    assert {name: option["default"] for name, option in options.items() if "default" in option} == defaults
    assert {name for name, option in options.items() if option.get("required")}.isdisjoint(defaults)
    assert all(name.startswith((f"{role}_", *COMMON)) for name in options)
    for entry_point, entry in entries.items():
        assert (folder / f"tasks/{entry_point}.yml").exists()
        for name, option in entry["options"].items():
            # Entry points that share an option say the same of it.
            assert option == options[name]


@pytest.mark.parametrize("role", ROLES)
def test_a_role_tells_what_it_is(dump: dict[str, dict[str, Any]], role: str) -> None:
    readme = (REPOSITORY / "roles" / role / "README.md").read_text()
    assert readme.startswith(f"# {role}\n")
    defaults_file = REPOSITORY / "roles" / role / "defaults/main.yml"
    for name in yaml.safe_load(defaults_file.read_text()) if defaults_file.exists() else ():
        assert f"`{name}`" in readme
    for entry_point, entry in dump["role"][role]["entry_points"].items():
        place = f"role {role}, {entry_point}"
        assert not entry["short_description"].endswith("."), place
        assert all(text.endswith(".") for text in texts(entry["description"])), place
        require_described(entry["options"], place)
