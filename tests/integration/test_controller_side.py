# SPDX-License-Identifier: GPL-3.0-or-later
"""A benchmark that runs on the controller: staged, run, journalled and collected as any other."""

from __future__ import annotations

import getpass
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from rackbench.models.job import Job, JobSpec

from tests.integration import made_up, reaching
from tests.unit.transport.conftest import PASSPHRASE, Sshd, sshd

if TYPE_CHECKING:
    from tests.integration.harness import LabProject, Run

pytestmark = pytest.mark.full

__all__ = ["sshd"]

AGENT = "/nowhere/agent"


def store(project: LabProject) -> Path:
    """Return where a checkout keeps what runs on the controller."""
    return (project.root / ".rackbench/store").resolve()


def check_it_ran_here(project: LabProject, run: Run) -> None:
    """Assert that the program ran on the controller, from the controller's store, and that its results were fetched."""
    facts = reaching.facts_of(run)
    program = Path(facts["argv"][0])
    assert program.is_relative_to(store(project) / "bundles")
    assert set(facts["environment"]) <= {
        "HOME", "LANG", "PATH", "PYTHONDONTWRITEBYTECODE", "SSH_AUTH_SOCK", "TZ", "USER",
        # What the shell's exec and Python themselves add.
        "PWD", "OLDPWD", "SHLVL", "_", "LC_CTYPE",
    }  # fmt: skip
    (command,) = run.records("command")
    assert command["where"] == "controller"
    assert command["argv"][0] == str(program)
    place = "benchmarks/made-up/made-up.only.1"
    artifacts = {row["path"] for row in run.document("artifact_manifest.json")["artifacts"]}
    assert {f"{place}/{name}" for name in ("job.json", "result.json", "stdout", "seen.txt")} <= artifacts
    Job.model_validate(run.document(f"{place}/job.json"))
    JobSpec.model_validate(run.document(f"{place}/spec.json"))
    assert run.document(f"{place}/job.json")["target"] == facts["target"]


def test_a_controller_side_benchmark_is_run_and_collected_on_a_local_host(project: LabProject) -> None:
    reaching.add(project)
    project.environment.update(
        SSH_AUTH_SOCK=AGENT, LAB_TEST_SECRET="a secret of the controller's environment"
    )
    done = project.playbook(*reaching.ONLY)
    assert done.rc == 0, done.said
    run = project.run()
    check_it_ran_here(project, run)
    facts = reaching.facts_of(run)
    assert facts["target"] == {
        "name": "local", "connection": "local", "hostname": "localhost", "user": None, "port": None,
        "ssh_config": None,
    }  # fmt: skip
    assert facts["environment"]["SSH_AUTH_SOCK"] == AGENT
    # The home directory is where targets keep theirs.
    assert not (project.home / ".rackbench").exists()
    for path in (row for row in run.path.rglob("*") if row.is_file()):
        assert b"a secret of the controller" not in path.read_bytes(), path

    again = project.playbook(*reaching.ONLY)
    assert again.rc == 0, again.said
    (upload,) = [row for row in project.runs()[-1].records("transfer") if row["direction"] == "upload"]
    assert (upload["bytes"], upload["reused"]) == (0, True)


def test_the_program_of_a_dry_run_is_neither_staged_nor_run(project: LabProject) -> None:
    reaching.add(project)
    done = project.playbook("--check", *reaching.ONLY)
    assert done.rc == 0, done.said
    assert not (store(project) / "bundles").exists()
    assert not (store(project) / "jobs").exists()


def _module_of(program: str) -> str:
    """Return the module that a program of Ansible's, as it is sent to a Python, holds."""
    (name,) = set(re.findall(r"rackbench\.lab\.plugins\.modules\.(\w+)", program))
    return str(name)


def test_a_play_with_become_runs_it_as_ourselves_and_the_hosts_interpreter_is_not_ours(
    project: LabProject,
) -> None:
    reaching.add(project)
    # The host's own Python writes down what it runs, in a zip file, before it runs it.
    python, seen = project.root / "host-python", project.root / "seen"
    python.write_text(f'#!/bin/sh\nn=$(ls {seen} | wc -l)\ntee {seen}/$n | exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    seen.mkdir()
    for path in (project.root / "roles/made_up/tasks").iterdir():
        # A user that is not here: nothing may be done as that one.
        block = {
            "become": True,
            "become_user": "nobody-of-this-machine",
            "vars": {"ansible_python_interpreter": str(python)},
            "block": yaml.safe_load(path.read_text()),
        }
        path.write_text(yaml.safe_dump([block]))
    done = project.playbook(*reaching.ONLY)
    assert done.rc == 0, done.said
    check_it_ran_here(project, project.run())
    assert reaching.facts_of(project.run())["there"][1] == getpass.getuser()
    # The host is only asked whether its lease is still this run's.
    assert {_module_of(path.read_text()) for path in seen.iterdir()} == {"lease"}


def test_its_time_limit_ends_the_whole_process_group(project: LabProject) -> None:
    reaching.add(project, made_up.family(time_limit_s=3, act="hang"))
    done = project.playbook(*reaching.ONLY)
    assert done.rc == 2, done.said
    run = project.run()
    (ended,) = run.records("execution.ended")
    assert (ended["outcome"], ended["failure"]["code"]) == ("timeout", "execution_timed_out")
    (command,) = run.records("command")
    assert command["where"] == "controller"
    pid, began = (run.path / "benchmarks/made-up/made-up.only.1/child").read_text().split()
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return
    # Its number may belong to another process, or nobody has asked yet how it ended.
    assert fields[19] != began or fields[0] in "ZX"


def test_a_host_of_a_lab_file_is_reached_by_its_ssh_configuration_and_no_secret_is_seen(
    project: LabProject, sshd: Sshd
) -> None:
    reaching.add(project)
    lab = sshd.lab(
        defaults={
            "user": getpass.getuser(),
            "auth_ref": "key",
            "python": sys.executable,
            "retry": {"attempts": 1, "backoff_s": 0},
        }
    )
    done = project.playbook("-i", lab, *reaching.ONLY, host="t3")
    assert done.rc == 0, done.said
    run = project.run("t3")
    check_it_ran_here(project, run)
    facts = reaching.facts_of(run)
    assert facts["there"][2] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    target = facts["target"]
    assert (target["name"], target["connection"], target["hostname"]) == ("t3", "ssh", "127.0.0.1")
    assert (target["user"], target["port"]) == (getpass.getuser(), sshd.port)
    # The configuration is that of the lab, and goes away with the controller's process.
    assert not Path(target["ssh_config"]).exists()
    assert sshd.connections() == 2
    for folder in (run.path, store(project)):
        for path in (row for row in folder.rglob("*") if row.is_file()):
            assert PASSPHRASE.encode() not in path.read_bytes(), path
    assert "ssh" in (run.path / "benchmarks/made-up/made-up.only.1/seen.txt").read_text()


def plain_inventory(sshd: Sshd, **variables: object) -> Path:
    """Write an inventory of Ansible's own kind with one host, and give that a key without a passphrase."""
    key = sshd.folder / "plain key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    with (sshd.folder / "authorized").open("a") as authorized:
        authorized.write((sshd.folder / "plain key.pub").read_text())
    known_hosts = sshd.folder / "known_hosts.txt"
    document = {
        "all": {
            "hosts": {
                "plain": {
                    "ansible_host": "127.0.0.1",
                    "ansible_port": sshd.port,
                    "ansible_user": getpass.getuser(),
                    "ansible_ssh_private_key_file": str(key),
                    "ansible_ssh_common_args": f"-o UserKnownHostsFile={known_hosts} -oHostKeyAlias=box",
                    "ansible_python_interpreter": sys.executable,
                    **variables,
                }
            }
        }
    }
    path = sshd.folder / "plain.yml"
    path.write_text(json.dumps(document))
    return path


def test_a_host_of_a_plain_inventory_is_reached_by_a_configuration_that_is_removed_after_it(
    project: LabProject, sshd: Sshd
) -> None:
    reaching.add(project)
    # The path of a socket may have 108 bytes, and the homes of tests have long names.
    project.environment["ANSIBLE_SSH_CONTROL_PATH_DIR"] = str(sshd.folder / "cp")
    done = project.playbook("-i", plain_inventory(sshd), *reaching.ONLY, host="plain")
    assert done.rc == 0, done.said
    run = project.run("plain")
    check_it_ran_here(project, run)
    target = reaching.facts_of(run)["target"]
    assert (target["hostname"], target["port"]) == ("127.0.0.1", sshd.port)
    config = Path(target["ssh_config"])
    assert config.parent == store(project) / "ssh"
    assert not config.exists()


def test_a_host_that_is_not_reached_by_ssh_is_refused_before_anything_runs(
    project: LabProject, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    reaching.add(project)
    # A connection of another kind, made of the local one.
    plugins = project.root / "other_plugins"
    plugins.mkdir()
    local = subprocess.run(
        [sys.executable, "-c", "import ansible.plugins.connection.local as it; print(it.__file__)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    (plugins / "other.py").write_text(
        Path(local)
        .read_text()
        .replace("transport = 'local'", "transport = 'other'")
        .replace("name: local", "name: other")
    )
    project.environment["ANSIBLE_CONNECTION_PLUGINS"] = str(plugins)
    inventory = plain_inventory(sshd, ansible_connection="other")
    done = project.playbook("-i", inventory, *reaching.ONLY, host="plain")
    assert done.rc == 2, done.said
    run = project.run("plain")
    (ended,) = [record for record in run.records("step.ended") if record["step"] == "made-up.execute"]
    assert ended["failure"]["code"] == "adapter_invalid"
    assert "other" in ended["failure"]["message"]
    assert not (store(project) / "jobs").exists()
