# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of the documentation run as they are printed, and tasks return what the documentation says.

The examples of the modules that belong to a run make one run together, step by step, in a private copy of the checkout.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.integration.harness import ROOT, make_project
from tests.integration.publishing import Results
from tests.unit.plugins.documentation import modules, strings
from tests.unit.plugins.machine import Machine

if TYPE_CHECKING:
    from tests.integration.harness import LabProject

pytestmark = pytest.mark.full

# These examples would load software from the network, or build it: they run in check mode.
IN_CHECK_MODE = {
    "python_environment": "it downloads the packages of BenchBox",
    "rust_toolchain": "it downloads a gigabyte",
    "source_build": "the bundle of the example is built already",
    "target_python_environment": "its bundle is a made-up one",
}
# Every module's result may have them, and Ansible documents them.
OF_ANSIBLE = frozenset({"changed", "failed", "invocation", "msg", "warnings"})
# Which examples do the work of which step of the run.
STEPS: dict[str, tuple[str, ...]] = {
    "host.discover": ("discover",),
    "host.preflight": ("preflight",),
    "latency.stage": ("bundle", "source_build", "python_environment"),
    "latency.execute": ("noise", "job"),
    "latency.collect": ("collect",),
    "latency.publish": ("publish",),
    "host.finalize": ("finalize",),
}
AFTERWARDS = (
    "resume", "recover", "lease_info", "lease", "store_info", "store", "rust_toolchain", "validate",
)  # fmt: skip
# Writes what each task of ours returned, which a callback can see and a play cannot without registering it.
WITNESS = """
import json, pathlib
from ansible.plugins.callback import CallbackBase

class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "witness"

    def note(self, result, *more, **others):
        if result.task.action.startswith("rackbench.lab.") and not result.task.loop:
            self.write(result)

    def write(self, result):
        line = {"module": result.task.action.rpartition(".")[2], "state": result.task.args.get("state"),
                "check": bool(result.task.check_mode), "failed": result.is_failed(), "returned": dict(result.result)}
        with pathlib.Path("returned.jsonl").open("a") as file:
            file.write(json.dumps(line, default=str) + "\\n")

    v2_runner_on_ok = v2_runner_on_failed = note
    v2_runner_item_on_ok = v2_runner_item_on_failed = write
"""


def example(module: str) -> list[dict[str, Any]]:
    """Return the tasks of a module's examples."""
    tasks: list[dict[str, Any]] = yaml.safe_load(strings("modules", module)["EXAMPLES"])
    return [{**task, "check_mode": True} for task in tasks] if module in IN_CHECK_MODE else tasks


def own_keys(returned: dict[str, Any]) -> set[str]:
    """Return the keys of a result that are the module's and not Ansible's."""
    theirs = OF_ANSIBLE | {returned.get("ansible_loop_var")}
    return {key for key in returned if not key.startswith(("_ansible_", "ansible_"))} - theirs


def of_run(name: str, **arguments: Any) -> dict[str, Any]:
    return {f"rackbench.lab.{name}": {"run_dir": "{{ rackbench_plan.run_dir }}", **arguments}}


def steps(names: dict[str, tuple[str, ...]]) -> list[dict[str, Any]]:
    """Return the tasks that go through steps of the run, with the examples as their work."""
    begin, end = example("step")
    tasks: list[dict[str, Any]] = []
    for step, work in names.items():
        tasks.append({**begin, **of_run("step", step=step, state="running")})
        tasks += [task for module in work for task in example(module)]
        tasks.append({**end, **of_run("step", step=step, state="completed")})
    return tasks


def play(tasks: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"name": "Examples", "hosts": "all", "gather_facts": False, **more, "tasks": tasks}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> LabProject:
    """Return a checkout whose ansible.cfg is what the examples of the callbacks say, with a witness in it."""
    made = make_project(tmp_path_factory.mktemp("examples"))
    (made.root / "callback_plugins").mkdir()
    (made.root / "callback_plugins/witness.py").write_text(WITNESS)
    return made


@pytest.fixture(scope="module")
def returned(project: LabProject, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Run the examples of all modules, and return what each task returned."""
    folder = tmp_path_factory.mktemp("around")
    results = Results.made(folder / "results")
    machine = Machine(folder / "machine")
    lease = str(project.home / "lease")
    around = {
        "vars": {
            "lab_publish_targets": {"latency": {"repo": str(results.clone)}},
            "ansible_become": False,
        },
        "module_defaults": {
            "rackbench.lab.plan": {"lease_dir": lease},
            "rackbench.lab.lease": {"dir": lease},
            "rackbench.lab.lease_info": {"dir": lease},
            "rackbench.lab.noise": machine.places,
            "rackbench.lab.target_noise": machine.places,
        },
    }
    # Whoever takes a run up again is another controller.
    parts = {
        "run.json": [*example("plan"), *steps(STEPS), *example("close")],
        "afterwards.json": [
            *[task for module in AFTERWARDS for task in example(module)],
            *[task for name in modules() if name.startswith("target_") for task in example(name)],
            *example("reopen"),
            *steps({"latency.publish": ("publish",)}),
            *example("close"),
        ],
    }
    for name, tasks in parts.items():
        (project.root / name).write_text(json.dumps([play(tasks, **around)]))
        run_dir = [f"lab_run_dir={run.path}" for run in project.runs()]
        done = project.command(
            "ansible-playbook", name, "-l", "local", *(["-e", *run_dir] if run_dir else [])
        )
        assert done.rc == 0, done.said
    return [json.loads(line) for line in (project.root / "returned.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("module", modules())
def test_tasks_of_the_examples_return_what_is_documented(module: str, returned: list[dict[str, Any]]) -> None:
    mine = [task for task in returned if task["module"] == module]
    assert mine
    documented = yaml.safe_load(strings("modules", module)["RETURN"])
    always = {name for name, value in documented.items() if value["returned"] in {"always", "success"}}
    for task in mine:
        keys = own_keys(task["returned"])
        assert keys <= documented.keys(), task
        assert always <= keys, task


def test_the_example_of_the_inventory_is_a_lab_whose_secrets_the_example_of_the_lookup_finds(
    project: LabProject,
) -> None:
    (project.root / "lab.yml").write_text(strings("inventory", "lab")["EXAMPLES"])
    (project.root / "secret.yml").write_text(
        json.dumps([play(yaml.safe_load(strings("lookup", "secret")["EXAMPLES"]))])
    )
    key = project.home / ".ssh/id_ed25519"
    key.parent.mkdir(mode=0o700, exist_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    project.environment.update(JUMP_PASSWORD="canary-jump", SERVICE_PASSWORD="canary-service")
    # The machine of the example is no machine: this one passes for it.
    here = {
        "ansible_connection": "ansible.builtin.local",
        "ansible_python_interpreter": sys.executable,
        "service_directory": str(project.home),
    }
    done = project.command(
        "ansible-playbook", "-i", "lab.yml", "-l", "turind8", "-e", json.dumps(here), "secret.yml"
    )
    assert done.rc == 0, done.said
    assert (project.home / "password").read_text() == "canary-service"
    assert "canary" not in done.said


def test_the_examples_of_the_callbacks_are_how_the_checkout_sets_them() -> None:
    configured = (ROOT / "ansible.cfg").read_text()
    for name in ("console", "run_ledger"):
        said = yaml.safe_load(strings("callback", name)["EXAMPLES"])["ansible.cfg"]
        (line,) = [line for line in said.splitlines() if line.endswith(f"rackbench.lab.{name}")]
        assert line in configured.splitlines()
