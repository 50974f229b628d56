# SPDX-License-Identifier: Apache-2.0
"""The console callback and `rackbench run`, through the real ansible-playbook."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rackbench.runner import Request

from .conftest import ROOT

pytestmark = pytest.mark.slow

FOREIGN = """\
- name: Somebody else's play
  hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: Say hello
      ansible.builtin.debug:
        msg: hello
    - name: Break
      ansible.builtin.fail:
        msg: it broke
"""
ENDLESS = """\
- name: Wait for a person
  hosts: localhost
  connection: local
  gather_facts: false
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  tasks:
    - name: Say that it began
      ansible.builtin.copy:
        dest: "{{ playbook_dir }}/began"
        content: yes
        mode: "0600"
    - name: Wait
      ansible.builtin.wait_for:
        timeout: 600
"""
# As a project of its own names the collection's playbooks.
VALIDATE, RUN = (
    f"- name: Ours\n  ansible.builtin.import_playbook: rackbench.lab.{name}\n" for name in ("validate", "run")
)
LIMIT_S = 300


def _environment(**more: str) -> dict[str, str]:
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "RACKBENCH_"))
    }
    tools = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {**inherited, "PATH": tools, "PYTHONPATH": str(ROOT / "python"), **more}


def _lab(tmp_path: Path, play: str) -> Path:
    project = tmp_path / "elsewhere"
    project.mkdir()
    (project / "ansible.cfg").write_text(
        f"[defaults]\ncollections_path = {ROOT / 'collections'}\nstdout_callback = rackbench.lab.console\n",
        encoding="utf-8",
    )
    (project / "run.yml").write_text(play, encoding="utf-8")
    return project


def _play(arguments: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "run.yml", *arguments]
    return subprocess.run(
        command,
        cwd=cwd,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )


def _preflight(tmp_path: Path) -> str:
    return json.dumps(
        {"lab_benchmarks": ["preflight"], "lab_families": [], "lab_runs_dir": str(tmp_path / "runs")}
    )


def test_another_playbook_is_shown_as_ansible_shows_it(tmp_path: Path) -> None:
    answer = _play(["-i", "localhost,"], _lab(tmp_path, FOREIGN))
    assert answer.returncode == 2
    for text in ("TASK [Say hello]", "it broke", "PLAY RECAP"):
        assert text in answer.stdout
    assert "run_dir" not in answer.stdout


def test_a_run_is_a_line_for_each_step_and_ends_with_its_directory(tmp_path: Path) -> None:
    answer = _play(["-l", "local", "-e", _preflight(tmp_path)], ROOT)
    lines = answer.stdout.splitlines()
    assert answer.returncode == 0, answer.stdout + answer.stderr
    for step in ("host.discover", "host.preflight", "host.finalize"):
        assert any(step in line and "completed" in line for line in lines)
    label, _, path = lines[-1].partition(": ")
    assert label == "run_dir"
    assert (ROOT / path / "events.jsonl").is_file()


def test_an_unknown_benchmark_is_one_failure_with_its_code(tmp_path: Path) -> None:
    answer = _play(["-l", "local", "-e", "lab_benchmarks=nonsense"], ROOT)
    assert answer.returncode == 2
    assert answer.stdout.count("[unknown_benchmark]") == 1
    assert "PLAY RECAP" not in answer.stdout


def test_hosts_that_share_a_failure_of_the_plan_are_told_it_once(tmp_path: Path) -> None:
    project = _lab(tmp_path, RUN)
    with (project / "ansible.cfg").open("a", encoding="utf-8") as stream:
        stream.write("callbacks_enabled = rackbench.lab.run_ledger\n")
    answer = _play(["-i", "one,two,three,"], project)
    assert answer.returncode != 0
    assert answer.stdout.count("[no_limit]") == 1, answer.stdout + answer.stderr
    assert answer.stdout.startswith("one, three, two: This run was not limited")
    assert "PLAY RECAP" not in answer.stdout


def test_validate_shows_its_report(tmp_path: Path) -> None:
    answer = _play(["-i", "here,"], _lab(tmp_path, VALIDATE))
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stdout.startswith("here: ok in ")
    assert "not a host of a lab inventory" in answer.stdout
    assert "PLAY RECAP" not in answer.stdout


def test_a_broken_lab_file_is_told_without_the_chain_of_exceptions(tmp_path: Path) -> None:
    lab = tmp_path / "bad.yml"
    lab.write_text("schema: rackbench.lab/1.0\nplugin: rackbench.lab.lab\nhosts: {a: {hostnam: x}}\n")
    answer = _play(["-i", str(lab)], _lab(tmp_path, FOREIGN))
    # Older Ansible breaks its warnings into lines.
    said = "".join((answer.stdout + answer.stderr).split())
    assert "bad.yml:3:hosts.a.hostnam:unknownkey;didyoumean'hostname'?" in said
    assert "pydantic" not in said


@pytest.mark.full
def test_verbose_output_is_that_of_ansible_and_still_ends_with_the_directory(tmp_path: Path) -> None:
    answer = _play(["-vv", "-l", "local", "-e", _preflight(tmp_path)], ROOT)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "TASK [Plan the run]" in answer.stdout
    assert answer.stdout.splitlines()[-1].startswith("run_dir: ")


def _rackbench_run(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rackbench", "run", *arguments],
        cwd=cwd,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )


@pytest.mark.full
def test_rackbench_run_takes_the_same_path_and_the_same_last_line(tmp_path: Path) -> None:
    answer = _rackbench_run("--host", "local", "-e", _preflight(tmp_path))
    assert answer.stdout.splitlines()[-1].startswith("run_dir: "), answer.stderr
    assert "\x1b[" not in answer.stdout
    assert answer.returncode == 0, answer.stdout


@pytest.mark.full
def test_rackbench_run_answers_with_a_document(tmp_path: Path) -> None:
    answer = _rackbench_run("--json", "--host", "local", "-e", _preflight(tmp_path))
    document = json.loads(answer.stdout)
    assert [run["host"] for run in document["runs"]] == ["local"]
    assert document["exit_status"] == answer.returncode == 0, document


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--host", "local", "--benchmarks", "nonsense"), "unknown_benchmark"),
        (("--host", "nosuchhost"), "ansible_failed"),
        (("--host", "local", "-i", "no/such/inventory"), "ansible_failed"),
    ],
)
def test_a_run_that_cannot_begin_exits_with_2_and_a_code(arguments: tuple[str, ...], code: str) -> None:
    answer = _rackbench_run(*arguments)
    assert answer.returncode == 2, answer.stdout + answer.stderr
    assert code in answer.stdout + answer.stderr


def test_no_repeats_are_refused_and_not_taken_for_one() -> None:
    answer = _rackbench_run("--host", "local", "--repeats", "0")
    assert answer.returncode == 2, answer.stdout + answer.stderr
    assert "lab_repeats is 0, and must be 1 or more." in answer.stdout


def test_a_host_of_another_worker_is_told_in_one_line_and_left_alone() -> None:
    answer = _rackbench_run("--host", "local", "--worker-group-count", "2", "--worker-group-id", "1")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stdout.count("local belongs to another worker of this group.") == 1
    assert "run_dir" not in answer.stdout
    assert "PLAY RECAP" not in answer.stdout


def test_every_setting_reaches_the_play_also_when_it_is_zero() -> None:
    request = Request(hosts="a", repeats=0, parent="night-1", worker_group_count=2, worker_group_id=0)
    arguments = request.arguments()
    assert json.loads(arguments[arguments.index("--extra-vars") + 1]) == {
        "lab_repeats": 0,
        "lab_parent": "night-1",
        "lab_worker_group_count": 2,
        "lab_worker_group_id": 0,
    }
    assert "--extra-vars" not in Request(hosts="a").arguments()


def test_an_interrupt_ends_the_play_and_exits_with_130(tmp_path: Path) -> None:
    project = _lab(tmp_path, ENDLESS)
    with subprocess.Popen(
        [sys.executable, "-m", "rackbench", "run", "--host", "localhost", "-i", "localhost,"],
        cwd=project,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        deadline = time.monotonic() + LIMIT_S
        while not (project / "began").exists():
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 130, printed
    assert "Traceback" not in printed
